-- A turn's commit and the beginning of its first send are one transaction: a round trip and a flush to disk less before every
-- answer. What it may leave behind is what the two left: replies that wait, or one that is marked as being sent.

-- Takes what omnicrm_commit_turn takes and returns what omnicrm_next_send returns.
create or replace function public.omnicrm_answer(
    p_thread bigint, p_token bigint, p_turn jsonb, p_reply_max_age float8, p_lease_seconds float8, p_rate float8
) returns jsonb
language plpgsql set search_path = '' as $$
begin
    if not (public.omnicrm_commit_turn(p_thread, p_token, p_turn, p_reply_max_age) ->> 'committed')::boolean then
        return '{"lost": true}';
    end if;
    return public.omnicrm_next_send(p_thread, p_token, p_lease_seconds, p_rate);
end
$$;
