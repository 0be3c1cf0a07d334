-- Whoever waits for a person stays on the staff's list, with every reason, until a person has looked: what goes wrong meanwhile is
-- added to it, and an order is a reason, too.

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

    if e #>> '{contact}' is not null then
        perform omnicrm.learn(t, e -> 'contact');
    end if;
    update omnicrm.threads set
        context = coalesce(e #> '{address,context}', context),
        -- While a worker holds the lease, due_at is the lease's end: releasing looks for what came meanwhile.
        due_at = case
            when new_status <> 'received' or lease_until > now() then due_at
            else least(due_at, ready) end,
        closed_at = null, closed_reason = null,
        window_until = greatest(window_until, occurred + make_interval(secs => (e ->> 'opens_window')::float8))
    where id = t.id;
    if new_reason = 'stale' then
        perform omnicrm.note_attention(t.id, 'mensaje atrasado sin respuesta');
    end if;
    update public.conversations set last_message_at = greatest(last_message_at, occurred) where id = t.conversation_id;
    return jsonb_build_object('stored', true, 'thread', t.id, 'message', m_id, 'due', new_status = 'received');
end
$$;

-- What became of a send. p_settled: {"message", "outcome", "platform_id"?, "error"?, "retry_seconds"?}; outcomes:
-- sent | retry | unknown | failed | window | unreachable | not_ours | operator.
create or replace function omnicrm.settle(t omnicrm.threads, s jsonb, p_max_attempts integer, p_pause_seconds float8, p_takeover_seconds float8) returns void
language plpgsql set search_path = '' as $$
declare
    m omnicrm.messages;
    outcome text := s ->> 'outcome';
begin
    select * into m from omnicrm.messages where id = (s ->> 'message')::bigint and thread_id = t.id for update;
    if outcome = 'sent' then
        perform omnicrm.confirm_send(m.id, s ->> 'platform_id');
        return;
    end if;
    -- An echo may have told before us that it went out.
    if m.status not in ('sending', 'unknown') then
        return;
    end if;
    if outcome = 'not_ours' and omnicrm.is_human(t) then
        -- Their words came while it was on its way out.
        update omnicrm.messages set status = 'withdrawn', reason = t.owner_event where id = m.id;
        return;
    end if;
    if outcome = 'retry' and m.attempts >= p_max_attempts then
        outcome := 'failed';
    end if;
    if outcome = 'retry' then
        update omnicrm.messages
        set status = 'queued', error = s -> 'error', next_attempt_at = now() + make_interval(secs => (s ->> 'retry_seconds')::float8) where id = m.id;
    elsif outcome = 'operator' then
        -- Not this message's fault: it keeps its place and its tries, and so does the whole queue of the account.
        update omnicrm.messages set status = 'queued', error = s -> 'error', attempts = greatest(0, attempts - 1) where id = m.id;
        insert into omnicrm.accounts (channel, account, paused_until, paused_reason)
        values (t.channel, t.account, now() + make_interval(secs => p_pause_seconds), s -> 'error' ->> 'detail')
        on conflict (channel, account) do update set paused_until = excluded.paused_until, paused_reason = excluded.paused_reason;
        perform omnicrm.raise_notice('channel_down', null, jsonb_build_object('reason', s -> 'error' ->> 'detail'), t.channel, t.account);
    elsif outcome = 'unknown' then
        update omnicrm.messages set status = 'unknown', error = s -> 'error' where id = m.id;
        perform omnicrm.note_attention(t.id, 'envío sin confirmar');
    else
        update omnicrm.messages set status = 'failed', reason = outcome, error = s -> 'error' where id = m.id;
        perform omnicrm.note_attention(t.id, 'no se pudo enviar: ' || outcome);
        perform omnicrm.raise_notice('send_failed', t.id, jsonb_build_object('reason', outcome));
        if outcome in ('unreachable', 'window') then
            update omnicrm.messages set status = 'failed', reason = outcome
            where thread_id = t.id and direction = 'out' and status = 'queued' and author = 'bot';
        elsif outcome = 'not_ours' then
            perform omnicrm.take_over(t.id, p_takeover_seconds, 'otra aplicación tiene la conversación', null, 'otra aplicación');
        end if;
    end if;
end
$$;

-- Give a worker up to p_limit conversations that are due, with all it needs for their turns.
-- p_accounts: ["IG:<account>", …], those that this worker can send to.
-- Returns {"work": [...], "next_due_seconds": number or null}.
create or replace function public.omnicrm_claim(p_worker text, p_accounts jsonb, p_limit integer, p_lease_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    taken record;
    t omnicrm.threads;
    item jsonb;
    work jsonb := '[]';
begin
    for taken in
        with due as (
            select x.id from omnicrm.threads x
            where x.due_at <= now() and (x.lease_until is null or x.lease_until <= now())
                and p_accounts ? (x.channel || ':' || x.account)
            order by x.due_at limit p_limit
            for update skip locked
        )
        update omnicrm.threads x
        -- It stays due: due_at has an index, and the lease says enough.
        set lease_token = x.lease_token + 1, lease_worker = p_worker, lease_until = now() + make_interval(secs => p_lease_seconds),
            -- A turn that kills its worker would come back for ever: count the tries.
            attempts = x.attempts + (exists (select from omnicrm.messages m where m.thread_id = x.id and m.status = 'received'))::integer
        from due where x.id = due.id
        returning x as thread, (select c.replies_per_hour from omnicrm.channels c where c.code = x.channel) is not null as limited,
            exists (select from omnicrm.messages m where m.thread_id = x.id and m.direction = 'out' and m.status = 'sending') as interrupted
    loop
        t := taken.thread;
        if taken.interrupted then
            -- Whoever was sending is gone, and what became of it is not known: never repeat it.
            update omnicrm.messages set status = 'unknown', reason = 'el proceso murió al enviar'
            where thread_id = t.id and direction = 'out' and status = 'sending';
            -- It may have been told just now: what was seen above is a moment older.
            if found then
                perform omnicrm.note_attention(t.id, 'envío sin confirmar');
            end if;
        end if;
        -- What nobody will answer is no try either.
        if omnicrm.is_human(t) then
            update omnicrm.messages set status = 'ignored', reason = 'human' where thread_id = t.id and status = 'received';
            update omnicrm.threads set attempts = 0 where id = t.id;
        elsif taken.limited and omnicrm.is_over_limit(t) then
            update omnicrm.messages set status = 'ignored', reason = 'limit' where thread_id = t.id and status = 'received';
            if found then
                update omnicrm.threads set attempts = 0 where id = t.id;
                perform omnicrm.note_attention(t.id, 'demasiadas respuestas en una hora');
            end if;
        end if;

        select jsonb_build_object(
            'thread', t.id, 'token', t.lease_token, 'key', t.key, 'channel', t.channel, 'account', t.account, 'user', t.user_id,
            'context', t.context, 'opted_out', t.opted_out, 'dialogue', t.dialogue, 'attempts', t.attempts,
            'client', jsonb_build_object('name', nullif(c.name, ''), 'new', omnicrm.is_new(t)),
            'needs_profile', (coalesce(c.name, '') = '' or t.channel = 'IG' and c.instagram_username is null)
                and coalesce(t.profile_checked_at < now() - interval '1 day', true),
            'inbound', coalesce((
                select jsonb_agg(jsonb_build_object('id', m.id, 'kind', m.kind, 'text', m.text, 'content', m.content,
                    'occurred_at', m.occurred_at) order by m.id)
                from (select * from omnicrm.messages r where r.thread_id = t.id and r.status = 'received' order by r.id limit 20) m), '[]'),
            'choices', (
                select m.content -> 'choices' from omnicrm.messages m
                where m.thread_id = t.id and m.direction = 'out' and m.event_key is null order by m.id desc limit 1))
        into item from public.clients c where c.id = t.client_id;
        work := work || jsonb_build_array(item);
    end loop;
    return jsonb_build_object('work', work, 'next_due_seconds', extract(epoch from least(
        (select min(due_at) from omnicrm.threads where due_at > now() and p_accounts ? (channel || ':' || account)),
        (select min(lease_until) from omnicrm.threads where due_at <= now() and lease_until > now() and p_accounts ? (channel || ':' || account))
    ) - now()));
end
$$;

-- Confirm or cancel an order. A confirmed order makes a lead a customer.
create or replace function public.omnicrm_decide_order(p_order bigint, p_status text, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    o omnicrm.orders;
    v_client text;
begin
    if p_status is null or p_status not in ('confirmed', 'cancelled') then
        raise exception 'an order is confirmed or cancelled, not %', p_status using errcode = 'OC422';
    end if;
    select * into o from omnicrm.orders where id = p_order for update;
    if o.id is null then
        raise exception 'no order %', p_order using errcode = 'OC404';
    elsif o.status = p_status then
        return jsonb_build_object('order', o.id, 'status', o.status, 'changed', false);
    end if;
    update omnicrm.orders set status = p_status, decided_at = now(), decided_by = p_by where id = o.id;
    -- Somebody looked at it. A turn that holds the conversation may be adding another one.
    perform from omnicrm.threads where id = o.thread_id for no key update;
    if not exists (select from omnicrm.orders x where x.thread_id = o.thread_id and x.status = 'requested') then
        perform omnicrm.drop_attention(o.thread_id, 'hizo un pedido');
        perform omnicrm.drop_attention(o.thread_id, 'borró el mensaje de su pedido');
    end if;
    if p_status = 'confirmed' then
        select t.client_id::text into v_client from omnicrm.threads t where t.id = o.thread_id;
        perform omnicrm.set_stage(v_client, 'customer', 'pedido confirmado', p_by);
    end if;
    return jsonb_build_object('order', o.id, 'status', p_status, 'changed', true);
end
$$;
