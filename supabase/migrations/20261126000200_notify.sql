-- Told to others: notices to the staff, and signed webhooks to the shop's own programs. Both are rows that workers of any
-- number claim with a lease, like the replies to customers.

-- --- notices --------------------------------------------------------------------------------------------------------------

alter table omnicrm.notices
    -- When it was decided who is told; null for what nobody has looked at yet.
    add column if not exists planned_at timestamptz;
create index if not exists notices_new_idx on omnicrm.notices (id) where planned_at is null;
create index if not exists notices_created_idx on omnicrm.notices (created_at);

-- One message to one target (`email:…`, `whatsapp:…`, `webhook`); what it says stands in its items.
-- waiting -> sending -> sent | failed | unknown. Unknown: it may have left, and is never repeated; a webhook is, with its uid.
create table if not exists omnicrm.notice_messages (
    id bigint generated always as identity primary key,
    uid text not null unique default 'ntc_' || replace(gen_random_uuid()::text, '-', ''),
    target text not null,
    status text not null default 'waiting' check (status in ('waiting', 'sending', 'sent', 'failed', 'unknown')),
    -- Sent in quiet hours, too.
    urgent boolean not null,
    -- Quiet hours held it: one message tells all that they held.
    held boolean not null default false,
    due_at timestamptz not null,
    attempts integer not null default 0,
    lease_token bigint not null default 0,
    lease_until timestamptz,
    error text,
    created_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz
) with (fillfactor = 80);
create index if not exists notice_messages_due_idx on omnicrm.notice_messages (due_at) where status in ('waiting', 'sending');
create index if not exists notice_messages_settled_idx on omnicrm.notice_messages (settled_at);

create table if not exists omnicrm.notice_items (
    message_id bigint not null references omnicrm.notice_messages (id) on delete cascade,
    target text not null,
    key text not null,
    notice_id bigint not null references omnicrm.notices (id) on delete cascade,
    -- How many notices of this key it stands for, the first one among them.
    count integer not null default 1,
    primary key (message_id, key)
);
create index if not exists notice_items_key_idx on omnicrm.notice_items (target, key, message_id);
create index if not exists notice_items_notice_idx on omnicrm.notice_items (notice_id);

-- What is told once within the window: a kind of one conversation, or of one account for one reason.
create or replace function omnicrm.notice_key(n omnicrm.notices) returns text
language sql immutable set search_path = '' as $$
    select case when n.thread_id is not null then n.kind || ':' || n.thread_id
        else concat_ws(':', n.kind, n.channel, n.account, md5(coalesce(n.detail ->> 'text', n.detail ->> 'reason', ''))) end
$$;

-- Put one notice into a message to one target: into the one that waits to say the same, else into a new one.
create or replace function omnicrm.plan_notice(n omnicrm.notices, p_target text, p_window float8, p_urgent boolean) returns void
language plpgsql set search_path = '' as $$
declare
    v_key text := omnicrm.notice_key(n);
    v_message bigint;
    v_told timestamptz;
begin
    -- What was tried before may have arrived, and keeps its words.
    select m.id into v_message from omnicrm.notice_items i join omnicrm.notice_messages m on m.id = i.message_id
    where i.target = p_target and i.key = v_key and m.status = 'waiting' and m.attempts = 0
    order by m.id desc limit 1 for update of m;
    if found then
        update omnicrm.notice_items set count = count + 1 where message_id = v_message and key = v_key;
        return;
    end if;
    select case when m.status in ('waiting', 'sending') then clock_timestamp() else m.settled_at end into v_told
    from omnicrm.notice_items i join omnicrm.notice_messages m on m.id = i.message_id
    where i.target = p_target and i.key = v_key and m.status <> 'failed'
    order by m.id desc limit 1;
    insert into omnicrm.notice_messages (target, urgent, due_at)
    -- An account that stays broken says so at every try of its queue: that is told a few times a day.
    values (p_target, p_urgent, greatest(clock_timestamp(),
        v_told + make_interval(secs => case when n.thread_id is null and p_window > 0 then greatest(p_window, 21600) else p_window end)))
    returning id into v_message;
    insert into omnicrm.notice_items (message_id, target, key, notice_id) values (v_message, p_target, v_key, n.id);
end
$$;

-- What a message says, in the order in which it came.
create or replace function omnicrm.told_items(p_message bigint) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'kind', n.kind, 'count', i.count, 'channel', n.channel, 'account', n.account, 'detail', n.detail, 'at', n.created_at,
        'conversation', t.conversation_id::text, 'client', t.client_id::text, 'user', t.user_id, 'name', nullif(c.name, ''),
        'username', c.instagram_username) order by n.id), '[]')
    from omnicrm.notice_items i join omnicrm.notices n on n.id = i.notice_id
        left join omnicrm.threads t on t.id = n.thread_id left join public.clients c on c.id = t.client_id
    where i.message_id = p_message
$$;

-- Decide who is told of what is new, and give a worker up to p_limit messages that are due.
-- p_plan: {"targets": {kind: [target]}, "window_seconds": number, "quiet_until": time or null, "always": [kind]}.
-- Returns {"work": [{id, token, uid, target, attempts, held, items}], "next_due_seconds": number or null}.
create or replace function public.omnicrm_claim_notices(p_plan jsonb, p_limit integer, p_lease_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    n omnicrm.notices;
    m omnicrm.notice_messages;
    v_target text;
    v_quiet timestamptz := (p_plan ->> 'quiet_until')::timestamptz;
    v_more bigint[];
    v_items jsonb;
    work jsonb := '[]';
begin
    -- One planner at a time: two would open two messages for the same.
    if exists (select from omnicrm.notices where planned_at is null)
        and pg_try_advisory_xact_lock(hashtextextended('omnicrm.notices', 0))
    then
        for n in select * from omnicrm.notices where planned_at is null order by id limit 200 loop
            for v_target in select jsonb_array_elements_text(p_plan -> 'targets' -> n.kind) loop
                perform omnicrm.plan_notice(n, v_target, (p_plan ->> 'window_seconds')::float8, p_plan -> 'always' ? n.kind);
            end loop;
            update omnicrm.notices set planned_at = clock_timestamp() where id = n.id;
        end loop;
    end if;

    update omnicrm.notice_messages
    set status = case when target = 'webhook' then 'waiting' else 'unknown' end, due_at = clock_timestamp(),
        settled_at = case when target <> 'webhook' then clock_timestamp() end, error = 'el proceso murió al enviar'
    where status = 'sending' and lease_until < clock_timestamp();
    update omnicrm.notice_messages set due_at = v_quiet, held = true
    where status = 'waiting' and not urgent and due_at <= clock_timestamp() and v_quiet > clock_timestamp();

    for m in
        select * from omnicrm.notice_messages where status = 'waiting' and due_at <= clock_timestamp()
        order by due_at, id limit p_limit for update skip locked
    loop
        continue when not exists (select from omnicrm.notice_messages x where x.id = m.id);
        if m.held and m.attempts = 0 then
            v_more := array(
                select x.id from omnicrm.notice_messages x
                where x.status = 'waiting' and x.held and x.attempts = 0 and x.target = m.target and x.id <> m.id
                order by x.id limit 500 for update skip locked);
            insert into omnicrm.notice_items (message_id, target, key, notice_id, count)
            select m.id, m.target, i.key, min(i.notice_id), sum(i.count) from omnicrm.notice_items i
            where i.message_id = any (v_more) group by i.key
            on conflict (message_id, key) do update set count = notice_items.count + excluded.count;
            delete from omnicrm.notice_messages where id = any (v_more);
        end if;
        v_items := omnicrm.told_items(m.id);
        if v_items = '[]' then
            update omnicrm.notice_messages set status = 'failed', settled_at = clock_timestamp(), error = 'lo que decía ya no existe' where id = m.id;
            continue;
        end if;
        update omnicrm.notice_messages
        set status = 'sending', attempts = attempts + 1, lease_token = lease_token + 1,
            lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
        where id = m.id returning * into m;
        work := work || jsonb_build_array(jsonb_build_object('id', m.id, 'token', m.lease_token, 'uid', m.uid, 'target', m.target,
            'attempts', m.attempts, 'held', m.held, 'items', v_items));
    end loop;
    return jsonb_build_object('work', work, 'next_due_seconds', (
        select extract(epoch from min(case when status = 'sending' then lease_until else due_at end) - clock_timestamp())
        from omnicrm.notice_messages where status in ('waiting', 'sending')));
end
$$;

-- What became of a message: sent | retry | unknown | failed. A worker that lost its lease can still tell that it was sent.
create or replace function public.omnicrm_settle_notice(
    p_message bigint, p_token bigint, p_outcome text, p_error text default null, p_retry_seconds float8 default 0,
    p_most_tries integer default 20
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    m omnicrm.notice_messages;
    v_outcome text := p_outcome;
begin
    select * into m from omnicrm.notice_messages where id = p_message and lease_token = p_token for update;
    if m.id is null or not (m.status = 'sending' or p_outcome = 'sent' and m.status in ('unknown', 'waiting')) then
        return jsonb_build_object('settled', false);
    end if;
    if v_outcome = 'retry' and m.attempts >= p_most_tries then
        v_outcome := 'failed';
    end if;
    update omnicrm.notice_messages set
        status = case v_outcome when 'retry' then 'waiting' else v_outcome end, lease_until = null,
        error = case when v_outcome <> 'sent' then left(p_error, 300) end,
        due_at = case when v_outcome = 'retry' then clock_timestamp() + make_interval(secs => p_retry_seconds) else due_at end,
        settled_at = case when v_outcome <> 'retry' then clock_timestamp() end
    where id = m.id;
    return jsonb_build_object('settled', true, 'status', case v_outcome when 'retry' then 'waiting' else v_outcome end);
end
$$;

-- Take note of what a look at an account found, unless it is known. p_findings: [{"kind": "token" | "channel_down", "text"}].
create or replace function public.omnicrm_report_account(p_channel text, p_account text, p_findings jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    f jsonb;
    v_raised integer := 0;
    -- Less than a day: the next day's look is never exactly a day later.
    since constant timestamptz := clock_timestamp() - interval '20 hours';
begin
    perform pg_advisory_xact_lock(hashtextextended('omnicrm.report', 0));
    for f in select x from jsonb_array_elements(p_findings) x loop
        -- Two channels may share a token: its text is told once.
        continue when exists (
            select from omnicrm.notices n
            where n.created_at > since and n.kind = f ->> 'kind' and coalesce(n.detail ->> 'text', n.detail ->> 'reason') = f ->> 'text');
        -- What stops an account is mostly known before, by the account's own word or by a send that failed.
        continue when f ->> 'kind' = 'channel_down' and (
            exists (select from omnicrm.accounts a where a.channel = p_channel and a.account = p_account and a.paused_until > now())
            or exists (select from omnicrm.notices n where n.created_at > since and n.kind = 'channel_down' and n.channel = p_channel and n.account = p_account));
        perform omnicrm.raise_notice(f ->> 'kind', null,
            jsonb_build_object(case f ->> 'kind' when 'token' then 'text' else 'reason' end, f -> 'text'), p_channel, p_account);
        v_raised := v_raised + 1;
    end loop;
    return jsonb_build_object('raised', v_raised);
end
$$;

-- An account that stood still until a person mended it can send again.
create or replace function omnicrm.account_mended() returns trigger
language plpgsql set search_path = '' as $$
begin
    perform omnicrm.raise_notice('channel_up', null, '{}', new.channel, new.account);
    return null;
end
$$;
drop trigger if exists omnicrm_account_mended on omnicrm.accounts;
create trigger omnicrm_account_mended after update of paused_until on omnicrm.accounts for each row
    when (new.paused_until is null and old.paused_until > '9000-01-01') execute function omnicrm.account_mended();

-- --- webhooks -------------------------------------------------------------------------------------------------------------

create table if not exists omnicrm.subscriptions (
    id bigint generated always as identity primary key,
    url text not null,
    -- Types (`message.received`) or families (`message`); none: all.
    events text[] not null default '{}',
    secret text not null,
    -- Signs beside the new one until then.
    old_secret text,
    old_secret_until timestamptz,
    enabled boolean not null default true,
    disabled_reason text,
    failures integer not null default 0,
    failing_since timestamptz,
    -- A receiver that fails again and again is left in peace for a while.
    rest_until timestamptz,
    created_at timestamptz not null default clock_timestamp()
);

-- One event for one subscription. waiting -> sending -> delivered | failed.
create table if not exists omnicrm.feed (
    id bigint generated always as identity primary key,
    subscription_id bigint not null references omnicrm.subscriptions (id) on delete cascade,
    uid text not null,
    type text not null,
    -- What it is about: events of one key are delivered in their order.
    key text not null,
    data jsonb not null,
    status text not null default 'waiting' check (status in ('waiting', 'sending', 'delivered', 'failed')),
    due_at timestamptz not null default now(),
    attempts integer not null default 0,
    lease_token bigint not null default 0,
    lease_until timestamptz,
    http_status integer,
    error text,
    created_at timestamptz not null default now(),
    settled_at timestamptz
) with (fillfactor = 80);
create index if not exists feed_subscription_idx on omnicrm.feed (subscription_id, id);
create index if not exists feed_due_idx on omnicrm.feed (subscription_id, due_at, id) where status in ('waiting', 'sending');
create index if not exists feed_order_idx on omnicrm.feed (key, subscription_id, id) where status in ('waiting', 'sending');
create index if not exists feed_settled_idx on omnicrm.feed (settled_at) where settled_at is not null;

create or replace function omnicrm.is_followed() returns boolean
language sql stable set search_path = '' as $$
    select exists (select from omnicrm.subscriptions where enabled)
$$;

-- Write an event for everybody who wants it, in the transaction of what it tells.
create or replace function omnicrm.emit(p_type text, p_key text, p_data jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    insert into omnicrm.feed (subscription_id, uid, type, key, data)
    select s.id, e.uid, p_type, p_key, p_data
    from (select 'evt_' || replace(gen_random_uuid()::text, '-', '') as uid) e, omnicrm.subscriptions s
    where s.enabled and (s.events = '{}' or p_type = any (s.events) or split_part(p_type, '.', 1) = any (s.events));
    if found then
        perform pg_notify('omnicrm_notice', '');
    end if;
end
$$;

create or replace function omnicrm.about_thread(t omnicrm.threads) returns jsonb
language sql immutable set search_path = '' as $$
    select jsonb_build_object('conversation', t.conversation_id::text, 'client', t.client_id::text, 'channel', t.channel)
$$;

create or replace function omnicrm.message_told() returns trigger
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    m omnicrm.messages;
    v_type text;
begin
    if not omnicrm.is_followed() then
        return null;
    end if;
    if tg_op = 'DELETE' then
        m := old; v_type := 'message.removed';
    else
        m := new;
        v_type := case
            when tg_op = 'INSERT' then case m.direction when 'in' then 'message.received' else 'message.written' end
            when m.direction = 'in' then 'message.changed' else 'message.status' end;
    end if;
    select * into t from omnicrm.threads where id = m.thread_id;
    -- Gone with its conversation.
    if t.id is null then
        return null;
    end if;
    perform omnicrm.emit(v_type, 'conversation:' || t.conversation_id, omnicrm.about_thread(t) || jsonb_build_object('message', case v_type
        when 'message.removed' then jsonb_build_object('id', m.id)
        when 'message.status' then jsonb_strip_nulls(jsonb_build_object('id', m.id, 'status', m.status, 'reason', m.reason, 'error', m.error))
        else jsonb_strip_nulls(jsonb_build_object(
            'id', m.id, 'direction', m.direction, 'author', m.author, 'person', m.person, 'kind', m.kind, 'status', m.status, 'reason', m.reason,
            'text', left(m.text, 4000), 'at', m.occurred_at,
            'attachments', (select jsonb_agg(jsonb_build_object('kind', a -> 'kind', 'url', a -> 'url')) from jsonb_array_elements(
                case jsonb_typeof(m.content -> 'attachments') when 'array' then m.content -> 'attachments' else '[]' end) a))) end));
    return null;
end
$$;
drop trigger if exists omnicrm_announce_new on omnicrm.messages;
create trigger omnicrm_announce_new after insert or delete on omnicrm.messages for each row execute function omnicrm.message_told();
drop trigger if exists omnicrm_announce_change on omnicrm.messages;
create trigger omnicrm_announce_change after update of status, text, reason on omnicrm.messages for each row
    when (new.direction = 'out' and new.status is distinct from old.status and new.status <> 'sending'
            and not (old.status = 'sending' and new.status = 'queued')
        or new.direction = 'in' and (new.text is distinct from old.text or new.reason = 'unsent' and old.reason is distinct from 'unsent'))
    execute function omnicrm.message_told();

create or replace function omnicrm.thread_told() returns trigger
language plpgsql set search_path = '' as $$
declare
    was text;
    is_now text;
    v_first text;
    v_key text := 'conversation:' || new.conversation_id;
begin
    if not omnicrm.is_followed() then
        return null;
    end if;
    was := omnicrm.state_of(old);
    is_now := omnicrm.state_of(new);
    if was = is_now and old.person is not distinct from new.person then
        return null;
    end if;
    if is_now = 'closed' then
        -- Whoever held it lets go in the same transaction: that is one change, not two.
        select f.data ->> 'before' into v_first from omnicrm.feed f
        where f.key = v_key and f.type = 'conversation.state' and f.created_at = now() and f.status = 'waiting' order by f.id limit 1;
        delete from omnicrm.feed f where f.key = v_key and f.type = 'conversation.state' and f.created_at = now() and f.status = 'waiting';
    end if;
    perform omnicrm.emit(
        case when is_now = 'closed' then 'conversation.closed' when was = 'closed' then 'conversation.reopened' else 'conversation.state' end,
        v_key, omnicrm.about_thread(new) || jsonb_strip_nulls(jsonb_build_object(
            'state', is_now, 'before', coalesce(v_first, was), 'person', new.person,
            'reason', case when is_now = 'closed' then new.closed_reason else new.owner_reason end,
            'until', case when is_now in ('waiting', 'with_person') then new.owner_until end)));
    return null;
end
$$;
drop trigger if exists omnicrm_announce on omnicrm.threads;
create trigger omnicrm_announce after update of owner, owner_until, person, closed_at on omnicrm.threads for each row
    when ((old.owner, old.owner_until, old.person, old.closed_at) is distinct from (new.owner, new.owner_until, new.person, new.closed_at))
    execute function omnicrm.thread_told();

-- The columns of a client that are told; the shop's own others are not ours to publish.
create or replace function omnicrm.client_shown(p_client jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_object_agg(c.key, c.value), '{}') from jsonb_each(p_client) c
    where c.key in ('name', 'phone', 'email', 'instagram_id', 'instagram_username', 'facebook_id', 'messenger_id', 'tiktok_id', 'vambe_contact_id')
$$;

-- With the rights of the schema's owner: whoever may write public.clients may not see our tables.
create or replace function omnicrm.client_told() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    shown jsonb;
    was jsonb;
    changed jsonb;
begin
    if not omnicrm.is_followed() then
        return null;
    end if;
    shown := omnicrm.client_shown(to_jsonb(new));
    if tg_op = 'INSERT' then
        perform omnicrm.emit('client.created', 'client:' || new.id, jsonb_build_object('client', new.id::text, 'fields', jsonb_strip_nulls(shown)));
        return null;
    end if;
    was := omnicrm.client_shown(to_jsonb(old));
    select jsonb_object_agg(s.key, s.value) into changed from jsonb_each(shown) s where s.value is distinct from was -> s.key;
    if changed is null then
        return null;
    end if;
    -- What one transaction does to a client is one event, even where it takes several statements.
    update omnicrm.feed f set data = jsonb_set(f.data, '{fields}', f.data -> 'fields' || changed)
    where f.key = 'client:' || new.id and f.type in ('client.created', 'client.updated') and f.created_at = now() and f.status = 'waiting';
    if not found then
        perform omnicrm.emit('client.updated', 'client:' || new.id, jsonb_build_object('client', new.id::text, 'fields', changed));
    end if;
    return null;
end
$$;
-- By its name before the triggers that fill more columns in: made comes before changed.
drop trigger if exists omnicrm_announce on public.clients;
create trigger omnicrm_announce after insert or update on public.clients for each row execute function omnicrm.client_told();

create or replace function omnicrm.person_told() returns trigger
language plpgsql set search_path = '' as $$
begin
    if not omnicrm.is_followed() then
        return null;
    end if;
    if tg_table_name = 'people' then
        perform omnicrm.emit('client.tags', 'client:' || new.client_id, jsonb_build_object('client', new.client_id::text, 'tags', to_jsonb(new.tags),
            'before', to_jsonb(old.tags)));
    elsif tg_table_name = 'stage_changes' then
        perform omnicrm.emit('client.stage', 'client:' || new.client_id, jsonb_strip_nulls(jsonb_build_object('client', new.client_id::text,
            'stage', new.stage, 'before', new.before, 'reason', new.reason, 'by', new."by")));
    elsif tg_op = 'INSERT' then
        perform omnicrm.emit('client.merged', 'client:' || new.kept, jsonb_build_object('client', new.kept::text, 'gone', new.gone::text,
            'merge', new.id, 'reason', new.reason, 'by', new.actor));
    else
        perform omnicrm.emit('client.unmerged', 'client:' || new.kept, jsonb_build_object('client', new.kept::text, 'back', new.gone::text,
            'merge', new.id, 'by', new.undone_by));
    end if;
    return null;
end
$$;
drop trigger if exists omnicrm_announce on omnicrm.people;
create trigger omnicrm_announce after update of tags on omnicrm.people for each row
    when (old.tags is distinct from new.tags) execute function omnicrm.person_told();
drop trigger if exists omnicrm_announce on omnicrm.stage_changes;
create trigger omnicrm_announce after insert on omnicrm.stage_changes for each row execute function omnicrm.person_told();
drop trigger if exists omnicrm_announce on omnicrm.merges;
create trigger omnicrm_announce after insert on omnicrm.merges for each row execute function omnicrm.person_told();
drop trigger if exists omnicrm_announce_undone on omnicrm.merges;
create trigger omnicrm_announce_undone after update of undone_at on omnicrm.merges for each row
    when (old.undone_at is null and new.undone_at is not null) execute function omnicrm.person_told();

-- Give a worker up to p_limit events that are due, at most p_each under way per receiver. Events of one key go one after the
-- other; one that failed p_in_order times no longer holds up those behind it.
-- Returns {"work": [{id, token, uid, type, data, at, attempts, url, secrets}], "next_due_seconds": number or null}.
create or replace function public.omnicrm_claim_events(
    p_limit integer, p_lease_seconds float8, p_each integer default 10, p_in_order integer default 3
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    s omnicrm.subscriptions;
    f omnicrm.feed;
    v_room integer;
    work jsonb := '[]';
begin
    for s in
        select * from omnicrm.subscriptions
        where enabled and (rest_until is null or rest_until <= clock_timestamp()) order by random()
    loop
        update omnicrm.feed set status = 'waiting', due_at = clock_timestamp(), error = 'el proceso murió al enviar'
        where subscription_id = s.id and status = 'sending' and lease_until < clock_timestamp();
        v_room := least(p_limit - jsonb_array_length(work),
            -- One try tells whether a receiver that failed is back.
            case when s.failures >= p_in_order then 1 else p_each end
                - (select count(*)::integer from omnicrm.feed where subscription_id = s.id and status = 'sending'));
        continue when v_room <= 0;
        for f in
            with next as (
                select x.id from omnicrm.feed x
                where x.subscription_id = s.id and x.status = 'waiting' and x.due_at <= clock_timestamp() and not exists (
                    select from omnicrm.feed e
                    where e.subscription_id = x.subscription_id and e.key = x.key and e.id < x.id
                        and (e.status = 'sending' or e.status = 'waiting' and e.attempts < p_in_order))
                order by x.due_at, x.id limit v_room for update skip locked
            )
            update omnicrm.feed x
            set status = 'sending', attempts = x.attempts + 1, lease_token = x.lease_token + 1,
                lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
            from next where x.id = next.id
            returning x.*
        loop
            work := work || jsonb_build_array(jsonb_build_object('id', f.id, 'token', f.lease_token, 'uid', f.uid, 'type', f.type, 'data', f.data,
                'at', to_char(f.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'attempts', f.attempts, 'url', s.url,
                'secrets', jsonb_build_array(s.secret) || case when s.old_secret_until > clock_timestamp() then jsonb_build_array(s.old_secret) else '[]' end));
        end loop;
    end loop;
    return jsonb_build_object('work', work, 'next_due_seconds', (
        select extract(epoch from min(greatest(x.due_at, s2.rest_until)) - clock_timestamp())
        from omnicrm.subscriptions s2 cross join lateral (
            select case y.status when 'sending' then y.lease_until else y.due_at end as due_at
            from omnicrm.feed y where y.subscription_id = s2.id and y.status in ('waiting', 'sending') and y.due_at > clock_timestamp()
            order by y.due_at limit 1) x
        where s2.enabled));
end
$$;

create or replace function omnicrm.disable_subscription(p_subscription bigint, p_reason text) returns void
language plpgsql set search_path = '' as $$
declare
    s omnicrm.subscriptions;
begin
    update omnicrm.subscriptions set enabled = false, disabled_reason = p_reason where id = p_subscription and enabled returning * into s;
    if s.id is not null then
        perform omnicrm.raise_notice('webhook_off', null,
            jsonb_build_object('subscription', s.id, 'host', substring(s.url from '^https?://([^/?#]+)'), 'reason', p_reason));
    end if;
end
$$;

-- What became of an event: delivered | retry | failed | gone (the receiver wants no more: 410). A receiver that took nothing
-- for p_days is switched off.
create or replace function public.omnicrm_settle_event(
    p_event bigint, p_token bigint, p_outcome text, p_status integer default null, p_error text default null,
    p_retry_seconds float8 default 0, p_days float8 default 5
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    f omnicrm.feed;
    s omnicrm.subscriptions;
begin
    select * into f from omnicrm.feed where id = p_event and lease_token = p_token for update;
    if f.id is null or not (f.status = 'sending' or p_outcome = 'delivered' and f.status = 'waiting') then
        return jsonb_build_object('settled', false);
    end if;
    update omnicrm.feed set
        status = case p_outcome when 'delivered' then 'delivered' when 'retry' then 'waiting' else 'failed' end, lease_until = null,
        http_status = p_status, error = left(p_error, 300),
        due_at = case when p_outcome = 'retry' then clock_timestamp() + make_interval(secs => p_retry_seconds) else due_at end,
        settled_at = case when p_outcome <> 'retry' then clock_timestamp() end
    where id = f.id;
    if p_outcome = 'delivered' then
        update omnicrm.subscriptions set failures = 0, failing_since = null, rest_until = null
        where id = f.subscription_id and failures > 0;
        return jsonb_build_object('settled', true);
    end if;
    update omnicrm.subscriptions set failures = failures + 1, failing_since = coalesce(failing_since, clock_timestamp()),
        rest_until = case when failures >= 2 then clock_timestamp() + make_interval(secs => least(300, 5 * 2.0 ^ least(failures - 2, 10))) end
    where id = f.subscription_id returning * into s;
    if p_outcome = 'gone' then
        perform omnicrm.disable_subscription(s.id, 'respondió 410: ya no quiere eventos');
    elsif s.failing_since < clock_timestamp() - make_interval(secs => p_days * 86400) then
        perform omnicrm.disable_subscription(s.id, 'no recibió nada en ' || p_days || ' días');
    end if;
    return jsonb_build_object('settled', true);
end
$$;

-- --- who runs it ----------------------------------------------------------------------------------------------------------

create or replace function omnicrm.the_subscription(p_subscription bigint) returns omnicrm.subscriptions
language plpgsql set search_path = '' as $$
declare
    s omnicrm.subscriptions;
begin
    select * into s from omnicrm.subscriptions where id = p_subscription for update;
    if s.id is null then
        raise exception 'no webhook %', p_subscription using errcode = 'OC404';
    end if;
    return s;
end
$$;

create or replace function public.omnicrm_add_webhook(p_url text, p_events jsonb, p_secret text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
begin
    if exists (select from omnicrm.subscriptions where url = p_url) then
        raise exception 'this address has a webhook: remove it, or enable it again' using errcode = 'OC409';
    end if;
    insert into omnicrm.subscriptions (url, events, secret) values (p_url, array(select jsonb_array_elements_text(p_events)), p_secret)
    returning id into v_id;
    return jsonb_build_object('webhook', v_id);
end
$$;

-- All webhooks and how they do; without their secrets.
create or replace function public.omnicrm_webhooks() returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'webhook', s.id, 'url', s.url, 'events', to_jsonb(s.events), 'enabled', s.enabled, 'disabled_reason', s.disabled_reason,
        'failing_since', s.failing_since, 'created_at', s.created_at, 'rotating_until', case when s.old_secret_until > now() then s.old_secret_until end,
        'waiting', (select count(*) from omnicrm.feed f where f.subscription_id = s.id and f.status in ('waiting', 'sending')),
        'oldest_seconds', (select extract(epoch from now() - min(f.created_at)) from omnicrm.feed f where f.subscription_id = s.id and f.status in ('waiting', 'sending')),
        'last_error', (select f.error from omnicrm.feed f where f.subscription_id = s.id and f.status in ('waiting', 'failed') and f.error is not null order by f.id desc limit 1))
        order by s.id), '[]')
    from omnicrm.subscriptions s
$$;

-- What signing for one webhook needs: for a test that somebody asks for.
create or replace function public.omnicrm_webhook_keys(p_webhook bigint) returns jsonb
language plpgsql set search_path = '' as $$
declare
    s omnicrm.subscriptions := omnicrm.the_subscription(p_webhook);
begin
    return jsonb_build_object('url', s.url, 'secrets', jsonb_build_array(s.secret)
        || case when s.old_secret_until > clock_timestamp() then jsonb_build_array(s.old_secret) else '[]' end);
end
$$;

create or replace function public.omnicrm_remove_webhook(p_webhook bigint) returns jsonb
language plpgsql set search_path = '' as $$
declare
    s omnicrm.subscriptions := omnicrm.the_subscription(p_webhook);
begin
    delete from omnicrm.subscriptions where id = s.id;
    return jsonb_build_object('removed', true, 'url', s.url);
end
$$;

-- Sign with a new secret from now on, and with the old one beside it for p_seconds.
create or replace function public.omnicrm_rotate_webhook(p_webhook bigint, p_secret text, p_seconds float8 default 86400) returns jsonb
language plpgsql set search_path = '' as $$
declare
    s omnicrm.subscriptions := omnicrm.the_subscription(p_webhook);
begin
    update omnicrm.subscriptions
    set secret = p_secret, old_secret = s.secret, old_secret_until = clock_timestamp() + make_interval(secs => p_seconds)
    where id = s.id returning * into s;
    return jsonb_build_object('url', s.url, 'old_until', s.old_secret_until);
end
$$;

-- What waited goes out again, at once.
create or replace function public.omnicrm_enable_webhook(p_webhook bigint) returns jsonb
language plpgsql set search_path = '' as $$
declare
    s omnicrm.subscriptions := omnicrm.the_subscription(p_webhook);
    v_waiting integer;
begin
    update omnicrm.subscriptions set enabled = true, disabled_reason = null, failures = 0, failing_since = null, rest_until = null where id = s.id;
    update omnicrm.feed set due_at = clock_timestamp(), attempts = 0 where subscription_id = s.id and status = 'waiting';
    get diagnostics v_waiting = row_count;
    perform pg_notify('omnicrm_notice', '');
    return jsonb_build_object('url', s.url, 'waiting', v_waiting);
end
$$;

-- How telling goes: counts, age of the oldest that is late, last errors.
create or replace function public.omnicrm_notice_status() returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'unplanned', (select count(*) from omnicrm.notices where planned_at is null),
        'oldest_unplanned_seconds', (select extract(epoch from now() - min(created_at)) from omnicrm.notices where planned_at is null),
        'messages', (select coalesce(jsonb_object_agg(x.status, x.n), '{}') from (
            select status, count(*) as n from omnicrm.notice_messages group by 1) x),
        'oldest_late_seconds', (select extract(epoch from now() - min(created_at)) from omnicrm.notice_messages
            where status = 'waiting' and (due_at <= now() or attempts > 0)),
        'failed_day', (select count(*) from omnicrm.notice_messages where status = 'failed' and settled_at > now() - interval '1 day'),
        'unknown_day', (select count(*) from omnicrm.notice_messages where status = 'unknown' and settled_at > now() - interval '1 day'),
        'last_errors', (select coalesce(jsonb_agg(jsonb_build_object('target', x.target, 'status', x.status, 'error', x.error, 'at', x.at) order by x.at desc), '[]')
            from (select target, status, error, coalesce(settled_at, created_at) as at from omnicrm.notice_messages
                where error is not null and coalesce(settled_at, created_at) > now() - interval '1 day' order by id desc limit 5) x),
        'events', (select coalesce(jsonb_object_agg(x.status, x.n), '{}') from (select status, count(*) as n from omnicrm.feed group by 1) x),
        'webhooks', public.omnicrm_webhooks())
$$;

-- Forget what was told: notices and events that were not taken after p_days, events that were after three. At most p_most of
-- each kind, so that a call stays short; {"more": true} asks for another one.
create or replace function public.omnicrm_prune_told(p_days integer default 30, p_most integer default 5000) returns jsonb
language plpgsql set search_path = '' as $$
declare
    old constant timestamptz := now() - make_interval(days => greatest(p_days, 2));
    n integer;
    total integer := 0;
    more boolean := false;
begin
    delete from omnicrm.feed where id in (
        select f.id from omnicrm.feed f where f.settled_at < case f.status when 'delivered' then now() - interval '3 days' else old end limit p_most);
    get diagnostics n = row_count;
    total := total + n; more := more or n = p_most;
    -- Of receivers that are switched off.
    delete from omnicrm.feed where id in (
        select f.id from omnicrm.subscriptions s join omnicrm.feed f on f.subscription_id = s.id
        where not s.enabled and f.status = 'waiting' and f.created_at < old limit p_most);
    get diagnostics n = row_count;
    total := total + n; more := more or n = p_most;
    delete from omnicrm.notice_messages where id in (select m.id from omnicrm.notice_messages m where m.settled_at < old limit p_most);
    get diagnostics n = row_count;
    total := total + n; more := more or n = p_most;
    delete from omnicrm.notices where id in (
        select x.id from omnicrm.notices x where x.created_at < old and x.planned_at is not null
            and not exists (select from omnicrm.notice_items i where i.notice_id = x.id) limit p_most);
    get diagnostics n = row_count;
    total := total + n; more := more or n = p_most;
    return jsonb_build_object('deleted', total, 'more', more);
end
$$;
