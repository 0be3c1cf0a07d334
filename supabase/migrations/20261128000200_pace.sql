-- Audio and video leave at a pace of their own, where a platform allows an account fewer of them a second (p_media_rate).

create or replace function omnicrm.pace(p_message jsonb, p_rate float8, p_media_rate float8) returns interval
language plpgsql immutable set search_path = '' as $$
begin
    return make_interval(secs => 1 / case
        when p_message #>> '{media,kind}' in ('audio', 'video') then coalesce(p_media_rate, p_rate) else p_rate end);
end
$$;

drop function if exists public.omnicrm_next_send(bigint, bigint, float8, float8, jsonb, integer, float8, float8, float8);
-- Settle the last send, if any, and give the next one of this thread, marked as sending; or release the thread. One whose
-- place in the account's pace is yet to come stays queued and keeps that place: the caller waits for it, at most p_patience
-- seconds, and asks again.
-- Returns {"send": {"id", "message", "attempts"}} | {"wait": seconds} | {"released": true, "due_seconds": number or null} | {"lost": true}.
create or replace function public.omnicrm_next_send(
    p_thread bigint, p_token bigint, p_lease_seconds float8, p_rate float8, p_settled jsonb default null,
    -- About half an hour of the sender's growing delays; the reply's age ends it earlier where it must.
    p_max_attempts integer default 20, p_pause_seconds float8 default 60, p_takeover_seconds float8 default 43200,
    p_patience float8 default 1, p_media_rate float8 default null
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
        elsif t.opted_out and (m.author = 'system' or m.author = 'bot' and m.answers < t.consent_message) then
            -- The answer to "baja" itself still leaves, and what a person writes.
            update omnicrm.messages set status = 'withdrawn', reason = 'opted_out' where id = m.id;
        elsif m.author = 'bot' and exists (
                select from omnicrm.messages x where x.id = m.answers and x.turn = m.answers and x.reason = 'unsent')
            and not exists (
                select from omnicrm.messages x where x.thread_id = t.id and x.turn = m.answers and x.reason is distinct from 'unsent')
        then
            -- All that it answers was taken back while it was on its way out, and it did not get through.
            update omnicrm.messages set status = 'withdrawn', reason = 'unsent' where id = m.id;
        elsif m.expires_at < now() then
            update omnicrm.messages set status = 'failed', reason = 'expired' where id = m.id;
            perform omnicrm.note_attention(t.id, 'una respuesta caducó sin salir');
            perform omnicrm.raise_notice('send_failed', t.id, '{"reason": "expired"}');
        elsif t.window_until < now() then
            update omnicrm.messages set status = 'failed', reason = 'window' where id = m.id;
            perform omnicrm.note_attention(t.id, 'no se pudo enviar: window');
            perform omnicrm.raise_notice('send_failed', t.id, '{"reason": "window"}');
        else
            insert into omnicrm.accounts (channel, account) values (t.channel, t.account) on conflict do nothing;
            select * into a from omnicrm.accounts where channel = t.channel and account = t.account for update;
            if a.paused_until > now() then
                exit;
            end if;
            if m.slot_at is null then
                slot := greatest(a.next_send_at, now());
                update omnicrm.accounts set next_send_at = slot + omnicrm.pace(m.content, p_rate, p_media_rate), paused_until = null, paused_reason = null
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

drop function if exists public.omnicrm_answer(bigint, bigint, jsonb, float8, float8, float8);
-- Commit a turn and begin its first send. Takes what omnicrm_commit_turn takes and returns what omnicrm_next_send returns.
create or replace function public.omnicrm_answer(
    p_thread bigint, p_token bigint, p_turn jsonb, p_reply_max_age float8, p_lease_seconds float8, p_rate float8,
    p_media_rate float8 default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    leaving bigint;
    due timestamptz;
begin
    perform omnicrm.prepare_consent(p_thread, p_turn -> 'effects');
    select * into t from omnicrm.hold(p_thread, p_token);
    if not found then
        return '{"lost": true}';
    end if;
    if omnicrm.is_taken_back(t, p_turn) then
        due := omnicrm.drop_turn(t.id);
        return jsonb_build_object('released', true, 'due_seconds', extract(epoch from due - clock_timestamp()));
    end if;
    -- Whatever is not plain is left to omnicrm_next_send: a person, an older answer, a closed window, an account that waits.
    leaving := (omnicrm.keep_turn(t, p_turn, p_reply_max_age,
        not omnicrm.is_human(t) and (t.window_until is null or t.window_until >= now())
            and not exists (select from omnicrm.messages where thread_id = t.id and direction = 'out' and status = 'queued'),
        clock_timestamp() + make_interval(secs => p_lease_seconds))).leaving;
    if leaving is not null then
        -- Last of all: whoever else answers in this account waits from here until the commit.
        update omnicrm.accounts set next_send_at = now() + omnicrm.pace(p_turn #> '{replies,0,message}', p_rate, p_media_rate)
        where channel = t.channel and account = t.account and next_send_at <= now() and paused_until is null;
        if found then
            return jsonb_build_object('send', jsonb_build_object('id', leaving, 'message', p_turn #> '{replies,0,message}', 'attempts', 1));
        end if;
        update omnicrm.messages set status = 'queued', attempts = 0 where id = leaving;
    end if;
    return public.omnicrm_next_send(p_thread, p_token, p_lease_seconds, p_rate, p_media_rate => p_media_rate);
end
$$;
