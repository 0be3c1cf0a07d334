-- What a customer takes back is gone everywhere, as Meta asks of inboxes: also from what the dialogue remembers of it, and from
-- events that wait for the shop's programs.

-- The dialogue without these words; a turn may hold several messages, each in lines of its own.
create or replace function omnicrm.without_words(p_dialogue jsonb, p_words text) returns jsonb
language sql immutable set search_path = '' as $$
    select jsonb_set(p_dialogue, '{events}', coalesce(jsonb_agg(
        case when x.said is null or x.said = e ->> 'text' then e
            else jsonb_set(e #- '{parse_data,text}', '{text}', to_jsonb(x.said)) end order by n), '[]'))
    from jsonb_array_elements(p_dialogue -> 'events') with ordinality d (e, n)
        cross join lateral (select case when e ->> 'event' = 'user' then
            trim(e'\n' from replace(e'\n' || (e ->> 'text') || e'\n', e'\n' || rtrim(p_words, e' \t\n') || e'\n', e'\n…\n')) end as said) x
$$;

create or replace function omnicrm.forget_unsent() returns trigger
language plpgsql set search_path = '' as $$
begin
    update omnicrm.threads set dialogue = omnicrm.without_words(dialogue, old.text)
    where id = new.thread_id and jsonb_typeof(dialogue -> 'events') = 'array';
    update omnicrm.feed f set data = f.data #- '{message,text}' #- '{message,attachments}'
    from omnicrm.threads t
    where t.id = new.thread_id and f.key = 'conversation:' || t.conversation_id and (f.data #>> '{message,id}')::bigint = new.id;
    return null;
end
$$;
drop trigger if exists omnicrm_forget_unsent on omnicrm.messages;
create trigger omnicrm_forget_unsent after update of reason on omnicrm.messages for each row
    when (new.reason = 'unsent' and old.reason is distinct from 'unsent') execute function omnicrm.forget_unsent();
