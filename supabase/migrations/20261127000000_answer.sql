-- A turn costs the database less: its commit and the beginning of its first send are one transaction, a reply that may leave
-- at once is written as being sent, and the thread's row is written once a step, without touching its indexes.

-- These were written in SQL, which plans such functions anew at every call; in PL/pgSQL a session plans them once.

create or replace function omnicrm.is_human(t omnicrm.threads) returns boolean
language plpgsql stable set search_path = '' as $$
begin
    return t.owner = 'human' and (t.owner_until is null or t.owner_until > now());
end
$$;

create or replace function omnicrm.is_new(t omnicrm.threads) returns boolean
language plpgsql stable set search_path = '' as $$
begin
    return exists (select from omnicrm.client_identities i where i.client_id = t.client_id and i.source = 'message')
        and not exists (
            select from omnicrm.messages m join omnicrm.threads x on x.id = m.thread_id
            where x.client_id = t.client_id and m.status <> 'received');
end
$$;

create or replace function omnicrm.is_followed() returns boolean
language plpgsql stable set search_path = '' as $$
begin
    return exists (select from omnicrm.subscriptions where enabled);
end
$$;

create or replace function omnicrm.next_due(p_thread bigint) returns timestamptz
language plpgsql volatile set search_path = '' as $$
begin
    return least(
        (select min(m.ready_at) from omnicrm.messages m where m.thread_id = p_thread and m.status = 'received'),
        (select greatest(coalesce(m.next_attempt_at, '-infinity'), coalesce(a.paused_until, '-infinity'), m.created_at)
         from omnicrm.messages m join omnicrm.threads t on t.id = m.thread_id
            left join omnicrm.accounts a on a.channel = t.channel and a.account = t.account
         where m.thread_id = p_thread and m.direction = 'out' and m.status = 'queued' order by m.id limit 1));
end
$$;

create or replace function omnicrm.hold(p_thread bigint, p_token bigint) returns setof omnicrm.threads
language plpgsql volatile set search_path = '' as $$
begin
    return query select * from omnicrm.threads where id = p_thread and lease_token = p_token and lease_until > clock_timestamp() for update;
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
                update omnicrm.threads set attention = 'envío sin confirmar', attention_since = now() where id = t.id;
            end if;
        end if;
        -- What nobody will answer is no try either.
        if omnicrm.is_human(t) then
            update omnicrm.messages set status = 'ignored', reason = 'human' where thread_id = t.id and status = 'received';
            update omnicrm.threads set attempts = 0 where id = t.id;
        elsif taken.limited and omnicrm.is_over_limit(t) then
            update omnicrm.messages set status = 'ignored', reason = 'limit' where thread_id = t.id and status = 'received';
            if found then
                update omnicrm.threads set attempts = 0, attention = 'demasiadas respuestas en una hora', attention_since = now() where id = t.id;
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

-- Write a turn down: dialogue, replies, effects and "handled" together; the caller holds the thread. p_at_once: the first
-- reply leaves now. Returns how many replies were added, and the id of the one that leaves.
create or replace function omnicrm.keep_turn(
    t omnicrm.threads, p_turn jsonb, p_reply_max_age float8, p_at_once boolean, p_lease_until timestamptz, out added integer, out leaving bigint
)
language plpgsql set search_path = '' as $$
declare
    taken boolean := omnicrm.is_human(t);
    answered bigint := (select max(x::bigint) from jsonb_array_elements_text(p_turn -> 'handled') x);
    effect jsonb;
    n integer := 0;
begin
    update omnicrm.messages
    set status = case when p_turn -> 'ignored' ? id::text then 'ignored' else 'handled' end, reason = coalesce(p_turn -> 'ignored' ->> id::text, reason)
    where thread_id = t.id and status = 'received' and (p_turn -> 'handled' @> to_jsonb(id) or p_turn -> 'ignored' ? id::text);

    with replies as (
        insert into omnicrm.messages
            (thread_id, direction, author, status, attempts, reason, text, content, payloads, answers, sequence, created_at, expires_at)
        select t.id, 'out', 'bot', case when taken then 'withdrawn' when p_at_once and ordinality = 1 then 'sending' else 'queued' end,
            (p_at_once and ordinality = 1)::integer, case when taken then t.owner_event end,
            r -> 'message' ->> 'text', r -> 'message', array(select jsonb_array_elements_text(r -> 'payloads')), answered, ordinality,
            now(), now() + make_interval(secs => p_reply_max_age)
        from jsonb_array_elements(p_turn -> 'replies') with ordinality x (r, ordinality)
        on conflict on constraint messages_reply_once do nothing
        returning id, status
    )
    select count(*), min(id) filter (where status = 'sending') into added, leaving from replies;

    for effect in select x from jsonb_array_elements(p_turn -> 'effects') x loop
        n := n + 1;
        perform omnicrm.apply_effect(t, answered, n, effect);
    end loop;

    update omnicrm.threads
    -- What a person interrupted did not happen: the dialogue stays where it was.
    set dialogue = case when taken then dialogue else coalesce(p_turn -> 'dialogue', dialogue) end, attempts = 0, lease_until = p_lease_until
    where id = t.id;
end
$$;

-- Commit a turn and send nothing yet.
-- p_turn: {"handled": [ids], "ignored": {"id": "reason"}, "dialogue": {...}, "replies": [{"message": {...}, "payloads": [...]}],
--          "effects": [...]}. Returns {"committed": bool, "queued": n, "withdrawn": n}.
create or replace function public.omnicrm_commit_turn(p_thread bigint, p_token bigint, p_turn jsonb, p_reply_max_age float8 default 21600) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    added integer;
begin
    select * into t from omnicrm.hold(p_thread, p_token);
    if not found then
        return jsonb_build_object('committed', false);
    end if;
    added := (omnicrm.keep_turn(t, p_turn, p_reply_max_age, false, t.lease_until)).added;
    return jsonb_build_object('committed', true, 'queued', case when omnicrm.is_human(t) then 0 else added end,
        'withdrawn', case when omnicrm.is_human(t) then added else 0 end);
end
$$;

-- Commit a turn and begin its first send. Takes what omnicrm_commit_turn takes and returns what omnicrm_next_send returns.
create or replace function public.omnicrm_answer(
    p_thread bigint, p_token bigint, p_turn jsonb, p_reply_max_age float8, p_lease_seconds float8, p_rate float8
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    leaving bigint;
begin
    select * into t from omnicrm.hold(p_thread, p_token);
    if not found then
        return '{"lost": true}';
    end if;
    -- Whatever is not plain is left to omnicrm_next_send: a person, an older answer, a closed window, an account that waits.
    leaving := (omnicrm.keep_turn(t, p_turn, p_reply_max_age,
        not omnicrm.is_human(t) and (t.window_until is null or t.window_until >= now())
            and not exists (select from omnicrm.messages where thread_id = t.id and direction = 'out' and status = 'queued'),
        clock_timestamp() + make_interval(secs => p_lease_seconds))).leaving;
    if leaving is not null then
        -- Last of all: whoever else answers in this account waits from here until the commit.
        update omnicrm.accounts set next_send_at = now() + make_interval(secs => 1 / p_rate)
        where channel = t.channel and account = t.account and next_send_at <= now() and paused_until is null;
        if found then
            return jsonb_build_object('send', jsonb_build_object('id', leaving, 'message', p_turn #> '{replies,0,message}', 'attempts', 1));
        end if;
        update omnicrm.messages set status = 'queued', attempts = 0 where id = leaving;
    end if;
    return public.omnicrm_next_send(p_thread, p_token, p_lease_seconds, p_rate);
end
$$;
