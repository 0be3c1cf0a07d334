-- Who may call and read what the migrations before made. The newest migration is always this one's shape: version, then rights.

create or replace function public.omnicrm_schema_version() returns jsonb
language sql stable set search_path = '' as $$
    select to_jsonb(20261128000900)
$$;

do $$
declare
    name text;
begin
    -- Those that lack it alone: each is locked for it, in no order that a bot at work would know.
    for name in select tablename from pg_tables where schemaname = 'omnicrm' and not rowsecurity loop
        execute format('alter table omnicrm.%I enable row level security', name);
    end loop;
end
$$;

-- Only the service role (and the owner) may touch any of this.
do $$
declare
    f regprocedure;
    r text;
begin
    for f in
        select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'omnicrm' or (n.nspname = 'public' and p.proname like 'omnicrm\_%')
    loop
        execute format('revoke all on function %s from public', f);
    end loop;
    revoke all on schema omnicrm from public;
    foreach r in array array['anon', 'authenticated'] loop
        if exists (select from pg_roles where rolname = r) then
            execute format('revoke all on schema omnicrm from %I', r);
            execute format('revoke all on all tables in schema omnicrm from %I', r);
            for f in select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                where n.nspname = 'omnicrm' or (n.nspname = 'public' and p.proname like 'omnicrm\_%')
            loop
                execute format('revoke all on function %s from %I', f, r);
            end loop;
        end if;
    end loop;
    if exists (select from pg_roles where rolname = 'service_role') then
        grant usage on schema public, omnicrm to service_role;
        grant select, insert, update on public.clients, public.conversations to service_role;
        grant select, insert, update, delete on all tables in schema omnicrm to service_role;
        grant usage on all sequences in schema omnicrm to service_role;
        for f in select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where n.nspname = 'omnicrm' or (n.nspname = 'public' and p.proname like 'omnicrm\_%')
        loop
            execute format('grant execute on function %s to service_role', f);
        end loop;
    end if;
end
$$;
