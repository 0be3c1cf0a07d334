-- The turn: claim a conversation, commit what the dialogue decided, send, release. A lease with a fencing token makes sure
-- that one worker at a time changes a conversation, and that one which lost it changes nothing any more.

-- When there is something to do in this thread, if anything. Runs under the thread's row lock, in a statement of its own,
-- so that it sees every message that was committed before.
create or replace function omnicrm.next_due(p_thread bigint) returns timestamptz
language sql volatile set search_path = '' as $$
    select least(
        (select min(m.ready_at) from omnicrm.messages m where m.thread_id = p_thread and m.status = 'received'),
        (select greatest(coalesce(m.next_attempt_at, '-infinity'), coalesce(a.paused_until, '-infinity'), m.created_at)
         from omnicrm.messages m join omnicrm.threads t on t.id = m.thread_id
            left join omnicrm.accounts a on a.channel = t.channel and a.account = t.account
         where m.thread_id = p_thread and m.direction = 'out' and m.status = 'queued' order by m.id limit 1))
$$;

create or replace function omnicrm.release(p_thread bigint, p_not_before timestamptz) returns timestamptz
language plpgsql set search_path = '' as $$
declare
    due timestamptz := omnicrm.next_due(p_thread);
begin
    due := case when due is not null then greatest(due, p_not_before) end;
    update omnicrm.threads set lease_until = null, lease_worker = null, due_at = due where id = p_thread;
    return due;
end
$$;

-- Lock a thread for its lease holder. No row: the lease expired or somebody else has it, and nothing may be changed.
create or replace function omnicrm.hold(p_thread bigint, p_token bigint) returns setof omnicrm.threads
language sql volatile set search_path = '' as $$
    select * from omnicrm.threads where id = p_thread and lease_token = p_token and lease_until > clock_timestamp() for update
$$;

-- Whether a sender has had as many answers within the hour as the channel allows.
create or replace function omnicrm.is_over_limit(t omnicrm.threads) returns boolean
language plpgsql stable set search_path = '' as $$
declare
    allowed integer := (select c.replies_per_hour from omnicrm.channels c where c.code = t.channel);
begin
    return allowed is not null and allowed <= (
        select count(*) from omnicrm.threads x join omnicrm.messages m on m.thread_id = x.id
        where x.channel = t.channel and x.sender = t.sender and x.account = t.account
            and m.direction = 'out' and m.author = 'bot' and m.created_at > now() - interval '1 hour');
end
$$;

-- Give a worker up to p_limit conversations that are due, with all it needs for their turns.
-- p_accounts: ["IG:<account>", …], those that this worker can send to.
-- Returns {"work": [...], "next_due_seconds": number or null}.
create or replace function public.omnicrm_claim(p_worker text, p_accounts jsonb, p_limit integer, p_lease_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    item jsonb;
    work jsonb := '[]';
begin
    for t in
        with due as (
            select x.id from omnicrm.threads x
            where x.due_at <= now() and (x.lease_until is null or x.lease_until <= now())
                and p_accounts ? (x.channel || ':' || x.account)
            order by x.due_at limit p_limit
            for update skip locked
        )
        update omnicrm.threads x
        set lease_token = x.lease_token + 1, lease_worker = p_worker,
            lease_until = now() + make_interval(secs => p_lease_seconds), due_at = now() + make_interval(secs => p_lease_seconds)
        from due where x.id = due.id
        returning x.*
    loop
        -- Whoever was sending is gone, and what became of it is not known: never repeat it.
        update omnicrm.messages set status = 'unknown', reason = 'el proceso murió al enviar'
        where thread_id = t.id and direction = 'out' and status = 'sending';
        if found then
            update omnicrm.threads set attention = 'envío sin confirmar', attention_since = now() where id = t.id;
        end if;
        if omnicrm.is_human(t) then
            update omnicrm.messages set status = 'ignored', reason = 'human' where thread_id = t.id and status = 'received';
        elsif omnicrm.is_over_limit(t) then
            update omnicrm.messages set status = 'ignored', reason = 'limit' where thread_id = t.id and status = 'received';
            if found then
                update omnicrm.threads set attention = 'demasiadas respuestas en una hora', attention_since = now() where id = t.id;
            end if;
        end if;

        select jsonb_build_object(
            'thread', t.id, 'token', t.lease_token, 'key', t.key, 'channel', t.channel, 'account', t.account, 'user', t.user_id,
            'context', t.context, 'opted_out', t.opted_out, 'dialogue', t.dialogue,
            'client', jsonb_build_object('name', nullif(c.name, ''), 'new', omnicrm.is_new(t)),
            'needs_profile', coalesce(c.name, '') = '' and coalesce(t.profile_checked_at < now() - interval '1 day', true),
            'inbound', coalesce((
                select jsonb_agg(jsonb_build_object('id', m.id, 'kind', m.kind, 'text', m.text, 'content', m.content,
                    'occurred_at', m.occurred_at) order by m.id)
                from (select * from omnicrm.messages r where r.thread_id = t.id and r.status = 'received' order by r.id limit 20) m), '[]'),
            'choices', (
                select m.content -> 'choices' from omnicrm.messages m
                where m.thread_id = t.id and m.direction = 'out' and m.author = 'bot' order by m.id desc limit 1))
        into item from public.clients c where c.id = t.client_id;

        -- A turn that kills its worker would come back for ever: count the tries.
        if item -> 'inbound' <> '[]' then
            update omnicrm.threads set attempts = attempts + 1 where id = t.id returning attempts into t.attempts;
        end if;
        work := work || jsonb_build_array(item || jsonb_build_object('attempts', t.attempts));
    end loop;
    return jsonb_build_object('work', work, 'next_due_seconds', (
        select extract(epoch from min(due_at) - now()) from omnicrm.threads
        where due_at > now() and p_accounts ? (channel || ':' || account)));
end
$$;

-- Effects that the dialogue asks for, applied with the replies or not at all.
create or replace function omnicrm.apply_effect(t omnicrm.threads, p_message bigint, p_sequence integer, effect jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    case effect ->> 'effect'
        when 'handover' then
            update omnicrm.threads
            -- A person was asked for: the bot waits for one without a time limit shorter than a takeover's.
            set owner = 'human', owner_since = now(), owner_until = now() + make_interval(secs => (effect ->> 'seconds')::float8),
                owner_reason = effect ->> 'reason', attention = coalesce(effect ->> 'reason', 'pide una persona'), attention_since = now()
            where id = t.id and not omnicrm.is_human(t);
        when 'attention' then
            update omnicrm.threads set attention = coalesce(effect ->> 'reason', effect ->> 'kind'), attention_since = now() where id = t.id;
        when 'opt_out' then
            update omnicrm.threads set opted_out = true where id = t.id;
        when 'opt_in' then
            update omnicrm.threads set opted_out = false where id = t.id;
        when 'order' then
            insert into omnicrm.orders (thread_id, message_id, sequence, product, quantity)
            values (t.id, p_message, p_sequence, effect ->> 'product', (effect ->> 'quantity')::numeric)
            on conflict do nothing;
        when 'contact' then
            update public.clients set
                -- What somebody says of themselves beats the name that a platform has for them, not the one that the shop has.
                name = case when platform_metadata ? 'name_from' or coalesce(name, '') = ''
                    then coalesce(effect ->> 'name', name, '') else name end,
                phone = coalesce(phone, effect ->> 'phone'),
                email = coalesce(email, effect ->> 'email'),
                platform_metadata = coalesce(platform_metadata, '{}') - case when effect ->> 'name' is null then '' else 'name_from' end
                    || jsonb_build_object('contact', effect - 'effect')
            where id = t.client_id;
        else
            raise exception 'unknown effect %', effect ->> 'effect' using errcode = '22023';
    end case;
end
$$;

-- Commit a turn: dialogue, replies and "handled" together.
-- p_turn: {"handled": [ids], "ignored": {"id": "reason"}, "dialogue": {...}, "replies": [{"message": {...}, "payloads": [...]}],
--          "effects": [...]}. Returns {"committed": bool, "queued": n, "withdrawn": n}.
create or replace function public.omnicrm_commit_turn(p_thread bigint, p_token bigint, p_turn jsonb, p_reply_max_age float8 default 21600) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    taken boolean;
    answered bigint;
    effect jsonb;
    n integer := 0;
    queued integer := 0;
begin
    select * into t from omnicrm.hold(p_thread, p_token);
    if not found then
        return jsonb_build_object('committed', false);
    end if;
    taken := omnicrm.is_human(t);
    select max(x::bigint) into answered from jsonb_array_elements_text(p_turn -> 'handled') x;

    update omnicrm.messages set status = 'handled'
    where thread_id = t.id and status = 'received' and p_turn -> 'handled' @> to_jsonb(id);
    update omnicrm.messages set status = 'ignored', reason = p_turn -> 'ignored' ->> id::text
    where thread_id = t.id and status = 'received' and p_turn -> 'ignored' ? id::text;

    insert into omnicrm.messages (thread_id, direction, author, status, reason, text, content, payloads, answers, sequence, created_at, expires_at)
    select t.id, 'out', 'bot', case when taken then 'withdrawn' else 'queued' end, case when taken then t.owner_event end,
        r -> 'message' ->> 'text', r -> 'message', array(select jsonb_array_elements_text(r -> 'payloads')), answered, ordinality,
        now(), now() + make_interval(secs => p_reply_max_age)
    from jsonb_array_elements(p_turn -> 'replies') with ordinality x (r, ordinality)
    on conflict on constraint messages_reply_once do nothing;
    get diagnostics queued = row_count;

    for effect in select x from jsonb_array_elements(p_turn -> 'effects') x loop
        n := n + 1;
        perform omnicrm.apply_effect(t, answered, n, effect);
    end loop;

    update omnicrm.threads
    -- What a person interrupted did not happen: the dialogue stays where it was.
    set dialogue = case when taken then dialogue else coalesce(p_turn -> 'dialogue', dialogue) end, attempts = 0
    where id = t.id;
    return jsonb_build_object('committed', true, 'queued', case when taken then 0 else queued end, 'withdrawn', case when taken then queued else 0 end);
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
    elsif outcome = 'unknown' then
        update omnicrm.messages set status = 'unknown', error = s -> 'error' where id = m.id;
        update omnicrm.threads set attention = 'envío sin confirmar', attention_since = now() where id = t.id;
    else
        update omnicrm.messages set status = 'failed', reason = outcome, error = s -> 'error' where id = m.id;
        update omnicrm.threads set attention = 'no se pudo enviar: ' || outcome, attention_since = now() where id = t.id;
        if outcome in ('unreachable', 'window') then
            update omnicrm.messages set status = 'failed', reason = outcome
            where thread_id = t.id and direction = 'out' and status = 'queued' and author = 'bot';
        elsif outcome = 'not_ours' then
            perform omnicrm.take_over(t.id, p_takeover_seconds, 'otra aplicación tiene la conversación', null);
        end if;
    end if;
end
$$;

-- Settle the last send, if any, and give the next one of this thread, marked as sending; or release the thread. One whose
-- place in the account's pace is yet to come stays queued and keeps that place: the caller waits for it, at most p_patience
-- seconds, and asks again.
-- Returns {"send": {"id", "message", "attempts"}} | {"wait": seconds} | {"released": true, "due_seconds": number or null} | {"lost": true}.
create or replace function public.omnicrm_next_send(
    p_thread bigint, p_token bigint, p_lease_seconds float8, p_rate float8, p_settled jsonb default null,
    -- About half an hour of the sender's growing delays; the reply's age ends it earlier where it must.
    p_max_attempts integer default 20, p_pause_seconds float8 default 60, p_takeover_seconds float8 default 43200,
    p_patience float8 default 1
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    m omnicrm.messages;
    a omnicrm.accounts;
    due timestamptz;
    slot timestamptz;
begin
    -- What became of a send is a fact, whoever holds the lease now.
    perform from omnicrm.threads where id = p_thread for update;
    if p_settled is not null then
        select * into t from omnicrm.threads where id = p_thread;
        perform omnicrm.settle(t, p_settled, p_max_attempts, p_pause_seconds, p_takeover_seconds);
    end if;
    select * into t from omnicrm.hold(p_thread, p_token);
    if not found then
        return jsonb_build_object('lost', true);
    end if;

    loop
        select * into m from omnicrm.messages where thread_id = t.id and direction = 'out' and status = 'queued' order by id limit 1;
        if not found or m.next_attempt_at > now() then
            exit;
        end if;
        if omnicrm.is_human(t) and m.author = 'bot' and t.owner_since > m.created_at then
            update omnicrm.messages set status = 'withdrawn', reason = t.owner_event where id = m.id;
        elsif m.expires_at < now() then
            update omnicrm.messages set status = 'failed', reason = 'expired' where id = m.id;
            update omnicrm.threads set attention = 'una respuesta caducó sin salir', attention_since = now() where id = t.id;
        elsif t.window_until < now() then
            update omnicrm.messages set status = 'failed', reason = 'window' where id = m.id;
            update omnicrm.threads set attention = 'no se pudo enviar: window', attention_since = now() where id = t.id;
        else
            insert into omnicrm.accounts (channel, account) values (t.channel, t.account) on conflict do nothing;
            select * into a from omnicrm.accounts where channel = t.channel and account = t.account for update;
            if a.paused_until > now() then
                exit;
            end if;
            if m.slot_at is null then
                slot := greatest(a.next_send_at, now());
                update omnicrm.accounts set next_send_at = slot + make_interval(secs => 1 / p_rate), paused_until = null, paused_reason = null
                where channel = t.channel and account = t.account;
                if slot > now() then
                    update omnicrm.messages set slot_at = slot, next_attempt_at = slot where id = m.id;
                    exit when slot > now() + make_interval(secs => p_patience);
                end if;
            end if;
            update omnicrm.threads
            set lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds), due_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
            where id = t.id;
            if slot > now() then
                return jsonb_build_object('wait', extract(epoch from slot - clock_timestamp()));
            end if;
            update omnicrm.messages set status = 'sending', attempts = attempts + 1, slot_at = null where id = m.id;
            return jsonb_build_object('send', jsonb_build_object('id', m.id, 'message', m.content, 'attempts', m.attempts + 1));
        end if;
    end loop;
    due := omnicrm.release(t.id, null);
    return jsonb_build_object('released', true, 'due_seconds', extract(epoch from due - clock_timestamp()));
end
$$;

-- Give a conversation back undone; it comes again after p_retry_seconds.
create or replace function public.omnicrm_release(p_thread bigint, p_token bigint, p_retry_seconds float8 default 0) returns jsonb
language plpgsql set search_path = '' as $$
declare
    due timestamptz;
begin
    perform from omnicrm.hold(p_thread, p_token);
    if not found then
        return jsonb_build_object('released', false);
    end if;
    due := omnicrm.release(p_thread, now() + make_interval(secs => p_retry_seconds));
    return jsonb_build_object('released', true, 'due_seconds', extract(epoch from due - now()));
end
$$;

-- What the platform knows of a customer; never overwrites what is there.
create or replace function public.omnicrm_set_profile(p_thread bigint, p_name text, p_username text, p_picture_url text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
begin
    update omnicrm.threads set profile_checked_at = now() where id = p_thread returning * into t;
    update public.clients set
        name = coalesce(nullif(name, ''), p_name, ''),
        instagram_username = case when t.channel = 'IG' then coalesce(instagram_username, p_username) else instagram_username end,
        platform_metadata = coalesce(platform_metadata, '{}') || jsonb_strip_nulls(jsonb_build_object(
            lower(t.channel) || '_picture_url', p_picture_url,
            'name_from', case when coalesce(name, '') = '' and p_name is not null then lower(t.channel) end))
    where id = t.client_id;
    return jsonb_build_object('stored', t.id is not null);
end
$$;
