-- The tables that the shop's other software shares with us, and the platform columns of the owner's plan.
-- Safe on an empty database, on one that already has `clients` and `conversations` with rows, and a second time.

create table if not exists public.clients (
    id uuid primary key default gen_random_uuid(),
    created_at timestamptz not null default now()
);

alter table public.clients
    add column if not exists name text,
    add column if not exists phone text,
    add column if not exists email text,
    add column if not exists instagram_id varchar(255),
    add column if not exists instagram_username varchar(255),
    add column if not exists facebook_id varchar(255),
    add column if not exists messenger_id varchar(255),
    add column if not exists tiktok_id varchar(255),
    add column if not exists vambe_contact_id varchar(255),
    add column if not exists platform_metadata jsonb default '{}'::jsonb;

create index if not exists clients_instagram_id_idx on public.clients (instagram_id);
create index if not exists clients_messenger_id_idx on public.clients (messenger_id);
create index if not exists clients_vambe_contact_id_idx on public.clients (vambe_contact_id);

-- The owner's ids may be uuid or bigint: whatever points at them takes the type that is there.
do $$
declare
    client_type text := (
        select format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = 'public.clients'::regclass and attname = 'id'
    );
begin
    if to_regclass('public.conversations') is null then
        execute format(
            'create table public.conversations (
                id uuid primary key default gen_random_uuid(),
                client_id %s references public.clients (id) on delete cascade,
                created_at timestamptz not null default now())',
            client_type
        );
    end if;
    execute format('alter table public.conversations add column if not exists client_id %s references public.clients (id)', client_type);
end
$$;

alter table public.conversations
    add column if not exists channel text,
    add column if not exists handle text,
    add column if not exists account text,
    add column if not exists platform_user_id varchar(255),
    add column if not exists platform_thread_id varchar(255),
    add column if not exists last_message_at timestamptz;

create index if not exists conversations_channel_user_idx on public.conversations (channel, platform_user_id);

-- A list of allowed channels that was written before Instagram and Messenger would refuse them: let the new ones in.
do $$
declare
    rule record;
    column_number smallint := (
        select attnum from pg_attribute where attrelid = 'public.conversations'::regclass and attname = 'channel'
    );
    column_type oid := (select atttypid from pg_attribute where attrelid = 'public.conversations'::regclass and attname = 'channel');
    code text;
begin
    if exists (select from pg_type where oid = column_type and typtype = 'e') then
        foreach code in array array['WA', 'IG', 'FB', 'EMAIL', 'TT', 'SHELL'] loop
            execute format('alter type %s add value if not exists %L', column_type::regtype, code);
        end loop;
    end if;
    for rule in
        select conname, pg_get_expr(conbin, conrelid) as expression from pg_constraint
        where conrelid = 'public.conversations'::regclass and contype = 'c' and conkey = array[column_number]
            and conname <> 'conversations_channel_known'
    loop
        execute format('alter table public.conversations drop constraint %I', rule.conname);
        execute format(
            'alter table public.conversations add constraint conversations_channel_known
                check ((%s) or channel in (''WA'', ''IG'', ''FB'', ''EMAIL'', ''TT'', ''SHELL''))',
            rule.expression
        );
    end loop;
end
$$;

-- We create rows with the columns above only. A required column that we do not know would make every new customer fail:
-- better to say so now.
do $$
declare
    unknown text := (
        select string_agg(format('%s.%s', c.relname, a.attname), ', ')
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        where a.attrelid in ('public.clients'::regclass, 'public.conversations'::regclass)
            and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef and a.attidentity = ''
            and not (c.relname = 'clients' and a.attname = 'name')
            and not (c.relname = 'conversations' and a.attname in ('client_id', 'channel', 'handle', 'account', 'platform_user_id'))
    );
begin
    if unknown is not null then
        raise exception 'These columns are required and have no default: %. Give them a default, or drop NOT NULL, and run this again.', unknown;
    end if;
end
$$;

alter table public.clients enable row level security;
alter table public.conversations enable row level security;
