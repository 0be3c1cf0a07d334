-- In: who wrote, in which conversation, and what. One call per webhook, one transaction, safe to repeat.

create or replace function omnicrm.is_human(t omnicrm.threads) returns boolean
language sql stable set search_path = '' as $$
    select t.owner = 'human' and (t.owner_until is null or t.owner_until > now())
$$;

-- A new client was made for a first message, and nothing that they wrote was dealt with before. The webhook makes the thread
-- before the dialogue asks, so a thread that is there does not mean a client that we know.
create or replace function omnicrm.is_new(t omnicrm.threads) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from omnicrm.client_identities i where i.client_id = t.client_id and i.source = 'message')
        and not exists (
            select from omnicrm.messages m join omnicrm.threads x on x.id = m.thread_id
            where x.client_id = t.client_id and m.status <> 'received')
$$;

-- The client that this platform id belongs to: our identities first, then the plan's columns (filled by imports and by
-- the owner's other software), then what the platform vouches for, then a conversation that was there before us.
-- Null: nobody yet. p_contact: {"name", "phone", "email"}, each may be missing.
create or replace function omnicrm.find_client(p_channel text, p_account text, p_user text, p_contact jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
    found_id text;
begin
    select i.client_id::text into found_id from omnicrm.client_identities i join omnicrm.channels c on c.identity_kind = i.kind
    where c.code = p_channel and i.value = p_user and i.account = p_account;
    if found_id is null then
        select c.id::text into found_id from public.clients c
        where case p_channel
                when 'IG' then c.instagram_id = p_user
                when 'FB' then c.messenger_id = p_user
                when 'TT' then c.tiktok_id = p_user
                else false end
        limit 1;
    end if;
    if found_id is null and (p_contact ->> 'phone' is not null or p_contact ->> 'email' is not null) then
        select c.id::text into found_id from public.clients c
        where c.phone = p_contact ->> 'phone' or lower(c.email) = p_contact ->> 'email'
        order by c.id limit 1;
    end if;
    if found_id is null then
        select c.client_id::text into found_id from public.conversations c
        where c.channel::text = p_channel and c.platform_user_id = p_user and (c.account is null or c.account = p_account)
            and c.client_id is not null
        limit 1;
    end if;
    return found_id;
end
$$;

-- The thread of an address; creates client, identity and conversation where they are missing. The caller holds the
-- address's advisory lock, so two first messages never make two clients.
create or replace function omnicrm.resolve_thread(
    p_channel text, p_account text, p_user text, p_key text, p_contact jsonb default null, p_sender text default null
) returns omnicrm.threads
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    v_client public.clients.id%type;
    v_conversation public.conversations.id%type;
    was_new boolean := false;
begin
    select * into t from omnicrm.threads where key = p_key;
    if found then
        return t;
    end if;

    v_client := omnicrm.find_client(p_channel, p_account, p_user, p_contact);
    if v_client is null then
        insert into public.clients (name, phone, email, platform_metadata, instagram_id, messenger_id, tiktok_id)
        values (coalesce(p_contact ->> 'name', ''), p_contact ->> 'phone', p_contact ->> 'email',
            case when p_contact ->> 'name' is null then '{}'::jsonb else jsonb_build_object('name_from', lower(p_channel)) end, case when p_channel = 'IG' then p_user end, case when p_channel = 'FB' then p_user end,
            case when p_channel = 'TT' then p_user end)
        returning id into v_client;
        was_new := true;
    end if;
    insert into omnicrm.client_identities (kind, value, account, client_id, source)
    select c.identity_kind, p_user, p_account, v_client, case when was_new then 'message' else 'matched' end
    from omnicrm.channels c where c.code = p_channel
    on conflict do nothing;

    select c.id into v_conversation from public.conversations c
    where c.channel::text = p_channel and c.platform_user_id = p_user and (c.account is null or c.account = p_account)
        and not exists (select from omnicrm.threads x where x.conversation_id = c.id)
    limit 1;
    if v_conversation is null then
        insert into public.conversations (client_id, channel, handle, account, platform_user_id)
        select v_client, p_channel, p_user, p_account, p_user
        returning id into v_conversation;
    else
        update public.conversations set account = p_account where id = v_conversation and account is null;
    end if;

    insert into omnicrm.threads (key, conversation_id, client_id, channel, account, user_id, sender)
    values (p_key, v_conversation, v_client, p_channel, p_account, p_user, coalesce(p_sender, p_user))
    returning * into t;
    return t;
end
$$;

-- Words as they are compared between what we sent and what comes back.
create or replace function omnicrm.squeeze(p_text text) returns text
language sql immutable set search_path = '' as $$
    select nullif(btrim(regexp_replace(p_text, '\s+', ' ', 'g')), '')
$$;

-- A person (or another app) speaks in this thread: the bot is silent from now on, its unsent replies are withdrawn.
create or replace function omnicrm.take_over(p_thread bigint, p_seconds float8, p_reason text, p_event text) returns void
language plpgsql set search_path = '' as $$
begin
    update omnicrm.threads
    set owner = 'human', owner_since = clock_timestamp(), owner_until = now() + make_interval(secs => p_seconds),
        owner_reason = p_reason, owner_event = p_event
    where id = p_thread;
    update omnicrm.messages set status = 'withdrawn', reason = p_event
    where thread_id = p_thread and direction = 'out' and status = 'queued' and author = 'bot';
    update omnicrm.messages set status = 'ignored', reason = 'human'
    where thread_id = p_thread and direction = 'in' and status = 'received';
end
$$;

-- Our own send is confirmed by the platform. When its echo came first and was taken for a person's words, that is undone.
create or replace function omnicrm.confirm_send(p_message bigint, p_platform_id text) returns void
language plpgsql set search_path = '' as $$
declare
    m omnicrm.messages;
    mistaken omnicrm.messages;
begin
    update omnicrm.messages
    set status = case when status in ('delivered', 'read') then status else 'sent' end,
        platform_id = coalesce(platform_id, p_platform_id), sent_at = coalesce(sent_at, now()), error = null
    where id = p_message returning * into m;
    -- Its receipts may have come while we did not know its id yet.
    perform omnicrm.receive_receipt(r.payload, m.thread_id)
    from (
        select p.payload from omnicrm.platform_events p
        where p.thread_id = m.thread_id and p.type = 'receipt' and p.created_at >= m.created_at and p.payload -> 'platform_ids' ? p_platform_id
        order by p.id) r;
    update omnicrm.threads set attention = null, attention_since = null
    where id = m.thread_id and attention = 'envío sin confirmar'
        and not exists (select from omnicrm.messages x where x.thread_id = m.thread_id and x.status = 'unknown');
    delete from omnicrm.messages
    where thread_id = m.thread_id and platform_id = p_platform_id and id <> m.id and direction = 'out' and author = 'agent'
    returning * into mistaken;
    if mistaken.id is not null then
        update omnicrm.threads set owner = 'bot', owner_since = null, owner_until = null, owner_reason = null, owner_event = null
        where id = m.thread_id and owner_event = p_platform_id;
        if found then
            update omnicrm.messages set status = 'queued', reason = null
            where thread_id = m.thread_id and direction = 'out' and status = 'withdrawn' and reason = p_platform_id;
        end if;
        update omnicrm.messages set status = mistaken.status where id = m.id and mistaken.status in ('delivered', 'read');
    end if;
end
$$;

create or replace function omnicrm.receive_inbound(e jsonb, p_burst_seconds float8, p_stale_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.resolve_thread(
        e #>> '{address,channel}', e #>> '{address,account}', e #>> '{address,user}', e #>> '{address,key}', e -> 'contact', e ->> 'sender');
    occurred timestamptz := (e ->> 'timestamp')::timestamptz;
    new_status text := 'received';
    new_reason text;
    issued boolean := false;
    -- An edit or a withdrawal of this message may have come before it.
    before omnicrm.platform_events;
    ready timestamptz := now() + make_interval(secs => p_burst_seconds);
    m_id bigint;
begin
    if e ->> 'payload' is not null then
        issued := exists (
            select from omnicrm.messages where thread_id = t.id and direction = 'out' and payloads @> array[e ->> 'payload']);
        if issued then
            ready := now();
        end if;
    end if;
    if e ->> 'silent' is not null then
        new_status := 'ignored'; new_reason := e ->> 'silent';
    elsif omnicrm.is_human(t) then
        new_status := 'ignored'; new_reason := 'human';
    elsif occurred < now() - make_interval(secs => p_stale_seconds) then
        new_status := 'ignored'; new_reason := 'stale';
    end if;

    if e ->> 'platform_id' is not null then
        select * into before from omnicrm.platform_events p
        where p.about = e ->> 'platform_id' and p.type in ('edit', 'unsend')
        order by (p.type = 'unsend') desc, (p.payload ->> 'timestamp')::timestamptz desc, p.key desc limit 1;
    end if;
    if before.type = 'unsend' then
        e := e || '{"text": null, "attachments": [], "title": null, "payload": null}';
        new_status := 'ignored'; new_reason := 'unsent';
    elsif before.type = 'edit' then
        e := e || jsonb_build_object('text', before.payload -> 'text');
    end if;

    insert into omnicrm.messages
        (thread_id, direction, author, status, reason, kind, text, content, event_key, platform_id, occurred_at, ready_at)
    values (t.id, 'in', 'customer', new_status, new_reason, e ->> 'kind', e ->> 'text',
        jsonb_strip_nulls(jsonb_build_object('payload', e -> 'payload', 'title', e -> 'title', 'issued', issued,
            'attachments', e -> 'attachments', 'reply_to', e -> 'reply_to', 'referral', e -> 'referral')),
        e ->> 'key', e ->> 'platform_id', occurred, ready)
    on conflict (event_key) do nothing
    returning id into m_id;
    if m_id is null then
        return jsonb_build_object('stored', false, 'thread', t.id);
    end if;

    update public.clients set
        name = coalesce(nullif(name, ''), e #>> '{contact,name}', ''),
        phone = coalesce(phone, e #>> '{contact,phone}'),
        email = coalesce(email, e #>> '{contact,email}'),
        platform_metadata = case when coalesce(name, '') = '' and e #>> '{contact,name}' is not null
            then coalesce(platform_metadata, '{}') || jsonb_build_object('name_from', lower(t.channel)) else platform_metadata end
    where id = t.client_id
        and (coalesce(name, '') = '' and e #>> '{contact,name}' is not null
            or phone is null and e #>> '{contact,phone}' is not null
            or email is null and e #>> '{contact,email}' is not null);
    update omnicrm.threads set
        context = coalesce(e #> '{address,context}', context),
        -- While a worker holds the lease, due_at is the lease's end: releasing looks for what came meanwhile.
        due_at = case
            when new_status <> 'received' or lease_until > now() then due_at
            else least(due_at, ready) end,
        window_until = greatest(window_until, occurred + make_interval(secs => (e ->> 'opens_window')::float8)),
        attention = case when new_reason = 'stale' then 'mensaje atrasado sin respuesta' else attention end,
        attention_since = case when new_reason = 'stale' then now() else attention_since end
    where id = t.id;
    update public.conversations set last_message_at = greatest(last_message_at, occurred) where id = t.conversation_id;
    return jsonb_build_object('stored', true, 'thread', t.id, 'message', m_id, 'due', new_status = 'received');
end
$$;

-- An echo is ours when its id, our reference or, for a send in flight, its words say so. All else is a person.
create or replace function omnicrm.receive_echo(e jsonb, p_takeover_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.resolve_thread(e #>> '{address,channel}', e #>> '{address,account}', e #>> '{address,user}', e #>> '{address,key}');
    ours bigint;
    added bigint;
begin
    -- The worker that sent it settles under the same lock: without it, the settling could slip between the looks below.
    perform from omnicrm.threads where id = t.id for update;
    select id into ours from omnicrm.messages
    where thread_id = t.id and direction = 'out' and platform_id = e ->> 'platform_id' and author = 'bot' limit 1;
    if ours is null and e ->> 'reference' ~ '^omnicrm:\d+$' then
        select id into ours from omnicrm.messages
        where thread_id = t.id and direction = 'out' and id = substr(e ->> 'reference', 9)::bigint;
    end if;
    if ours is null and (e ->> 'own_app') is distinct from 'false' then
        select id into ours from omnicrm.messages
        where thread_id = t.id and direction = 'out' and status in ('sending', 'unknown') and platform_id is null
            and (omnicrm.squeeze(text) = omnicrm.squeeze(e ->> 'text')
                or (omnicrm.squeeze(e ->> 'text') is null and content ?| array['media', 'cards', 'buttons']))
        order by id limit 1;
    end if;
    if ours is not null then
        perform omnicrm.confirm_send(ours, e ->> 'platform_id');
        return jsonb_build_object('stored', true, 'thread', t.id, 'echo', 'own');
    end if;
    if (e ->> 'own_app')::boolean then
        return jsonb_build_object('stored', true, 'thread', t.id, 'echo', 'own');
    end if;

    insert into omnicrm.messages (thread_id, direction, author, status, kind, text, content, event_key, platform_id, occurred_at, sent_at)
    values (t.id, 'out', 'agent', 'sent', e ->> 'kind', e ->> 'text', jsonb_build_object('attachments', e -> 'attachments'),
        e ->> 'key', e ->> 'platform_id', (e ->> 'timestamp')::timestamptz, (e ->> 'timestamp')::timestamptz)
    on conflict (event_key) do nothing
    returning id into added;
    if added is null then
        return jsonb_build_object('stored', false, 'thread', t.id);
    end if;
    perform omnicrm.take_over(t.id, p_takeover_seconds, 'escribió una persona', e ->> 'platform_id');
    update omnicrm.threads set attention = null, attention_since = null where id = t.id;
    update public.conversations set last_message_at = greatest(last_message_at, (e ->> 'timestamp')::timestamptz) where id = t.conversation_id;
    return jsonb_build_object('stored', true, 'thread', t.id, 'echo', 'person');
end
$$;

create or replace function omnicrm.receive_receipt(e jsonb, p_thread bigint) returns void
language plpgsql set search_path = '' as $$
declare
    told text := e ->> 'status';
begin
    -- A receipt only moves a message forward; a late "delivered" does not undo "read".
    update omnicrm.messages m set status = told
    where m.thread_id = p_thread and m.direction = 'out'
        and (m.platform_id in (select jsonb_array_elements_text(e -> 'platform_ids'))
            or m.sent_at <= (e ->> 'watermark')::timestamptz)
        and case told
            when 'delivered' then m.status in ('sent')
            when 'read' then m.status in ('sent', 'delivered')
            else m.status in ('sent', 'delivered') end;
    if told = 'failed' and found then
        update omnicrm.threads set attention = 'un mensaje no llegó', attention_since = now() where id = p_thread;
    end if;
end
$$;

-- An account that cannot send holds its queue until it can again. Returns whether something may go out now.
create or replace function omnicrm.receive_account_state(e jsonb) returns boolean
language plpgsql set search_path = '' as $$
declare
    -- Not infinity: nobody can subtract from it.
    until_mended constant timestamptz := '9999-01-01';
begin
    if not (e ->> 'ok')::boolean then
        insert into omnicrm.accounts (channel, account, paused_until, paused_reason)
        values (e ->> 'channel', e ->> 'account', until_mended, e ->> 'reason')
        on conflict (channel, account) do update set paused_until = excluded.paused_until, paused_reason = excluded.paused_reason;
        return false;
    end if;
    update omnicrm.accounts set paused_until = null, paused_reason = null
    where channel = e ->> 'channel' and account = e ->> 'account' and paused_until > now();
    update omnicrm.threads set due_at = now()
    where channel = e ->> 'channel' and account = e ->> 'account' and due_at >= until_mended;
    return found;
end
$$;

-- One event. Messages go to messages; everything else is kept in platform_events and has its effect once.
create or replace function omnicrm.receive_one(e jsonb, p_burst_seconds float8, p_takeover_seconds float8, p_stale_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_thread bigint;
    added bigint;
begin
    if e ->> 'type' = 'inbound' then
        return omnicrm.receive_inbound(e, p_burst_seconds, p_stale_seconds);
    elsif e ->> 'type' = 'echo' then
        return omnicrm.receive_echo(e, p_takeover_seconds);
    end if;

    select id into v_thread from omnicrm.threads where key = e #>> '{address,key}';
    if v_thread is null and e ->> 'type' in ('receipt', 'edit') then
        -- Told without the customer, or under another of their ids: the message knows whose it is.
        select m.thread_id into v_thread from omnicrm.messages m
        where m.platform_id = coalesce(e ->> 'platform_id', e -> 'platform_ids' ->> 0) limit 1;
    end if;
    insert into omnicrm.platform_events (key, thread_id, type, name, about, payload)
    values (e ->> 'key', v_thread, e ->> 'type', coalesce(e ->> 'name', e ->> 'status', e ->> 'holder', e ->> 'reason'), e ->> 'platform_id',
        case e ->> 'type' when 'unsend' then e - 'raw' else e end)
    on conflict (key) do nothing
    returning id into added;
    if added is null then
        return jsonb_build_object('stored', false, 'thread', v_thread);
    end if;
    if e ->> 'type' = 'accountstate' then
        return jsonb_build_object('stored', true, 'due', omnicrm.receive_account_state(e));
    end if;
    if v_thread is null then
        return jsonb_build_object('stored', true);
    end if;

    case e ->> 'type'
        when 'receipt' then
            perform omnicrm.receive_receipt(e, v_thread);
        when 'edit' then
            -- Edits may come in any order: the latest by the platform's clock stands.
            update omnicrm.messages set text = (
                select p.payload ->> 'text' from omnicrm.platform_events p where p.about = e ->> 'platform_id' and p.type = 'edit'
                order by (p.payload ->> 'timestamp')::timestamptz desc, p.key desc limit 1)
            where thread_id = v_thread and platform_id = e ->> 'platform_id' and direction = 'in' and reason is distinct from 'unsent';
        when 'unsend' then
            update omnicrm.messages set text = null, content = '{}', reason = 'unsent',
                status = case when status = 'received' then 'ignored' else status end
            where thread_id = v_thread and platform_id = e ->> 'platform_id' and direction = 'in';
            update omnicrm.platform_events set payload = payload - 'text' - 'raw'
            where type = 'edit' and about = e ->> 'platform_id';
        when 'control' then
            if e ->> 'holder' = 'other' then
                perform omnicrm.take_over(v_thread, p_takeover_seconds, 'otra aplicación tomó la conversación', e ->> 'key');
            else
                update omnicrm.threads set owner = 'bot', owner_since = null, owner_until = null, owner_reason = null, owner_event = null
                where id = v_thread;
            end if;
        when 'fact' then
            update omnicrm.threads
            set window_until = greatest(window_until, (e ->> 'timestamp')::timestamptz + make_interval(secs => (e ->> 'opens_window')::float8))
            where id = v_thread and e ->> 'opens_window' is not null;
        else null;
    end case;
    return jsonb_build_object('stored', true, 'thread', v_thread);
end
$$;

-- Store a delivery: an array of events as connectors/message.py writes them. All or nothing, in one transaction; events
-- that are known already change nothing. Returns one object per event: {stored, thread?, message?, echo?}.
create or replace function public.omnicrm_receive(
    p_events jsonb, p_burst_seconds float8 default 0, p_takeover_seconds float8 default 43200, p_stale_seconds float8 default 21600
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    e jsonb;
    result jsonb;
    results jsonb := '[]';
    wake boolean := false;
begin
    -- One transaction at a time per conversation, so that the order of ids is the order of commits; in one order, so that
    -- two deliveries of the same conversations never wait for each other.
    perform pg_advisory_xact_lock(hashtextextended(k.key, 0))
    from (select distinct x #>> '{address,key}' as key from jsonb_array_elements(p_events) x where x #>> '{address,key}' is not null order by 1) k;

    for e in select x from jsonb_array_elements(p_events) x loop
        result := omnicrm.receive_one(e, p_burst_seconds, p_takeover_seconds, p_stale_seconds);
        wake := wake or coalesce((result ->> 'due')::boolean, false);
        results := results || result;
    end loop;
    if wake then
        perform pg_notify('omnicrm_work', '');
    end if;
    return results;
end
$$;

-- Resolve or create the client and the conversation of an address.
create or replace function public.omnicrm_open_conversation(p_channel text, p_account text, p_user text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_key text := lower(p_channel) || ':' || p_account || ':' || p_user;
    known boolean;
    is_new boolean;
    t omnicrm.threads;
begin
    if coalesce(p_account, '') = '' or coalesce(p_user, '') = '' then
        raise exception 'an address needs an account and a user' using errcode = '22023';
    end if;
    perform pg_advisory_xact_lock(hashtextextended(v_key, 0));
    known := exists (select from omnicrm.threads where key = v_key);
    t := omnicrm.resolve_thread(p_channel, p_account, p_user, v_key);
    is_new := omnicrm.is_new(t) and (not known or exists (select from omnicrm.messages m where m.thread_id = t.id));
    return (
        select jsonb_build_object(
            'conversation', t.conversation_id, 'key', t.key, 'new_client', is_new, 'opted_out', t.opted_out,
            'owner', case when omnicrm.is_human(t) then 'human' else 'bot' end,
            'client', jsonb_build_object('id', c.id, 'name', nullif(c.name, ''), 'username', c.instagram_username, 'phone', c.phone, 'email', c.email))
        from public.clients c where c.id = t.client_id);
end
$$;
