-- The API for other software: its keys, what it reads page by page, and how it sends.

-- A key is known by its id; of its secret only the SHA-256 is kept.
create table if not exists omnicrm.api_keys (
    id text primary key,
    name text not null check (length(name) between 1 and 80),
    hash text not null,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);
create unique index if not exists api_keys_name_idx on omnicrm.api_keys (name) where revoked_at is null;

-- What was answered to a send that carried a key of the caller's. Kept as long as the messages, so that it is never sent again.
create table if not exists omnicrm.api_requests (
    request_key text primary key,
    digest text not null,
    thread_id bigint not null references omnicrm.threads (id) on delete cascade,
    messages jsonb not null,
    created_at timestamptz not null default now()
);
create index if not exists api_requests_thread_idx on omnicrm.api_requests (thread_id);

create index if not exists threads_human_idx on omnicrm.threads (conversation_id) where owner = 'human';
create index if not exists threads_attention_idx on omnicrm.threads (conversation_id) where attention is not null;
-- How a list asks for names: as people write them in a hurry. Built-in functions alone, because whoever writes clients computes it.
create index if not exists clients_name_start_idx
    on public.clients ((translate(lower(name), 'áéíóúüñàèìòù', 'aeiouunaeiou')) text_pattern_ops);

-- The newest first. The owner's own column may be of a type for which this has no fixed order; then lists are slower, not wrong.
do $$
begin
    if (select atttypid from pg_attribute where attrelid = 'public.conversations'::regclass and attname = 'last_message_at') = 'timestamptz'::regtype then
        create index if not exists conversations_newest_idx on public.conversations ((coalesce(last_message_at, '-infinity'::timestamptz)), id);
    end if;
end
$$;

-- --- keys -----------------------------------------------------------------------------------------------------------------

create or replace function omnicrm.told_api_key(k omnicrm.api_keys) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', k.id, 'name', k.name, 'scopes', to_jsonb(k.scopes), 'created_at', k.created_at, 'expires_at', k.expires_at,
        'last_used_at', k.last_used_at, 'revoked_at', k.revoked_at,
        'state', case when k.revoked_at is not null then 'revoked' when k.expires_at <= now() then 'expired' else 'good' end)
$$;

create or replace function public.omnicrm_api_key_create(p_id text, p_name text, p_hash text, p_scopes jsonb, p_expires_at timestamptz default null) returns jsonb
language plpgsql set search_path = '' as $$
declare
    k omnicrm.api_keys;
begin
    insert into omnicrm.api_keys (id, name, hash, scopes, expires_at)
    values (p_id, p_name, p_hash, array(select jsonb_array_elements_text(p_scopes)), p_expires_at)
    on conflict do nothing
    returning * into k;
    if k.id is null then
        raise exception 'there is a key named % already: revoke it, or take another name', p_name using errcode = 'OC409';
    end if;
    return omnicrm.told_api_key(k);
end
$$;

create or replace function public.omnicrm_api_key_list() returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(omnicrm.told_api_key(k) order by k.created_at, k.id), '[]') from omnicrm.api_keys k
$$;

-- By id, or by the name of one that is not revoked.
create or replace function public.omnicrm_api_key_revoke(p_key text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    k omnicrm.api_keys;
begin
    update omnicrm.api_keys set revoked_at = now() where (id = p_key or name = p_key) and revoked_at is null returning * into k;
    if k.id is null then
        raise exception 'no key % that is not revoked', p_key using errcode = 'OC404';
    end if;
    return omnicrm.told_api_key(k);
end
$$;

-- What a caller is checked against; null for no such key. `stale`: its last use was noted more than a minute ago.
create or replace function public.omnicrm_api_key_find(p_id text) returns jsonb
language sql stable set search_path = '' as $$
    select omnicrm.told_api_key(k) || jsonb_build_object('hash', k.hash, 'stale', coalesce(k.last_used_at < now() - interval '1 minute', true))
    from omnicrm.api_keys k where k.id = p_id
$$;

create or replace function public.omnicrm_api_key_touch(p_id text) returns jsonb
language plpgsql set search_path = '' as $$
begin
    update omnicrm.api_keys set last_used_at = now() where id = p_id and coalesce(last_used_at < now() - interval '1 minute', true);
    return to_jsonb(found);
end
$$;

-- --- what is shown ----------------------------------------------------------------------------------------------------------
-- All ids are text: callers need not know which of them are numbers.

create or replace function omnicrm.api_conversation(t omnicrm.threads) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'id', t.conversation_id::text, 'channel', t.channel, 'account', t.account,
        'client', jsonb_build_object('id', c.id::text, 'name', nullif(c.name, '')),
        'state', omnicrm.state_of(t), 'person', case when omnicrm.is_human(t) then t.person end,
        'person_until', case when omnicrm.is_human(t) then t.owner_until end,
        'attention', t.attention, 'attention_since', t.attention_since, 'opted_out', t.opted_out, 'window_until', t.window_until,
        'last_message_at', o.last_message_at, 'created_at', t.created_at, 'closed_at', t.closed_at, 'closed_reason', t.closed_reason)
    from public.clients c, public.conversations o where c.id = t.client_id and o.id = t.conversation_id
$$;

create or replace function omnicrm.api_message(m omnicrm.messages, p_conversation text) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'id', m.id::text, 'conversation', p_conversation, 'direction', m.direction, 'author', m.author, 'person', m.person,
        'status', m.status, 'reason', m.reason, 'error', m.error, 'kind', m.kind, 'text', m.text,
        'content', jsonb_strip_nulls(m.content - 'text'), 'occurred_at', m.occurred_at, 'created_at', m.created_at, 'sent_at', m.sent_at)
$$;

create or replace function omnicrm.api_client(c public.clients) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'id', c.id::text, 'name', nullif(c.name, ''), 'phone', c.phone, 'email', c.email, 'instagram_username', c.instagram_username,
        'stage', p.stage, 'stage_since', p.stage_since, 'tags', to_jsonb(p.tags), 'merged_into', p.merged_into::text)
    from omnicrm.people p where p.client_id = c.id
$$;

create or replace function omnicrm.api_order(o omnicrm.orders) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'id', o.id::text, 'conversation', t.conversation_id::text, 'client', t.client_id::text, 'product', o.product, 'quantity', o.quantity,
        'status', o.status, 'created_at', o.created_at, 'decided_at', o.decided_at, 'decided_by', o.decided_by)
    from omnicrm.threads t where t.id = o.thread_id
$$;

create or replace function omnicrm.api_proposal(p omnicrm.proposals) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'id', p.id::text, 'clients', jsonb_build_array(p.client_a::text, p.client_b::text), 'score', p.score, 'evidence', p.evidence,
        'status', p.status, 'created_at', p.created_at, 'decided_by', p.decided_by, 'decided_at', p.decided_at, 'merge', p.merge_id::text)
$$;

create or replace function omnicrm.api_merge(m omnicrm.merges) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'id', m.id::text, 'kept', m.kept::text, 'gone', m.gone::text, 'reason', m.reason, 'evidence', m.evidence, 'actor', m.actor,
        'created_at', m.created_at, 'undone_at', m.undone_at, 'undone_by', m.undone_by)
$$;

-- A thread by the id of its conversation, to look at. Raises OC404.
create or replace function omnicrm.api_thread(p_conversation text) returns omnicrm.threads
language plpgsql stable set search_path = '' as $$
declare
    v_id public.conversations.id%type;
    t omnicrm.threads;
begin
    begin
        v_id := p_conversation;
    exception when invalid_text_representation or numeric_value_out_of_range then
        v_id := null;
    end;
    select * into t from omnicrm.threads where conversation_id = v_id;
    if t.id is null then
        raise exception 'no conversation %', p_conversation using errcode = 'OC404';
    end if;
    return t;
end
$$;

-- The client that a filter names; a row of nulls for nobody.
create or replace function omnicrm.maybe_client(p_client text) returns public.clients
language plpgsql stable set search_path = '' as $$
declare
    nobody public.clients;
begin
    return omnicrm.the_client(p_client);
exception when sqlstate 'OC404' then
    return nobody;
end
$$;

-- A page out of one row more than it has room for: p_rows is [[item, key…], …]. The key of the last one shown is where the next begins.
create or replace function omnicrm.api_page(p_rows jsonb, p_limit integer) returns jsonb
language sql immutable set search_path = '' as $$
    select jsonb_build_object(
        'items', (select coalesce(jsonb_agg(r -> 0 order by n), '[]') from jsonb_array_elements(p_rows) with ordinality x (r, n) where n <= p_limit),
        'next', case when jsonb_array_length(p_rows) > p_limit then (p_rows -> (p_limit - 1)) - 0 end)
$$;

-- --- lists ------------------------------------------------------------------------------------------------------------------
-- p_after: the key of the last item of the page before. Each filter is there or null: planned for the ones that are there.

create or replace function public.omnicrm_api_conversations(
    p_state text default null, p_channel text default null, p_client text default null, p_attention boolean default null,
    p_tag text default null, p_limit integer default 50, p_after jsonb default null
) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
declare
    v_client public.clients.id%type := (omnicrm.maybe_client(p_client)).id;
    v_at timestamptz := p_after ->> 0;
    v_id public.conversations.id%type := p_after ->> 1;
begin
    return omnicrm.api_page((
        select coalesce(jsonb_agg(jsonb_build_array(omnicrm.api_conversation(x.t), x.at::text, x.id::text) order by x.at desc, x.id desc), '[]')
        from (
            select t, c.id, coalesce(c.last_message_at, '-infinity'::timestamptz) as at
            from public.conversations c join omnicrm.threads t on t.conversation_id = c.id
            where (p_after is null or (coalesce(c.last_message_at, '-infinity'::timestamptz), c.id) < (v_at, v_id))
                and (p_client is null or t.client_id = v_client)
                and (p_channel is null or t.channel = p_channel)
                and (p_attention is null or (t.attention is not null) = p_attention)
                and (p_state is null or omnicrm.state_of(t) = p_state)
                -- What the state implies, for the index.
                and (p_state is null or p_state not in ('waiting', 'with_person') or t.owner = 'human')
                and (p_state is distinct from 'closed' or t.closed_at is not null)
                -- As an array it is looked up first, and then leads to rows by their index.
                and (p_tag is null or t.client_id = any (array(select p.client_id from omnicrm.people p where p.tags @> array[p_tag])))
            order by coalesce(c.last_message_at, '-infinity'::timestamptz) desc, c.id desc limit p_limit + 1) x), p_limit);
end
$$;

create or replace function public.omnicrm_api_conversation(p_conversation text) returns jsonb
language sql stable set search_path = '' as $$
    select omnicrm.api_conversation(omnicrm.api_thread(p_conversation))
$$;

create or replace function public.omnicrm_api_messages(p_conversation text, p_limit integer default 50, p_after jsonb default null) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.api_thread(p_conversation);
    v_id bigint := coalesce((p_after ->> 0)::bigint, 9223372036854775807);
begin
    return omnicrm.api_page((
        select coalesce(jsonb_agg(jsonb_build_array(omnicrm.api_message(x.m, p_conversation), (x.m).id::text) order by (x.m).id desc), '[]')
        from (select m from omnicrm.messages m where m.thread_id = t.id and m.id < v_id order by m.id desc limit p_limit + 1) x), p_limit);
end
$$;

create or replace function public.omnicrm_api_message(p_message bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    found_one jsonb := (
        select omnicrm.api_message(m, t.conversation_id::text) from omnicrm.messages m join omnicrm.threads t on t.id = m.thread_id where m.id = p_message);
begin
    if found_one is null then
        raise exception 'no message %', p_message using errcode = 'OC404';
    end if;
    return found_one;
end
$$;

-- Those who were joined to another one are left out.
create or replace function public.omnicrm_api_clients(
    p_phone text default null, p_email text default null, p_tag text default null, p_stage text default null, p_q text default null,
    p_limit integer default 50, p_after jsonb default null
) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
declare
    v_id public.clients.id%type := p_after ->> 0;
    v_phone text := omnicrm.canonical_phone(p_phone);
    v_email text := omnicrm.canonical_email(p_email);
    v_start text := regexp_replace(translate(lower(p_q), 'áéíóúüñàèìòù', 'aeiouunaeiou'), '([\\%_])', '\\\1', 'g') || '%';
begin
    return omnicrm.api_page((
        select coalesce(jsonb_agg(jsonb_build_array(omnicrm.api_client(x.c), (x.c).id::text) order by (x.c).id desc), '[]')
        from (
            select c from public.clients c join omnicrm.people p on p.client_id = c.id
            where p.merged_into is null and (p_after is null or c.id < v_id)
                and (p_phone is null or c.id = any (array(
                    select i.client_id from omnicrm.client_identities i where i.kind = 'phone' and i.value = v_phone)))
                and (p_email is null or c.id = any (array(
                    select i.client_id from omnicrm.client_identities i where i.kind = 'email' and i.value = v_email)))
                and (p_tag is null or p.tags @> array[p_tag])
                and (p_stage is null or p.stage = p_stage)
                and (p_q is null or translate(lower(c.name), 'áéíóúüñàèìòù', 'aeiouunaeiou') like v_start)
            order by c.id desc limit p_limit + 1) x), p_limit);
end
$$;

create or replace function public.omnicrm_api_client(p_client text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    c public.clients := omnicrm.the_client(p_client);
begin
    return omnicrm.api_client(c) || (
        select jsonb_build_object(
            'stage_reason', p.stage_reason, 'attribution', p.attribution, 'consent', p.consent,
            'identities', (
                select coalesce(jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value, 'account', i.account, 'source', i.source,
                    'verified', i.verified) order by i.kind, i.value, i.account), '[]')
                from omnicrm.client_identities i where i.client_id = c.id),
            'conversations', (
                select coalesce(jsonb_agg(omnicrm.api_conversation(x.t) order by x.at desc, (x.t).id desc), '[]')
                from (
                    select t, coalesce(o.last_message_at, '-infinity'::timestamptz) as at
                    from omnicrm.threads t join public.conversations o on o.id = t.conversation_id
                    where t.client_id = c.id order by 2 desc, t.id desc limit 100) x),
            'orders', (
                select coalesce(jsonb_agg(omnicrm.api_order(x.o) order by (x.o).id desc), '[]')
                from (
                    select o from omnicrm.orders o join omnicrm.threads t on t.id = o.thread_id where t.client_id = c.id
                    order by o.id desc limit 100) x))
        from omnicrm.people p where p.client_id = c.id);
end
$$;

create or replace function public.omnicrm_api_proposals(p_status text default null, p_limit integer default 50, p_after jsonb default null) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
declare
    v_id bigint := coalesce((p_after ->> 0)::bigint, 9223372036854775807);
begin
    return omnicrm.api_page((
        select coalesce(jsonb_agg(jsonb_build_array(omnicrm.api_proposal(x.p), (x.p).id::text) order by (x.p).id desc), '[]')
        from (
            select p from omnicrm.proposals p where p.id < v_id and (p_status is null or p.status = p_status)
            order by p.id desc limit p_limit + 1) x), p_limit);
end
$$;

create or replace function public.omnicrm_api_proposal(p_proposal bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    p omnicrm.proposals;
begin
    select * into p from omnicrm.proposals where id = p_proposal;
    if p.id is null then
        raise exception 'no proposal %', p_proposal using errcode = 'OC404';
    end if;
    return omnicrm.api_proposal(p);
end
$$;

create or replace function public.omnicrm_api_merges(p_client text default null, p_limit integer default 50, p_after jsonb default null) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
declare
    v_client public.clients.id%type := (omnicrm.maybe_client(p_client)).id;
    v_id bigint := coalesce((p_after ->> 0)::bigint, 9223372036854775807);
begin
    return omnicrm.api_page((
        select coalesce(jsonb_agg(jsonb_build_array(omnicrm.api_merge(x.m), (x.m).id::text) order by (x.m).id desc), '[]')
        from (
            select m from omnicrm.merges m where m.id < v_id and (p_client is null or m.kept = v_client or m.gone = v_client)
            order by m.id desc limit p_limit + 1) x), p_limit);
end
$$;

create or replace function public.omnicrm_api_merge(p_merge bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    m omnicrm.merges;
begin
    select * into m from omnicrm.merges where id = p_merge;
    if m.id is null then
        raise exception 'no merge %', p_merge using errcode = 'OC404';
    end if;
    return omnicrm.api_merge(m);
end
$$;

create or replace function public.omnicrm_api_orders(
    p_status text default null, p_client text default null, p_conversation text default null, p_limit integer default 50, p_after jsonb default null
) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
declare
    v_client public.clients.id%type := (omnicrm.maybe_client(p_client)).id;
    v_thread bigint;
    v_id bigint := coalesce((p_after ->> 0)::bigint, 9223372036854775807);
begin
    if p_conversation is not null then
        begin
            v_thread := (omnicrm.api_thread(p_conversation)).id;
        exception when sqlstate 'OC404' then
            return omnicrm.api_page('[]', p_limit);
        end;
    end if;
    return omnicrm.api_page((
        select coalesce(jsonb_agg(jsonb_build_array(omnicrm.api_order(x.o), (x.o).id::text) order by (x.o).id desc), '[]')
        from (
            select o from omnicrm.orders o join omnicrm.threads t on t.id = o.thread_id
            where o.id < v_id and (p_status is null or o.status = p_status) and (p_client is null or t.client_id = v_client)
                and (v_thread is null or o.thread_id = v_thread)
            order by o.id desc limit p_limit + 1) x), p_limit);
end
$$;

create or replace function public.omnicrm_api_order(p_order bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    o omnicrm.orders;
begin
    select * into o from omnicrm.orders where id = p_order;
    if o.id is null then
        raise exception 'no order %', p_order using errcode = 'OC404';
    end if;
    return omnicrm.api_order(o);
end
$$;

-- --- sending ----------------------------------------------------------------------------------------------------------------

-- Where a message to a conversation goes: {"conversation", "channel", "account"}.
create or replace function public.omnicrm_api_target(p_conversation text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.api_thread(p_conversation);
begin
    return jsonb_build_object('conversation', t.conversation_id::text, 'channel', t.channel, 'account', t.account);
end
$$;

-- Where a message to a client on a channel goes: to their newest conversation on one of p_accounts (["WA:…"]); else, where the
-- channel lets anybody write first, to the address that is known: {"client", "channel", "account", "user", "key"}; else {"refused": true}.
create or replace function public.omnicrm_api_client_target(p_client text, p_channel text, p_accounts jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    c public.clients := omnicrm.root_of(omnicrm.the_client(p_client));
    t omnicrm.threads;
    v_account text := substr(p_accounts ->> 0, length(p_channel) + 2);
    v_user text;
begin
    select x.* into t from omnicrm.threads x join public.conversations o on o.id = x.conversation_id
    where x.client_id = c.id and x.channel = p_channel and p_accounts ? (x.channel || ':' || x.account)
    order by o.last_message_at desc nulls last, x.id desc limit 1;
    if t.id is not null then
        return jsonb_build_object('conversation', t.conversation_id::text, 'channel', t.channel, 'account', t.account);
    end if;
    select i.value into v_user from omnicrm.client_identities i
    where i.client_id = c.id and i.kind = case p_channel when 'WA' then 'phone' when 'EMAIL' then 'email' end and i.account = ''
    order by i.verified desc, i.created_at desc, i.value limit 1;
    if v_user is null then
        return jsonb_build_object('refused', true);
    end if;
    return jsonb_build_object('client', c.id::text, 'channel', p_channel, 'account', v_account, 'user', v_user,
        'key', lower(p_channel) || ':' || v_account || ':' || v_user);
end
$$;

-- The thread of a target; made where a client is written to first. Null: its address belongs to another client.
create or replace function omnicrm.api_open(p_target jsonb) returns omnicrm.threads
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    c public.clients;
    nothing omnicrm.threads;
begin
    if p_target ? 'conversation' then
        return omnicrm.the_thread(p_target ->> 'conversation');
    end if;
    c := omnicrm.the_client(p_target ->> 'client');
    perform pg_advisory_xact_lock(hashtextextended(p_target ->> 'key', 0));
    if not exists (select from omnicrm.threads x where x.key = p_target ->> 'key') then
        perform omnicrm.add_identity(omnicrm.identity_kind(p_target ->> 'channel', p_target ->> 'user'), p_target ->> 'user',
            p_target ->> 'account', c.id::text, 'staff', true);
    end if;
    t := omnicrm.resolve_thread(p_target ->> 'channel', p_target ->> 'account', p_target ->> 'user', p_target ->> 'key');
    if t.client_id <> c.id then
        return nothing;
    end if;
    return omnicrm.the_thread(t.conversation_id::text);
end
$$;

-- Queue a message of a person (p_author 'agent': they take the conversation over) or of other software ('system').
-- p_target: as the functions above give it. p_parts: [{"message", "payloads"}], each one request of the channel.
-- p_request_key: the same key again changes nothing and gets the same answer; with another digest it is refused.
-- Returns {"conversation", "messages": [ids], "replayed"} | {"refused": "reused" | "window" | "opted-out" | "other-client", "window_until"?}.
create or replace function public.omnicrm_send_message(
    p_target jsonb, p_author text, p_person text, p_parts jsonb, p_request_key text default null, p_digest text default null,
    p_max_age float8 default 21600, p_takeover_seconds float8 default 43200
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    known omnicrm.api_requests;
    t omnicrm.threads;
    ids jsonb;
begin
    if p_author is null or p_author not in ('agent', 'system') then
        raise exception 'an author is agent or system, not %', p_author using errcode = 'OC422';
    elsif jsonb_array_length(p_parts) = 0 then
        raise exception 'there is nothing to send' using errcode = 'OC422';
    end if;
    if p_request_key is not null then
        -- Equal requests at the same time: the first does it, the others wait and find it done.
        perform pg_advisory_xact_lock(hashtextextended('omnicrm.api_request:' || p_request_key, 0));
        select * into known from omnicrm.api_requests where request_key = p_request_key;
        if known.digest <> p_digest then
            return jsonb_build_object('refused', 'reused');
        elsif known.digest = p_digest then
            return jsonb_build_object('messages', known.messages, 'replayed', true,
                'conversation', (select x.conversation_id::text from omnicrm.threads x where x.id = known.thread_id));
        end if;
    end if;

    t := omnicrm.api_open(p_target);
    if t.id is null then
        return jsonb_build_object('refused', 'other-client');
    elsif t.window_until < now() then
        return jsonb_build_object('refused', 'window', 'window_until', t.window_until);
    elsif p_author = 'system' and (t.opted_out or exists (
        select from omnicrm.people p where p.client_id = t.client_id and p.consent #>> array[t.channel, 'state'] = 'out'))
    then
        return jsonb_build_object('refused', 'opted-out');
    end if;
    if p_author = 'agent' then
        perform public.omnicrm_take_over(t.conversation_id::text, p_person, p_takeover_seconds);
    end if;

    with added as (
        insert into omnicrm.messages (thread_id, direction, author, person, status, text, content, payloads, request_key, expires_at)
        select t.id, 'out', p_author, p_person, 'queued', x.part -> 'message' ->> 'text', x.part -> 'message',
            array(select jsonb_array_elements_text(x.part -> 'payloads')), p_request_key || '#' || x.n, now() + make_interval(secs => p_max_age)
        from jsonb_array_elements(p_parts) with ordinality x (part, n) order by x.n
        returning id)
    select jsonb_agg(id::text order by id) into ids from added;
    -- While a worker holds the lease, due_at is the lease's end: releasing looks for what came meanwhile.
    update omnicrm.threads set due_at = case when lease_until > now() then due_at else least(due_at, now()) end where id = t.id;
    update public.conversations set last_message_at = greatest(last_message_at, now()) where id = t.conversation_id;
    if p_request_key is not null then
        insert into omnicrm.api_requests (request_key, digest, thread_id, messages) values (p_request_key, p_digest, t.id, ids);
    end if;
    perform pg_notify('omnicrm_work', '');
    return jsonb_build_object('conversation', t.conversation_id::text, 'messages', ids, 'replayed', false);
end
$$;

-- --- a client's own data ------------------------------------------------------------------------------------------------------

-- Write a phone or an email that the staff vouches for; null takes it away.
create or replace function omnicrm.edit_fact(p_client public.clients, p_kind text, p_old text, p_new text) returns void
language plpgsql set search_path = '' as $$
begin
    if p_old is distinct from p_new then
        -- What the staff corrects was somebody's word; what a platform vouches for stays known.
        delete from omnicrm.client_identities i
        where i.client_id = p_client.id and i.kind = p_kind and i.value = p_old and i.account = '' and i.source in ('said', 'staff', 'column');
    end if;
    update public.clients set
        phone = case p_kind when 'phone' then p_new else phone end, email = case p_kind when 'email' then p_new else email end
    where id = p_client.id;
    update omnicrm.client_identities i set source = 'staff', verified = true
    where i.client_id = p_client.id and i.kind = p_kind and i.value = p_new and i.account = '';
end
$$;

-- Change what the staff knows better: p_changes {"name"?, "phone"?, "email"?}; null takes away. A phone or an email that another client
-- holds is not taken from them: that is a proposal to join the two.
-- Returns {"edited": true} | {"refused": "held", "kind", "client", "proposal"}.
create or replace function public.omnicrm_edit_client(p_client text, p_changes jsonb, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    c public.clients := omnicrm.the_client(p_client);
    v_new jsonb := jsonb_build_object(
        'phone', omnicrm.canonical_phone(p_changes ->> 'phone'), 'email', omnicrm.canonical_email(p_changes ->> 'email'));
    v_kind text;
    holder text;
begin
    if exists (select from omnicrm.people p where p.client_id = c.id and p.merged_into is not null) then
        raise exception 'client % was joined to another one', p_client using errcode = 'OC409';
    end if;
    foreach v_kind in array array['phone', 'email'] loop
        if p_changes ->> v_kind is not null and v_new ->> v_kind is null then
            raise exception 'this is no %', v_kind using errcode = 'OC422';
        end if;
        select i.client_id::text into holder from omnicrm.client_identities i
        where i.kind = v_kind and i.value = v_new ->> v_kind and i.account = '' and i.client_id <> c.id;
        if holder is not null then
            return jsonb_build_object('refused', 'held', 'kind', v_kind, 'client', holder,
                'proposal', omnicrm.propose(c.id::text, holder, 0.9, jsonb_build_object('kind', v_kind, 'value', v_new ->> v_kind, 'how', 'staff'))::text);
        end if;
    end loop;
    perform from public.clients where id = c.id for update;
    if p_changes ? 'phone' then
        perform omnicrm.edit_fact(c, 'phone', omnicrm.canonical_phone(c.phone), v_new ->> 'phone');
    end if;
    if p_changes ? 'email' then
        perform omnicrm.edit_fact(c, 'email', omnicrm.canonical_email(c.email), v_new ->> 'email');
    end if;
    update public.clients set
        name = case when p_changes ? 'name' then coalesce(btrim(p_changes ->> 'name'), '') else name end,
        platform_metadata = coalesce(platform_metadata, '{}') - case when p_changes ? 'name' then 'name_from' else '' end
            || jsonb_build_object('edited', jsonb_build_object('by', p_by, 'at', now()))
    where id = c.id;
    return jsonb_build_object('edited', true);
end
$$;
