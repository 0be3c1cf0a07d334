-- What comes from the platforms, mended: when a send began is known, so that a receipt up to a moment and an echo without an id
-- find what they are about; an echo that was wrongly taken for a person costs no message; what the shop takes back is gone, too. What
-- they tell of who holds a conversation counts from when it happened: they deliver late, again, and in any order.

alter table omnicrm.messages add column if not exists began_at timestamptz;

create or replace function omnicrm.note_beginning() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.began_at := clock_timestamp();
    return new;
end
$$;
drop trigger if exists omnicrm_note_beginning on omnicrm.messages;
create trigger omnicrm_note_beginning before insert or update of status on omnicrm.messages for each row
    when (new.status = 'sending') execute function omnicrm.note_beginning();

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
        insert into public.clients (name, platform_metadata)
        values (coalesce(p_contact ->> 'name', ''),
            case when p_contact ->> 'name' is null then '{}'::jsonb else jsonb_build_object('name_from', lower(p_channel)) end)
        returning id into v_client;
        was_new := true;
    end if;
    insert into omnicrm.client_identities (kind, value, account, client_id, source)
    values (omnicrm.identity_kind(p_channel, p_user), omnicrm.identity_value(p_user), p_account, v_client,
        case when was_new then 'message' else 'matched' end)
    on conflict do nothing;

    select c.id into v_conversation from public.conversations c
    where c.channel::text = p_channel and c.platform_user_id = p_user and (c.account is null or c.account = p_account)
        and not exists (select from omnicrm.threads x where x.conversation_id = c.id)
    limit 1;
    if v_conversation is null then
        insert into public.conversations (client_id, channel, handle, account, platform_user_id)
        -- An owner's column may be an enum, which takes no text.
        select v_client, (jsonb_populate_record(null::public.conversations, jsonb_build_object('channel', p_channel))).channel,
            p_user, p_account, p_user
        returning id into v_conversation;
    else
        update public.conversations set account = p_account where id = v_conversation and account is null;
    end if;

    insert into omnicrm.threads (key, conversation_id, client_id, channel, account, user_id, sender)
    values (p_key, v_conversation, v_client, p_channel, p_account, p_user, coalesce(p_sender, p_user))
    returning * into t;
    -- After the thread is there: a merge that this brings takes it along, and its undoing brings it back.
    if p_contact ->> 'phone' is not null then
        t.client_id := omnicrm.vouch(t.client_id::text, 'phone', p_contact ->> 'phone');
    end if;
    if p_contact ->> 'email' is not null then
        t.client_id := omnicrm.vouch(t.client_id::text, 'email', p_contact ->> 'email');
    end if;
    return t;
end
$$;

-- A person (or another app) speaks in this thread: the bot is silent from then on, its unsent replies are withdrawn. p_at: the
-- event's own time; one that is older than what decided last changes nothing, and nor does a takeover that is over by now. Null: now.
drop function if exists omnicrm.take_over(bigint, float8, text, text, text);
create or replace function omnicrm.take_over(
    p_thread bigint, p_seconds float8, p_reason text, p_event text, p_person text default 'equipo', p_at timestamptz default null
) returns void
language plpgsql set search_path = '' as $$
declare
    since timestamptz := least(p_at, now());
    decided timestamptz;
begin
    select owner_at into decided from omnicrm.threads where id = p_thread for no key update;
    if decided > p_at then
        return;
    elsif p_at is not null and since + make_interval(secs => p_seconds) <= now() then
        update omnicrm.threads set owner_at = omnicrm.decided_at(owner_at, p_at) where id = p_thread;
        return;
    end if;
    update omnicrm.threads
    set owner = 'human', owner_since = clock_timestamp(), owner_until = since + make_interval(secs => p_seconds),
        owner_reason = p_reason, owner_event = p_event, person = p_person, closed_at = null, closed_reason = null,
        owner_at = omnicrm.decided_at(owner_at, p_at)
    where id = p_thread;
    update omnicrm.messages set status = 'withdrawn', reason = p_event
    where thread_id = p_thread and direction = 'out' and status = 'queued' and author = 'bot';
    update omnicrm.messages set status = 'ignored', reason = 'human'
    where thread_id = p_thread and direction = 'in' and status = 'received';
end
$$;

-- The bot may speak again. p_at: as above.
drop function if exists omnicrm.give_back(bigint);
create or replace function omnicrm.give_back(p_thread bigint, p_at timestamptz default null) returns void
language plpgsql set search_path = '' as $$
begin
    update omnicrm.threads
    set owner = 'bot', owner_since = null, owner_until = null, owner_reason = null, owner_event = null, person = null,
        owner_at = omnicrm.decided_at(owner_at, p_at)
    where id = p_thread and (owner_at > p_at) is not true;
end
$$;

-- When its echo came first and was taken for a person's words, that is undone: the customer's messages since have their turn.
create or replace function omnicrm.confirm_send(p_message bigint, p_platform_id text) returns void
language plpgsql set search_path = '' as $$
declare
    m omnicrm.messages;
    mistaken omnicrm.messages;
    t omnicrm.threads;
    besides omnicrm.messages;
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
    delete from omnicrm.messages
    where thread_id = m.thread_id and platform_id = p_platform_id and id <> m.id and direction = 'out' and author = 'agent' and event_key is not null
    returning * into mistaken;
    if mistaken.id is not null then
        select * into t from omnicrm.threads where id = m.thread_id;
        if t.owner_event = p_platform_id then
            perform omnicrm.give_back(m.thread_id);
            update omnicrm.threads set owner_at = (mistaken.content ->> 'owner_at')::timestamptz where id = m.thread_id;
            update omnicrm.messages set status = 'queued', reason = null
            where thread_id = m.thread_id and direction = 'out' and status = 'withdrawn' and reason = p_platform_id;
            update omnicrm.messages set status = 'received', reason = null
            where thread_id = m.thread_id and direction = 'in' and status = 'ignored' and reason = 'human' and id > coalesce(m.answers, m.id);
            update omnicrm.threads set due_at = least(due_at, now()) where id = m.thread_id;
            -- What a person wrote meanwhile holds it all the same.
            for besides in
                select * from omnicrm.messages x
                where x.thread_id = m.thread_id and x.id > mistaken.id and x.direction = 'out' and x.author = 'agent' and x.event_key is not null
                order by x.occurred_at
            loop
                perform omnicrm.take_over(m.thread_id, extract(epoch from t.owner_until - coalesce(t.owner_at, t.owner_since)),
                    'escribió una persona', besides.platform_id, p_at => besides.occurred_at);
            end loop;
        end if;
        update omnicrm.threads set
            attention = case when omnicrm.add_reason(attention, mistaken.content ->> 'attention') = attention then attention
                else omnicrm.add_reason(mistaken.content ->> 'attention', attention) end,
            attention_since = coalesce((mistaken.content ->> 'attention_since')::timestamptz, attention_since)
        where id = m.thread_id;
        update omnicrm.messages set status = mistaken.status where id = m.id and mistaken.status in ('delivered', 'read');
    end if;
    -- Last: it may be among what came back.
    if not exists (select from omnicrm.messages x where x.thread_id = m.thread_id and x.status = 'unknown') then
        perform omnicrm.drop_attention(m.thread_id, 'envío sin confirmar');
    end if;
end
$$;

-- An echo is ours when its id, our reference or, for a send of these minutes, its words or its kind say so. All else is a person.
create or replace function omnicrm.receive_echo(e jsonb, p_takeover_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.resolve_thread(e #>> '{address,channel}', e #>> '{address,account}', e #>> '{address,user}', e #>> '{address,key}');
    ours bigint;
    added bigint;
begin
    -- The worker that sent it settles under the same lock: without it, the settling could slip between the looks below.
    select * into t from omnicrm.threads where id = t.id for update;
    select id into ours from omnicrm.messages
    where thread_id = t.id and direction = 'out' and platform_id = e ->> 'platform_id' and event_key is null limit 1;
    if ours is null and e ->> 'reference' ~ '^omnicrm:\d+$' then
        select id into ours from omnicrm.messages
        where thread_id = t.id and direction = 'out' and id = substr(e ->> 'reference', 9)::bigint;
    end if;
    if ours is null and (e ->> 'own_app') is distinct from 'false' then
        select id into ours from omnicrm.messages
        where thread_id = t.id and direction = 'out' and status in ('queued', 'sending', 'unknown') and platform_id is null
            -- What waits to be tried again may have arrived all the same, whatever the platform answered. Its words must say so: to take
            -- a person's picture for it would lose it.
            and (status <> 'queued' or attempts > 0 and omnicrm.squeeze(e ->> 'text') is not null)
            -- The platform's clock is not ours; what a person writes later is not what we sent then.
            and (e ->> 'timestamp')::timestamptz between coalesce(began_at, created_at) - interval '5 minutes'
                and coalesce(began_at, created_at) + interval '15 minutes'
            and case
                when omnicrm.squeeze(e ->> 'text') is not null then omnicrm.squeeze(text) = omnicrm.squeeze(e ->> 'text')
                when e ->> 'kind' in ('image', 'video', 'audio', 'file') then content #>> '{media,kind}' = e ->> 'kind'
                else content ?| array['cards', 'buttons'] end
        order by id limit 1;
        if ours is null then
            -- A send that was tried again may have arrived each time, under another id; one that was not, because it was withdrawn
            -- then, the first time.
            select x.id into ours
            from (select * from omnicrm.messages where thread_id = t.id order by id desc limit 20) x
            where x.direction = 'out'
                and (x.status in ('sent', 'delivered', 'read') and x.attempts > 1 or x.status = 'withdrawn' and x.attempts > 0)
                and (e ->> 'timestamp')::timestamptz between x.created_at - interval '5 minutes' and x.began_at + interval '1 minute'
                and omnicrm.squeeze(x.text) = omnicrm.squeeze(e ->> 'text')
            order by x.id limit 1;
        end if;
    end if;
    if ours is not null then
        perform omnicrm.confirm_send(ours, e ->> 'platform_id');
        return jsonb_build_object('stored', true, 'thread', t.id, 'echo', 'own');
    end if;
    if (e ->> 'own_app')::boolean then
        return jsonb_build_object('stored', true, 'thread', t.id, 'echo', 'own');
    end if;

    -- Taken back already: that may be told first.
    if exists (select from omnicrm.platform_events p where p.about = e ->> 'platform_id' and p.type = 'unsend') then
        e := e || '{"text": null, "attachments": []}';
    end if;
    insert into omnicrm.messages (thread_id, direction, author, status, kind, text, content, event_key, platform_id, occurred_at, sent_at)
    values (t.id, 'out', 'agent', 'sent', e ->> 'kind', e ->> 'text',
        -- Should it turn out to be ours, this comes back.
        jsonb_strip_nulls(jsonb_build_object(
            'attachments', e -> 'attachments', 'attention', t.attention, 'attention_since', t.attention_since, 'owner_at', t.owner_at)),
        e ->> 'key', e ->> 'platform_id', (e ->> 'timestamp')::timestamptz, (e ->> 'timestamp')::timestamptz)
    on conflict (event_key) do nothing
    returning id into added;
    if added is null then
        return jsonb_build_object('stored', false, 'thread', t.id);
    end if;
    -- Should this echo turn out to be ours, the bot gets back only what it had.
    perform omnicrm.take_over(t.id, p_takeover_seconds, 'escribió una persona',
        case when omnicrm.is_human(t) then t.owner_event else e ->> 'platform_id' end, p_at => (e ->> 'timestamp')::timestamptz);
    -- Told late, they may not have seen what came since; and whoever has asked for a person since then still waits for one.
    update omnicrm.threads set attention = null, attention_since = null
    where id = t.id and (e ->> 'timestamp')::timestamptz > greatest(now() - interval '5 minutes', t.attention_since - interval '5 seconds',
        case when t.owner = 'human' and t.person is null then t.owner_at end);
    update public.conversations set last_message_at = greatest(last_message_at, (e ->> 'timestamp')::timestamptz) where id = t.conversation_id;
    return jsonb_build_object('stored', true, 'thread', t.id, 'echo', 'person');
end
$$;

-- Up to a moment of the platform's clock: our answer to a send comes later than its moment there, its beginning earlier.
create or replace function omnicrm.receive_receipt(e jsonb, p_thread bigint) returns void
language plpgsql set search_path = '' as $$
declare
    told text := e ->> 'status';
    -- Who has read a message has read those above it; not every platform tells of each.
    last_read bigint := case when told = 'read' then (
        select max(x.id) from omnicrm.messages x
        where x.thread_id = p_thread and x.direction = 'out' and x.platform_id in (select jsonb_array_elements_text(e -> 'platform_ids'))) end;
begin
    -- A receipt only moves a message forward; a late "delivered" does not undo "read".
    update omnicrm.messages m set status = told
    where m.thread_id = p_thread and m.direction = 'out'
        and (m.platform_id in (select jsonb_array_elements_text(e -> 'platform_ids'))
            or m.id <= last_read or coalesce(m.began_at, m.sent_at) <= (e ->> 'watermark')::timestamptz)
        and case told
            when 'delivered' then m.status in ('sent')
            when 'read' then m.status in ('sent', 'delivered')
            else m.status in ('sent', 'delivered') end;
    if told = 'failed' and found then
        perform omnicrm.note_attention(p_thread, 'un mensaje no llegó');
    end if;
end
$$;

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
    if v_thread is null and e ->> 'type' in ('receipt', 'edit', 'unsend') then
        -- Told without the customer, or under another of their ids: the message knows whose it is.
        select m.thread_id into v_thread from omnicrm.messages m
        where m.platform_id = coalesce(e ->> 'platform_id', e -> 'platform_ids' ->> 0) limit 1;
    end if;
    if v_thread is null and (e ->> 'holder' = 'other' or e ->> 'name' = 'referral') and e #>> '{address,key}' is not null then
        -- Told before the customer ever wrote: what it says holds for what they write then.
        v_thread := (omnicrm.resolve_thread(e #>> '{address,channel}', e #>> '{address,account}', e #>> '{address,user}', e #>> '{address,key}')).id;
    end if;
    insert into omnicrm.platform_events (key, thread_id, type, name, about, payload)
    values (e ->> 'key', v_thread, e ->> 'type', coalesce(e ->> 'name', e ->> 'status', e ->> 'holder', e ->> 'reason'), e ->> 'platform_id',
        case
            when e ->> 'type' = 'unsend' then e - 'raw'
            -- An edit of what was taken back already.
            when e ->> 'type' = 'edit' and exists (
                select from omnicrm.platform_events p where p.about = e ->> 'platform_id' and p.type = 'unsend') then e - 'text' - 'raw'
            else e end)
    on conflict (key) do nothing
    returning id into added;
    if added is null then
        return jsonb_build_object('stored', false, 'thread', v_thread);
    end if;
    if e ->> 'type' = 'accountstate' then
        return jsonb_build_object('stored', true, 'due', omnicrm.receive_account_state(e));
    elsif e ->> 'type' = 'accountwarning' then
        perform public.omnicrm_report_account(e ->> 'channel', e ->> 'account', jsonb_build_array(jsonb_build_object(
            'kind', case when (e ->> 'stopped')::boolean then 'channel_down' else 'token' end, 'text', e ->> 'text')));
        return jsonb_build_object('stored', true);
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
            where thread_id = v_thread and platform_id = e ->> 'platform_id';
            update omnicrm.platform_events set payload = payload - 'text' - 'raw'
            where type = 'edit' and about = e ->> 'platform_id';
        when 'control' then
            if e ->> 'holder' = 'other' then
                perform omnicrm.take_over(v_thread, p_takeover_seconds, 'otra aplicación tomó la conversación', e ->> 'key', 'otra aplicación',
                    (e ->> 'timestamp')::timestamptz);
            else
                perform omnicrm.give_back(v_thread, (e ->> 'timestamp')::timestamptz);
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
