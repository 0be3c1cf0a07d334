-- "Baja" holds for good, "alta" ends it: wherever the sender writes from in that channel, and also in messages that no turn
-- answers, because a person holds the conversation, or they came too late or too many. The bot reads those for this alone.

-- An older message was dealt with: only what comes from now on is read.
alter table omnicrm.messages add column if not exists heard boolean not null default true;
alter table omnicrm.messages alter column heard set default false;
create index if not exists messages_unheard_idx on omnicrm.messages (id)
    where status = 'ignored' and reason in ('human', 'stale', 'limit') and not heard;

drop trigger if exists omnicrm_mind_unread on omnicrm.messages;
drop function if exists omnicrm.mind_unread();

-- Who proved to be the sender speaks for all of the sender's conversations in that channel. Who did not (a mail that nobody
-- vouches for, each thread of which is a conversation of its own) speaks for the unproven ones: nobody can silence another.
create or replace function omnicrm.note_consent(t omnicrm.threads, p_state text) returns void
language plpgsql set search_path = '' as $$
begin
    with told as (
        update omnicrm.threads x set opted_out = (p_state = 'out')
        where x.channel = t.channel and x.sender = t.sender and (t.user_id = t.sender or x.user_id <> x.sender)
        returning x.client_id
    )
    update omnicrm.people set consent = consent || jsonb_build_object(t.channel, jsonb_build_object('state', p_state, 'at', now()))
    where client_id in (select client_id from told);
end
$$;

-- A new conversation begins as the sender's others stand: by what was said unproven if it is unproven itself, else by what was
-- proven.
create or replace function omnicrm.inherit_consent() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.opted_out := coalesce((
        select x.opted_out from omnicrm.threads x
        where x.channel = new.channel and x.sender = new.sender and (new.user_id <> new.sender or x.user_id = x.sender)
        order by x.user_id = x.sender, x.id desc limit 1), false);
    return new;
end
$$;
drop trigger if exists omnicrm_inherit_consent on omnicrm.threads;
create trigger omnicrm_inherit_consent before insert on omnicrm.threads for each row execute function omnicrm.inherit_consent();

-- Messages that no turn answers and that were not read yet, oldest first, as omnicrm_claim gives them.
create or replace function public.omnicrm_unheard(p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'kind', m.kind, 'text', m.text, 'content', m.content,
        'occurred_at', m.occurred_at) order by m.id), '[]')
    from (
        select * from omnicrm.messages
        where status = 'ignored' and reason in ('human', 'stale', 'limit') and not heard order by id limit p_limit
    ) m
$$;

-- What was read in them: [{"id": …, "consent": "out", "in" or null}], oldest first. Each counts once, whoever else read it.
-- Returns {"heard": n}.
create or replace function public.omnicrm_hear(p_heard jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    x record;
    t omnicrm.threads;
    n integer := 0;
begin
    for x in select * from jsonb_to_recordset(p_heard) as y (id bigint, consent text) order by id loop
        -- The thread before its message, as everywhere.
        select h.* into t from omnicrm.threads h join omnicrm.messages m on m.thread_id = h.id where m.id = x.id for update of h;
        update omnicrm.messages set heard = true where id = x.id and not heard;
        continue when not found;
        n := n + 1;
        continue when x.consent is null;
        perform omnicrm.note_consent(t, x.consent);
        -- The customer is told nothing, so the staff is.
        update omnicrm.threads set attention_since = now(),
            attention = case x.consent when 'out' then 'pidió no recibir más mensajes' else 'pidió volver a recibir mensajes' end
        where id = t.id;
    end loop;
    return jsonb_build_object('heard', n);
end
$$;
