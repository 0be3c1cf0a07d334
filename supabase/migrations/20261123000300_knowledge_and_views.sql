-- What Ara may say, what the operator sees, and who may call all of this.

-- Spanish words without accents, so that "arnica" finds "árnica".
create or replace function omnicrm.plain(p_text text) returns text
language sql immutable set search_path = '' as $$
    select translate(lower(p_text), 'áéíóúüñàèìòù', 'aeiouunaeiou')
$$;

-- Replace all knowledge at once. p_documents: [{"id", "title", "text", "source", "tags": [...]}].
create or replace function public.omnicrm_replace_knowledge(p_documents jsonb, p_digest text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    n integer;
begin
    perform pg_advisory_xact_lock(hashtextextended('omnicrm.knowledge', 0));
    if exists (select from omnicrm.state where name = 'knowledge_digest' and value = p_digest) then
        return jsonb_build_object('changed', false, 'count', (select count(*) from omnicrm.knowledge));
    end if;
    delete from omnicrm.knowledge where true;
    insert into omnicrm.knowledge (id, title, text, source, tags, search)
    select d ->> 'id', d ->> 'title', d ->> 'text', d ->> 'source', array(select jsonb_array_elements_text(d -> 'tags')),
        setweight(to_tsvector('pg_catalog.spanish', omnicrm.plain(d ->> 'title')), 'A')
        || setweight(to_tsvector('pg_catalog.spanish', omnicrm.plain(coalesce((select string_agg(x, ' ') from jsonb_array_elements_text(d -> 'tags') x), ''))), 'B')
        || setweight(to_tsvector('pg_catalog.spanish', omnicrm.plain(d ->> 'text')), 'C')
    from jsonb_array_elements(p_documents) d;
    get diagnostics n = row_count;
    insert into omnicrm.state (name, value) values ('knowledge_digest', p_digest)
    on conflict (name) do update set value = excluded.value;
    return jsonb_build_object('changed', true, 'count', n);
end
$$;

-- The best documents for a question, by any of its words. `coverage`: the share of the question's words that a document has.
create or replace function public.omnicrm_search_knowledge(p_query text, p_limit integer default 5) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    words text[] := tsvector_to_array(to_tsvector('pg_catalog.spanish', omnicrm.plain(left(p_query, 1000))));
    -- The words are lexemes already: quoted, they are taken as they are.
    q tsquery := (select string_agg(quote_literal(replace(w, '\', '')), ' | ') from unnest(words) w)::tsquery;
begin
    if q is null then
        return '[]';
    end if;
    return coalesce((
        select jsonb_agg(to_jsonb(d) order by d.rank desc, d.id)
        from (
            select k.id, k.title, k.text, k.source, to_jsonb(k.tags) as tags,
                ts_rank_cd('{0.1, 0.3, 0.6, 1.0}', k.search, q) as rank,
                (select count(*) from unnest(words) w where k.search @@ (quote_literal(replace(w, '\', ''))::tsquery))::float8 / cardinality(words) as coverage
            from omnicrm.knowledge k where k.search @@ q
            order by rank desc, k.id limit least(p_limit, 50)) d), '[]');
end
$$;

-- A small document under a name: what a platform that fetches by itself remembers, such as how far a mailbox is read.
create or replace function public.omnicrm_remember(p_name text, p_value jsonb) returns jsonb
language sql set search_path = '' as $$
    insert into omnicrm.state (name, value) values ('memory:' || p_name, p_value::text)
    on conflict (name) do update set value = excluded.value
    returning 'true'::jsonb
$$;

create or replace function public.omnicrm_recall(p_name text) returns jsonb
language sql stable set search_path = '' as $$
    select value::jsonb from omnicrm.state where name = 'memory:' || p_name
$$;

-- Be the one who does something for so long; the holder may go on before it ends.
create or replace function public.omnicrm_lease(p_name text, p_worker text, p_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
begin
    insert into omnicrm.leases (name, worker, until) values (p_name, p_worker, clock_timestamp() + make_interval(secs => p_seconds))
    on conflict (name) do update set worker = excluded.worker, until = excluded.until
    where leases.worker = excluded.worker or leases.until <= clock_timestamp();
    return to_jsonb(found);
end
$$;

create or replace function public.omnicrm_schema_version() returns jsonb
language sql stable set search_path = '' as $$
    select to_jsonb(20261123000300)
$$;

-- One conversation as the shop sees it.
create or replace function public.omnicrm_conversation(p_key text) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'key', t.key, 'conversation', t.conversation_id, 'channel', t.channel,
        'owner', case when omnicrm.is_human(t) then 'human' else 'bot' end, 'owner_reason', t.owner_reason, 'owner_until', t.owner_until,
        'opted_out', t.opted_out, 'attention', t.attention, 'dialogue', t.dialogue,
        'client', jsonb_build_object('id', c.id, 'name', nullif(c.name, ''), 'username', c.instagram_username, 'phone', c.phone, 'email', c.email),
        'orders', (select coalesce(jsonb_agg(jsonb_build_object('product', o.product, 'quantity', o.quantity) order by o.id), '[]') from omnicrm.orders o where o.thread_id = t.id),
        'messages', (
            select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'direction', m.direction, 'author', m.author, 'status', m.status,
                'reason', m.reason, 'kind', m.kind, 'text', m.text, 'content', m.content, 'platform_id', m.platform_id,
                'answers', m.answers, 'attempts', m.attempts, 'error', m.error, 'created_at', m.created_at) order by m.id), '[]')
            from (select * from omnicrm.messages x where x.thread_id = t.id order by x.id desc limit 500) m))
    from omnicrm.threads t join public.clients c on c.id = t.client_id where t.key = p_key
$$;

-- The state of the whole: counts, ages of what waits, accounts that stand still, conversations that wait for a person.
create or replace function public.omnicrm_overview() returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'clients', (select count(*) from public.clients),
        'conversations', (select count(*) from omnicrm.threads),
        'messages', (select coalesce(jsonb_object_agg(s.name, s.n), '{}') from (
            select direction || ' ' || status as name, count(*) as n from omnicrm.messages group by 1) s),
        'events', (select coalesce(jsonb_object_agg(s.type, s.n), '{}') from (
            select type, count(*) as n from omnicrm.platform_events group by 1) s),
        'oldest_received_seconds', (select extract(epoch from now() - min(ready_at)) from omnicrm.messages where status = 'received'),
        'oldest_queued_seconds', (select extract(epoch from now() - min(created_at)) from omnicrm.messages where status = 'queued'),
        'paused', (select coalesce(jsonb_agg(jsonb_build_object('channel', channel, 'account', account, 'until', paused_until, 'reason', paused_reason)), '[]')
            from omnicrm.accounts where paused_until > now()),
        'attention', (select coalesce(jsonb_agg(jsonb_build_object('key', key, 'reason', attention, 'since', attention_since) order by attention_since), '[]')
            from (select * from omnicrm.threads where attention is not null order by attention_since limit 100) x))
$$;

-- Forget platform events after their retention; messages stay.
create or replace function public.omnicrm_prune(p_days integer default 14) returns jsonb
language plpgsql set search_path = '' as $$
declare
    n integer;
begin
    delete from omnicrm.platform_events where created_at < now() - make_interval(days => greatest(p_days, 2));
    get diagnostics n = row_count;
    return jsonb_build_object('deleted', n);
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
