-- What a customer takes back is gone by its message, whatever its words became on the way: edited, cleaned for the dialogue, or
-- joined with others. And nothing is answered that was taken back while the bot thought about it.

do $$
begin
    lock table omnicrm.threads, omnicrm.messages in access exclusive mode;
    -- The last message of the turn that dealt with this one: the dialogue knows the turn by it.
    alter table omnicrm.messages add column if not exists turn bigint;
    -- Something was taken back since the last turn was written down: whoever is in a turn holds a dialogue that still has it.
    alter table omnicrm.threads add column if not exists unsent boolean not null default false;
end
$$;

drop function if exists omnicrm.without_words(jsonb, text);

-- The dialogue without what was said in a turn: its words (of all its messages, which are one text there), what was understood
-- of them, what slots hold of it, and the replies, which may repeat it. p_words: what the message said last, where it is known.
create or replace function omnicrm.without_turn(p_dialogue jsonb, p_turn bigint, p_words text) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
    e jsonb;
    said text[];
    inside boolean := false;
    kept jsonb := '[]';
begin
    if jsonb_typeof(p_dialogue -> 'events') is distinct from 'array' then
        return p_dialogue;
    end if;
    for e in select x from jsonb_array_elements(p_dialogue -> 'events') x loop
        if e ->> 'event' = 'user' then
            inside := coalesce(e ->> 'message_id' = p_turn::text, false);
            if inside then
                said := array(select lower(x ->> 'value') from jsonb_array_elements(coalesce(e #> '{parse_data,entities}', '[]')) x)
                    || lower(e ->> 'text');
                e := jsonb_set(jsonb_set(e #- '{parse_data,text}', '{text}', '"…"'), '{parse_data,entities}', '[]');
            end if;
        elsif e ->> 'event' = 'action' and e ->> 'name' = 'action_listen' then
            inside := false;
        elsif e ->> 'event' = 'bot' and inside then
            e := jsonb_set(e, '{text}', '"…"');
        elsif e ->> 'event' = 'slot' then
            -- Data that wait for a "sí" are an object; that they wait is a flag, set with them.
            continue when inside and e ->> 'name' <> 'requested_slot'
                and (lower(e ->> 'value') = any (said) or e ->> 'value' like '{%' or e -> 'value' = 'true');
            continue when e ->> 'value' like '{%' and exists (
                select from regexp_matches(lower(e ->> 'value'), '"([^"]+)"\s*[,}]', 'g') x
                where position(x[1] in lower(p_words)) > 0
                    or x[1] ~ '^\+?\d{8,}$' and position(right(x[1], 10) in regexp_replace(p_words, '\D', '', 'g')) > 0);
        end if;
        kept := kept || jsonb_build_array(e);
    end loop;
    return jsonb_set(p_dialogue, '{events}', kept);
end
$$;

-- The turn in which a message was dealt with, as a dialogue knows it; of those from before that was noted, the next one there.
create or replace function omnicrm.turn_of(m omnicrm.messages, p_dialogue jsonb) returns bigint
language plpgsql immutable set search_path = '' as $$
begin
    return case
        when m.turn is not null then m.turn
        when m.status = 'handled' and jsonb_typeof(p_dialogue -> 'events') = 'array' then (
            select min((e ->> 'message_id')::bigint) from jsonb_array_elements(p_dialogue -> 'events') e
            where e ->> 'event' = 'user' and e ->> 'message_id' ~ '^\d{1,18}$' and (e ->> 'message_id')::bigint >= m.id) end;
end
$$;

-- A turn's dialogue as it may be kept: it was made from one that was read when the turn began.
create or replace function omnicrm.without_unsent(t omnicrm.threads, p_dialogue jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    m omnicrm.messages;
    made jsonb := p_dialogue;
begin
    if t.unsent then
        for m in select * from omnicrm.messages where thread_id = t.id and direction = 'in' and status = 'handled' and reason = 'unsent' loop
            made := omnicrm.without_turn(made, omnicrm.turn_of(m, made), null);
        end loop;
    end if;
    return made;
end
$$;

-- Whether a message of this turn was taken back since it was claimed. Then there was no such turn: nothing of it is sent, done or
-- kept, and what else the customer said, if anything, has a turn without it.
create or replace function omnicrm.is_taken_back(t omnicrm.threads, p_turn jsonb) returns boolean
language plpgsql stable set search_path = '' as $$
begin
    return t.unsent and exists (
        select from omnicrm.messages m
        where m.id = any (array(select x::bigint from jsonb_array_elements_text(p_turn -> 'handled') x)) and m.thread_id = t.id and m.reason = 'unsent');
end
$$;

-- There was no such turn, and no try of one. Returns when there is something to do.
create or replace function omnicrm.drop_turn(p_thread bigint) returns timestamptz
language plpgsql set search_path = '' as $$
begin
    update omnicrm.threads set attempts = 0 where id = p_thread;
    return omnicrm.release(p_thread, null);
end
$$;

-- The dialogue remembers what the customer said; only that is erased from it. Answers to it that wait to be sent are not sent,
-- unless they answer something else, too.
create or replace function omnicrm.forget_unsent() returns trigger
language plpgsql set search_path = '' as $$
begin
    update omnicrm.threads set unsent = true, dialogue = omnicrm.without_turn(dialogue, omnicrm.turn_of(new, dialogue), old.text)
    where id = new.thread_id and new.direction = 'in';
    update omnicrm.messages m set status = 'withdrawn', reason = 'unsent',
        -- Nobody has seen them, and they may repeat it. One that was tried may have got through: its echo is known by its words.
        text = case when m.attempts > 0 then m.text end, content = case when m.attempts > 0 then m.content else '{}' end,
        payloads = case when m.attempts > 0 then m.payloads else '{}' end
    where m.thread_id = new.thread_id and m.direction = 'out' and m.status = 'queued' and m.author = 'bot' and m.answers = new.turn
        and not exists (
            select from omnicrm.messages x
            where x.thread_id = new.thread_id and x.turn = new.turn and x.reason is distinct from 'unsent');
    -- What was ordered in it stands, for a person to ask about.
    if exists (select from omnicrm.orders o where o.message_id = new.turn and o.status = 'requested') then
        perform omnicrm.note_attention(new.thread_id, 'borró el mensaje de su pedido');
    end if;
    update omnicrm.feed f set data = f.data #- '{message,text}' #- '{message,attachments}'
    from omnicrm.threads t
    where t.id = new.thread_id and f.key = 'conversation:' || t.conversation_id and (f.data #>> '{message,id}')::bigint = new.id;
    return null;
end
$$;

-- Write a turn down: dialogue, replies, effects and "handled" together; the caller holds the thread. p_at_once: the first
-- reply leaves now. Returns how many replies were added, and the id of the one that leaves.
create or replace function omnicrm.keep_turn(
    t omnicrm.threads, p_turn jsonb, p_reply_max_age float8, p_at_once boolean, p_lease_until timestamptz, out added integer, out leaving bigint
)
language plpgsql set search_path = '' as $$
declare
    answered bigint := (select max(x::bigint) from jsonb_array_elements_text(p_turn -> 'handled') x);
    left_out boolean := t.opted_out and answered < t.consent_message;
    taken boolean := left_out or omnicrm.is_human(t);
    effect jsonb;
    n integer := 0;
begin
    update omnicrm.messages
    set status = case when p_turn -> 'ignored' ? id::text then 'ignored' else 'handled' end, reason = coalesce(p_turn -> 'ignored' ->> id::text, reason),
        turn = answered
    where thread_id = t.id and status = 'received' and (p_turn -> 'handled' @> to_jsonb(id) or p_turn -> 'ignored' ? id::text);

    with replies as (
        insert into omnicrm.messages
            (thread_id, direction, author, status, attempts, reason, text, content, payloads, answers, sequence, created_at, expires_at)
        select t.id, 'out', 'bot', case when taken then 'withdrawn' when p_at_once and ordinality = 1 then 'sending' else 'queued' end,
            (p_at_once and ordinality = 1)::integer, case when left_out then 'opted_out' when taken then t.owner_event end,
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
    -- What a person interrupted did not happen: the dialogue stays where it was. Nor what a later "baja" came before.
    set dialogue = case when taken then dialogue else omnicrm.without_unsent(t, coalesce(p_turn -> 'dialogue', dialogue)) end,
        unsent = false, attempts = 0, lease_until = p_lease_until
    where id = t.id;
end
$$;

-- Commit a turn and send nothing yet.
-- p_turn: {"handled": [ids], "ignored": {"id": "reason"}, "dialogue": {...}, "replies": [{"message": {...}, "payloads": [...]}],
--          "effects": [...]}. Returns {"committed": bool, "queued": n, "withdrawn": n}; not committed: the lease is lost, or a
-- message was taken back and the thread is released.
create or replace function public.omnicrm_commit_turn(p_thread bigint, p_token bigint, p_turn jsonb, p_reply_max_age float8 default 21600) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    added integer;
begin
    perform omnicrm.prepare_consent(p_thread, p_turn -> 'effects');
    select * into t from omnicrm.hold(p_thread, p_token);
    if not found then
        return jsonb_build_object('committed', false);
    end if;
    if omnicrm.is_taken_back(t, p_turn) then
        perform omnicrm.drop_turn(t.id);
        return jsonb_build_object('committed', false, 'queued', 0, 'withdrawn', jsonb_array_length(p_turn -> 'replies'));
    end if;
    added := (omnicrm.keep_turn(t, p_turn, p_reply_max_age, false, t.lease_until)).added;
    return jsonb_build_object('committed', true, 'queued', case when omnicrm.is_human(t) then 0 else added end,
        'withdrawn', case when omnicrm.is_human(t) then added else 0 end);
end
$$;
