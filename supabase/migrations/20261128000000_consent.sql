-- "Baja" holds for good, "alta" ends it: wherever the sender writes from in that channel, and also in messages that no turn
-- answers, because a person or another app holds the conversation, or they came too late or too many. The bot reads those for this alone.

do $$
begin
    -- Both at once, as a turn takes them: a bot that works meanwhile waits, and neither waits for the other. Where each statement
    -- is a transaction of its own, this block is one.
    lock table omnicrm.threads, omnicrm.messages in access exclusive mode;
    -- An older message was dealt with: only what waits now or comes later is read.
    alter table omnicrm.messages add column if not exists heard boolean not null default true;
    alter table omnicrm.messages alter column heard set default false;
    update omnicrm.messages set heard = false where status = 'received' and heard;
    create index if not exists messages_unheard_idx on omnicrm.messages (id)
        where status = 'ignored' and reason in ('human', 'standby', 'stale', 'limit') and not heard;
    drop trigger if exists omnicrm_mind_unread on omnicrm.messages;
    drop function if exists omnicrm.mind_unread();
    -- The newest message whose "baja" or "alta" counted: whatever is read later of older ones does not.
    alter table omnicrm.threads add column if not exists consent_message bigint;
    -- When that happened by which it was last decided who holds the conversation: what is told later of before changes nothing.
    alter table omnicrm.threads add column if not exists owner_at timestamptz;
end
$$;

-- Why somebody should look at a conversation. One reason never takes another's place, and who is done with one takes back that one.
create or replace function omnicrm.add_reason(p_attention text, p_reason text) returns text
language plpgsql immutable set search_path = '' as $$
begin
    return case when position('; ' || p_reason || '; ' in '; ' || p_attention || '; ') > 0 then p_attention
        else nullif(concat_ws('; ', p_attention, p_reason), '') end;
end
$$;

create or replace function omnicrm.note_attention(p_thread bigint, p_reason text) returns void
language plpgsql set search_path = '' as $$
begin
    update omnicrm.threads
    set attention = omnicrm.add_reason(attention, p_reason), attention_since = coalesce(attention_since, now())
    where id = p_thread;
end
$$;

create or replace function omnicrm.drop_attention(p_thread bigint, p_reason text) returns void
language plpgsql set search_path = '' as $$
begin
    update omnicrm.threads
    set attention = nullif(array_to_string(array_remove(string_to_array(attention, '; '), p_reason), '; '), ''),
        attention_since = case when string_to_array(attention, '; ') <@ array[p_reason] then null else attention_since end
    where id = p_thread and p_reason = any (string_to_array(attention, '; '));
end
$$;

-- When it was decided who holds a conversation: by an event of that moment, or (null) by ourselves, just now. The platforms' clocks
-- are not ours: their event of a moment ago may be younger than what we do.
create or replace function omnicrm.decided_at(p_before timestamptz, p_event timestamptz) returns timestamptz
language plpgsql volatile set search_path = '' as $$
begin
    return greatest(p_before, case when p_event is null then clock_timestamp() - interval '5 seconds' else least(p_event, clock_timestamp()) end);
end
$$;

create or replace function omnicrm.lock_consent(p_channel text, p_sender text) returns void
language plpgsql set search_path = '' as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('consent:' || p_channel || ':' || p_sender, 0));
end
$$;

-- Before its own thread is locked: two of a sender's conversations that say so at once would wait for each other.
create or replace function omnicrm.prepare_consent(p_thread bigint, p_effects jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    if p_effects @> '[{"effect": "opt_out"}]' or p_effects @> '[{"effect": "opt_in"}]' then
        perform omnicrm.lock_consent(x.channel, x.sender) from omnicrm.threads x where x.id = p_thread;
    end if;
end
$$;

-- Who proved to be the sender speaks for all of the sender's conversations in that channel. Who did not (a mail that nobody
-- vouches for, each thread of which is a conversation of its own) speaks for the unproven ones of that address: they silence
-- nobody who proves who they are. What waits to be sent there is not sent any more (omnicrm_next_send).
drop function if exists omnicrm.note_consent(omnicrm.threads, text);
create or replace function omnicrm.note_consent(t omnicrm.threads, p_state text, p_message bigint) returns void
language plpgsql set search_path = '' as $$
declare
    told omnicrm.threads;
begin
    -- A conversation that begins in this moment is told of it by one of the two.
    perform omnicrm.lock_consent(t.channel, t.sender);
    for told in
        update omnicrm.threads x set opted_out = (p_state = 'out'), consent_message = p_message
        where x.channel = t.channel and x.sender = t.sender and (t.user_id = t.sender or x.user_id <> x.sender)
            and coalesce(x.consent_message, 0) < p_message
        returning *
    loop
        update omnicrm.people set consent = consent || jsonb_build_object(t.channel, jsonb_build_object('state', p_state, 'at', now()))
        -- A client who is joined with an unproven sender is not that sender: what programs may send is read here.
        where client_id = told.client_id and (t.user_id = t.sender or not exists (
            select from omnicrm.threads x where x.client_id = told.client_id and x.channel = told.channel and x.user_id = x.sender));
    end loop;
end
$$;

-- Effects that the dialogue asks for, applied with the replies or not at all.
create or replace function omnicrm.apply_effect(t omnicrm.threads, p_message bigint, p_sequence integer, effect jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    case effect ->> 'effect'
        when 'handover' then
            update omnicrm.threads x
            -- A person was asked for: the bot waits for one without a time limit shorter than a takeover's.
            set owner = 'human', owner_since = now(), owner_until = now() + make_interval(secs => (effect ->> 'seconds')::float8),
                owner_reason = effect ->> 'reason', owner_event = null, person = null, owner_at = omnicrm.decided_at(owner_at, null)
            where x.id = t.id and not omnicrm.is_human(x);
            if found then
                perform omnicrm.note_attention(t.id, coalesce(effect ->> 'reason', 'pide una persona'));
                perform omnicrm.raise_notice('handover', t.id, jsonb_build_object('reason', effect ->> 'reason'));
            end if;
        when 'attention' then
            perform omnicrm.note_attention(t.id, coalesce(effect ->> 'reason', effect ->> 'kind'));
            if effect ->> 'kind' = 'complaint' then
                perform omnicrm.raise_notice('complaint', t.id, jsonb_build_object('reason', effect ->> 'reason'));
            end if;
        when 'opt_out' then
            perform omnicrm.note_consent(t, 'out', p_message);
        when 'opt_in' then
            perform omnicrm.note_consent(t, 'in', p_message);
        when 'order' then
            insert into omnicrm.orders (thread_id, message_id, sequence, product, quantity)
            values (t.id, p_message, p_sequence, effect ->> 'product', (effect ->> 'quantity')::numeric)
            on conflict do nothing;
            if found then
                perform omnicrm.note_attention(t.id, 'hizo un pedido');
                perform omnicrm.raise_notice('hot_lead', t.id, jsonb_build_object('product', effect ->> 'product', 'quantity', effect -> 'quantity'));
            end if;
        when 'contact' then
            perform omnicrm.keep_statements(t, p_message, effect);
        else
            raise exception 'unknown effect %', effect ->> 'effect' using errcode = '22023';
    end case;
end
$$;

-- What was said before this, of one conversation each, holds for the sender's others, too.
update omnicrm.threads x set opted_out = true
where not x.opted_out and x.consent_message is null and exists (
    select from omnicrm.threads t
    where t.channel = x.channel and t.sender = x.sender and t.opted_out and t.consent_message is null
        and (t.user_id = t.sender or x.user_id <> x.sender));

-- A new conversation begins as the sender's others stand: by what was said unproven if it is unproven itself, else by what was
-- proven.
create or replace function omnicrm.inherit_consent() returns trigger
language plpgsql set search_path = '' as $$
begin
    perform omnicrm.lock_consent(new.channel, new.sender);
    select x.opted_out, x.consent_message into new.opted_out, new.consent_message from omnicrm.threads x
    where x.channel = new.channel and x.sender = new.sender and (new.user_id <> new.sender or x.user_id = x.sender)
    order by x.user_id = x.sender, x.consent_message desc nulls last, x.opted_out desc limit 1;
    new.opted_out := coalesce(new.opted_out, false);
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
        where status = 'ignored' and reason in ('human', 'standby', 'stale', 'limit') and not heard order by id limit p_limit
    ) m
$$;

-- What was read in one of them: "out", "in" or null. It counts once, whoever else read it. Returns {"heard": bool}.
create or replace function public.omnicrm_hear(p_message bigint, p_consent text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    v_wish text := case p_consent when 'out' then 'pidió no recibir más mensajes' else 'pidió volver a recibir mensajes' end;
begin
    if p_consent is not null then
        perform omnicrm.lock_consent(h.channel, h.sender)
        from omnicrm.threads h join omnicrm.messages m on m.thread_id = h.id where m.id = p_message;
    end if;
    -- The thread before its message, as everywhere.
    select h.* into t from omnicrm.threads h join omnicrm.messages m on m.thread_id = h.id where m.id = p_message for update of h;
    update omnicrm.messages set heard = true where id = p_message and not heard;
    if not found then
        return '{"heard": false}';
    end if;
    if p_consent is not null then
        perform omnicrm.note_consent(t, p_consent, p_message);
        -- The customer is told nothing, so the staff is.
        if exists (select from omnicrm.threads where id = t.id and consent_message = p_message) then
            -- The newest wish is the last one there.
            perform omnicrm.drop_attention(t.id, v_wish);
            perform omnicrm.note_attention(t.id, v_wish);
        end if;
    end if;
    return '{"heard": true}';
end
$$;
