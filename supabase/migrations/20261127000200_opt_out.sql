-- "baja" counts also where no turn reads it: while a person holds the conversation, and in a message that came too late. The
-- dialogue understands it in many words; here it is taken only where it is all that was said.

create or replace function omnicrm.mind_unread() returns trigger
language plpgsql set search_path = '' as $$
declare
    said text := btrim(regexp_replace(lower(new.text), '[^a-záéíóúüñ]+', ' ', 'g'));
    t omnicrm.threads;
begin
    if said in ('baja', 'stop', 'unsubscribe', 'dame de baja', 'denme de baja', 'darme de baja', 'dar de baja',
        'quiero darme de baja', 'me quiero dar de baja', 'quiero la baja', 'ya no me escriban', 'no me escriban')
    then
        update omnicrm.threads set opted_out = true where id = new.thread_id and not opted_out returning * into t;
        if found then
            perform omnicrm.note_consent(t, 'out');
        end if;
    end if;
    return null;
end
$$;
drop trigger if exists omnicrm_mind_unread on omnicrm.messages;
create trigger omnicrm_mind_unread after insert on omnicrm.messages for each row
    when (new.direction = 'in' and new.status = 'ignored' and new.reason in ('human', 'stale')) execute function omnicrm.mind_unread();
