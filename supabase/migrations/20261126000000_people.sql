-- People: who a customer is across channels, what joins two of them and how that is taken back, and what the shop knows of each.

alter table omnicrm.client_identities add column if not exists verified boolean not null default true;

-- Kinds that are written in front of an id (`lid:…`) are no numbers or ids of the channel itself.
create or replace function omnicrm.identity_kind(p_channel text, p_user text) returns text
language sql stable set search_path = '' as $$
    select case when p_user ~ '^(lid|bsuid):' then split_part(p_user, ':', 1)
        else (select c.identity_kind from omnicrm.channels c where c.code = p_channel) end
$$;

create or replace function omnicrm.identity_value(p_user text) returns text
language sql immutable set search_path = '' as $$
    select regexp_replace(p_user, '^(lid|bsuid):', '')
$$;

update omnicrm.client_identities set kind = split_part(value, ':', 1), value = omnicrm.identity_value(value)
where kind = 'whatsapp' and value ~ '^(lid|bsuid):';

-- E.164, or null for what is no telephone number. Ten digits are Mexican; 52 1 … is how Mexican mobiles were written until 2019.
create or replace function omnicrm.canonical_phone(p_text text) returns text
language sql immutable set search_path = '' as $$
    with written as (
        select regexp_replace(p_text, '\D', '', 'g') as digits, p_text ~ '^\s*(whatsapp:)?\s*(\(?\+|00)' as international,
            -- Letters make it something else than a number, but for what people write before one.
            regexp_replace(p_text, '^\s*(whatsapp|wa|tel|cel)?[.:]*', '', 'i') !~ '[[:alpha:]]' as plain
    ), cleaned as (
        select case when international then regexp_replace(digits, '^00', '') else digits end as digits, international from written where plain
    ), national as (
        select digits, international, case
            when digits ~ '^521\d{10}$' then substr(digits, 4)
            when digits ~ '^52\d{10}$' then substr(digits, 3)
            when international then null
            when digits ~ '^(044|045)\d{10}$' then substr(digits, 4)
            when digits ~ '^01\d{10}$' then substr(digits, 3)
            when digits ~ '^\d{10}$' then digits end as mexican
        from cleaned
    )
    select case
        when mexican ~ '^[2-9]\d{9}$' and mexican !~ '^(\d)\1+$' then '+52' || mexican
        when international and digits ~ '^[1-9]\d{7,14}$' and digits !~ '^52' then '+' || digits end
    from national
$$;

create or replace function omnicrm.canonical_email(p_text text) returns text
language sql immutable set search_path = '' as $$
    select lower(btrim(p_text)) where btrim(p_text) ~ '^[^@\s<>"]+@[^@\s<>"]+\.[^@\s<>".]+$' and length(btrim(p_text)) <= 254
$$;

do $$
declare
    client_type text := (
        select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'public.clients'::regclass and attname = 'id'
    );
begin
    -- What the shop knows of a client beside the owner's columns. One row each, made with the client.
    execute format(
        'create table if not exists omnicrm.people (
            client_id %1$s primary key references public.clients (id) on delete cascade,
            stage text not null default ''lead'' check (stage in (''lead'', ''customer'')),
            stage_since timestamptz not null default now(),
            stage_reason text,
            stage_by text,
            tags text[] not null default ''{}'',
            -- Where they came from: label of an import, campaign, first referral.
            attribution jsonb not null default ''{}'',
            -- By channel, the last word: {"WA": {"state": "out", "at": …}}.
            consent jsonb not null default ''{}'',
            -- The client that this one was joined to. The row stays, because the owner''s other tables may point at it.
            merged_into %1$s references public.clients (id) on delete set null)',
        client_type
    );
    execute format(
        'create table if not exists omnicrm.stage_changes (
            id bigint generated always as identity primary key,
            client_id %s not null references public.clients (id) on delete cascade,
            before text not null,
            stage text not null,
            reason text,
            by text,
            at timestamptz not null default clock_timestamp())',
        client_type
    );
    execute format(
        'create table if not exists omnicrm.merges (
            id bigint generated always as identity primary key,
            kept %1$s not null references public.clients (id) on delete cascade,
            gone %1$s not null references public.clients (id) on delete cascade,
            reason text not null,
            evidence jsonb not null default ''{}'',
            actor text not null,
            moved jsonb not null,
            created_at timestamptz not null default clock_timestamp(),
            undone_at timestamptz,
            undone_by text)',
        client_type
    );
    -- Two clients that may be one person, for a person to decide. client_a < client_b.
    execute format(
        'create table if not exists omnicrm.proposals (
            id bigint generated always as identity primary key,
            client_a %1$s not null references public.clients (id) on delete cascade,
            client_b %1$s not null references public.clients (id) on delete cascade,
            score numeric not null check (score between 0 and 1),
            evidence jsonb not null,
            status text not null default ''open'' check (status in (''open'', ''accepted'', ''refused'')),
            decided_by text,
            decided_at timestamptz,
            merge_id bigint references omnicrm.merges (id) on delete set null,
            created_at timestamptz not null default clock_timestamp(),
            unique (client_a, client_b), check (client_a < client_b))',
        client_type
    );
end
$$;
create index if not exists people_merged_idx on omnicrm.people (merged_into) where merged_into is not null;
create index if not exists people_tags_idx on omnicrm.people using gin (tags);
create index if not exists stage_changes_client_idx on omnicrm.stage_changes (client_id);
create index if not exists merges_kept_idx on omnicrm.merges (kept);
create index if not exists merges_gone_idx on omnicrm.merges (gone);
create index if not exists proposals_client_b_idx on omnicrm.proposals (client_b);
create index if not exists proposals_merge_idx on omnicrm.proposals (merge_id);
create index if not exists proposals_open_idx on omnicrm.proposals (id) where status = 'open';

-- What a customer said of themselves, and in which message.
create table if not exists omnicrm.statements (
    id bigint generated always as identity primary key,
    thread_id bigint not null references omnicrm.threads (id) on delete cascade,
    message_id bigint not null references omnicrm.messages (id) on delete cascade,
    kind text not null check (kind in ('name', 'phone', 'email', 'city')),
    value text not null,
    created_at timestamptz not null default now(),
    unique (message_id, kind)
);
create index if not exists statements_thread_idx on omnicrm.statements (thread_id);

-- What the staff should be told of; who is told, and how, is not decided here.
create table if not exists omnicrm.notices (
    id bigint generated always as identity primary key,
    kind text not null,
    thread_id bigint references omnicrm.threads (id) on delete cascade,
    channel text,
    account text,
    detail jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp()
);
create index if not exists notices_thread_idx on omnicrm.notices (thread_id);

create or replace function omnicrm.raise_notice(
    p_kind text, p_thread bigint, p_detail jsonb, p_channel text default null, p_account text default null
) returns void
language plpgsql set search_path = '' as $$
begin
    insert into omnicrm.notices (kind, thread_id, channel, account, detail)
    select p_kind, p_thread, coalesce(p_channel, t.channel), coalesce(p_account, t.account), jsonb_strip_nulls(p_detail)
    from (select) one left join omnicrm.threads t on t.id = p_thread;
    perform pg_notify('omnicrm_notice', '');
end
$$;

-- --- columns and identities, in step --------------------------------------------------------------------------------------

-- The identities that a client's columns name.
create or replace function omnicrm.named_by_columns(c public.clients) returns table (kind text, value text)
language sql stable set search_path = '' as $$
    select v.kind, v.value from (values
        ('phone', omnicrm.canonical_phone(c.phone)), ('email', omnicrm.canonical_email(c.email)),
        ('instagram', nullif(btrim(c.instagram_id), '')), ('messenger', nullif(btrim(c.messenger_id), '')),
        ('facebook', nullif(btrim(c.facebook_id), '')), ('tiktok', nullif(btrim(c.tiktok_id), '')),
        ('vambe', nullif(btrim(c.vambe_contact_id), ''))) v (kind, value)
    where v.value is not null
$$;

-- Fill a client's empty columns from what is known of them; the oldest identity of a kind is the one shown.
create or replace function omnicrm.fill_columns(p_client public.clients) returns void
language plpgsql set search_path = '' as $$
declare
    v_known jsonb := (
        select coalesce(jsonb_object_agg(i.kind, i.value), '{}') from (
            select distinct on (x.kind) x.kind, x.value from omnicrm.client_identities x where x.client_id = p_client.id
            -- A mail conversation's address is known by its thread; the fact that it is theirs stands without an account.
                and (x.kind <> 'email' or x.account = '')
            order by x.kind, x.verified desc, x.created_at, x.value) i);
begin
    update public.clients c set
        phone = coalesce(c.phone, v_known ->> 'phone'), email = coalesce(c.email, v_known ->> 'email'),
        instagram_id = coalesce(c.instagram_id, v_known ->> 'instagram'), messenger_id = coalesce(c.messenger_id, v_known ->> 'messenger'),
        facebook_id = coalesce(c.facebook_id, v_known ->> 'facebook'), tiktok_id = coalesce(c.tiktok_id, v_known ->> 'tiktok'),
        vambe_contact_id = coalesce(c.vambe_contact_id, v_known ->> 'vambe')
    where c.id = p_client.id
        and (c.phone is null and v_known ? 'phone' or c.email is null and v_known ? 'email' or c.instagram_id is null and v_known ? 'instagram'
            or c.messenger_id is null and v_known ? 'messenger' or c.facebook_id is null and v_known ? 'facebook'
            or c.tiktok_id is null and v_known ? 'tiktok' or c.vambe_contact_id is null and v_known ? 'vambe');
end
$$;

-- The client that a joined one now is.
create or replace function omnicrm.root_of(p_client public.clients) returns public.clients
language plpgsql stable set search_path = '' as $$
declare
    c public.clients := p_client;
    next_one public.clients;
begin
    loop
        select x.* into next_one from omnicrm.people p join public.clients x on x.id = p.merged_into where p.client_id = c.id;
        if next_one.id is null then
            return c;
        end if;
        c := next_one;
    end loop;
end
$$;

-- Two clients that may be one. Idempotent; new evidence is added to an open proposal; a refused pair stays refused. Ids as text
-- because their type is the owner's.
create or replace function omnicrm.propose(p_first text, p_second text, p_score numeric, p_evidence jsonb) returns bigint
language plpgsql set search_path = '' as $$
declare
    one public.clients.id%type := p_first;
    two public.clients.id%type := p_second;
    p_id bigint;
begin
    if one = two then
        return null;
    end if;
    insert into omnicrm.proposals (client_a, client_b, score, evidence)
    values (least(one, two), greatest(one, two), p_score, jsonb_build_array(p_evidence))
    on conflict (client_a, client_b) do update set
        evidence = case when proposals.evidence @> excluded.evidence then proposals.evidence else proposals.evidence || excluded.evidence end,
        score = greatest(proposals.score, excluded.score)
    where proposals.status = 'open' and (not proposals.evidence @> excluded.evidence or proposals.score < excluded.score)
    returning id into p_id;
    return coalesce(p_id, (select id from omnicrm.proposals where client_a = least(one, two) and client_b = greatest(one, two)));
end
$$;

-- Take note of an identity of a client. When another client holds it, that is a proposal and the identity stays where it is.
create or replace function omnicrm.add_identity(
    p_kind text, p_value text, p_account text, p_client text, p_source text, p_verified boolean, p_score numeric default 0.9
) returns boolean
language plpgsql set search_path = '' as $$
declare
    v_client public.clients.id%type := p_client;
    holder public.clients.id%type;
begin
    select i.client_id into holder from omnicrm.client_identities i
    where i.kind = p_kind and i.value = p_value
        -- A column does not say for which of our accounts a platform's id stands; phone and mail have none.
        and (i.account = p_account or p_account = '' and p_kind not in ('phone', 'email'))
    order by (i.client_id = v_client) desc limit 1;
    if holder is null then
        insert into omnicrm.client_identities (kind, value, account, client_id, source, verified)
        values (p_kind, p_value, p_account, v_client, p_source, p_verified)
        on conflict do nothing;
        return found;
    end if;
    if holder <> v_client then
        perform omnicrm.propose(p_client, holder::text, p_score, jsonb_build_object('kind', p_kind, 'value', p_value, 'how', p_source));
    elsif p_verified and p_source <> 'column' then
        -- (A column may be what we filled in ourselves from somebody's word.)
        update omnicrm.client_identities i set verified = true, source = p_source
        where i.kind = p_kind and i.value = p_value and i.account = p_account and i.client_id = v_client and not i.verified;
    end if;
    return false;
end
$$;

-- With the rights of the schema's owner: whoever may write public.clients may not see our tables.
create or replace function omnicrm.clients_changed() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    named record;
    emptied record;
begin
    if tg_op = 'INSERT' then
        insert into omnicrm.people (client_id) values (new.id) on conflict do nothing;
    else
        for emptied in select * from omnicrm.named_by_columns(old) except select * from omnicrm.named_by_columns(new) loop
            -- What a column said goes with it. A plain fact (phone, mail) that somebody empties is taken back whoever said it; an
            -- id that a conversation hangs on stays.
            delete from omnicrm.client_identities i
            where i.client_id = new.id and i.kind = emptied.kind and i.value = emptied.value and i.account = ''
                and (i.source = 'column' or not exists (select from omnicrm.named_by_columns(new) n where n.kind = emptied.kind));
        end loop;
    end if;
    for named in
        select n.kind, n.value from omnicrm.named_by_columns(new) n
        where tg_op = 'INSERT' or not exists (select from omnicrm.named_by_columns(old) o where o.kind = n.kind and o.value = n.value)
    loop
        perform omnicrm.add_identity(named.kind, named.value, '', new.id::text, 'column', true);
    end loop;
    perform omnicrm.fill_columns(new);
    return null;
end
$$;

create or replace function omnicrm.identities_changed() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    c public.clients;
begin
    if tg_op in ('DELETE', 'UPDATE') then
        update public.clients x set
            phone = case when old.kind = 'phone' and omnicrm.canonical_phone(x.phone) = old.value then null else x.phone end,
            email = case when old.kind = 'email' and omnicrm.canonical_email(x.email) = old.value then null else x.email end,
            instagram_id = case when old.kind = 'instagram' and x.instagram_id = old.value then null else x.instagram_id end,
            messenger_id = case when old.kind = 'messenger' and x.messenger_id = old.value then null else x.messenger_id end,
            facebook_id = case when old.kind = 'facebook' and x.facebook_id = old.value then null else x.facebook_id end,
            tiktok_id = case when old.kind = 'tiktok' and x.tiktok_id = old.value then null else x.tiktok_id end,
            vambe_contact_id = case when old.kind = 'vambe' and x.vambe_contact_id = old.value then null else x.vambe_contact_id end
        where x.id = old.client_id and not exists (
                select from omnicrm.client_identities i where i.client_id = old.client_id and i.kind = old.kind and i.value = old.value)
            and exists (select from omnicrm.named_by_columns(x) n where n.kind = old.kind and n.value = old.value);
    end if;
    if tg_op in ('INSERT', 'UPDATE') then
        select * into c from public.clients where id = new.client_id;
        perform omnicrm.fill_columns(c);
    end if;
    return null;
end
$$;

insert into omnicrm.people (client_id) select id from public.clients on conflict do nothing;
insert into omnicrm.client_identities (kind, value, account, client_id, source)
select n.kind, n.value, '', c.id, 'column' from public.clients c cross join lateral omnicrm.named_by_columns(c) n
where not exists (select from omnicrm.client_identities i where i.kind = n.kind and i.value = n.value)
order by c.id
on conflict do nothing;

-- Row by row they take half a second for a thousand clients. An import writes both sides itself, and says so for its transaction.
drop trigger if exists omnicrm_clients_changed on public.clients;
create trigger omnicrm_clients_changed
    after insert or update of phone, email, instagram_id, messenger_id, facebook_id, tiktok_id, vambe_contact_id on public.clients
    for each row when (current_setting('omnicrm.bulk', true) is distinct from 'on') execute function omnicrm.clients_changed();
drop trigger if exists omnicrm_identities_changed on omnicrm.client_identities;
create trigger omnicrm_identities_changed
    after insert or delete or update of client_id on omnicrm.client_identities
    for each row when (current_setting('omnicrm.bulk', true) is distinct from 'on') execute function omnicrm.identities_changed();

-- --- joining two clients, and taking it back ------------------------------------------------------------------------------

create or replace function omnicrm.client_image(c public.clients) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('name', c.name, 'phone', c.phone, 'email', c.email, 'instagram_id', c.instagram_id,
        'instagram_username', c.instagram_username, 'messenger_id', c.messenger_id, 'facebook_id', c.facebook_id, 'tiktok_id', c.tiktok_id,
        'vambe_contact_id', c.vambe_contact_id, 'platform_metadata', c.platform_metadata)
$$;

create or replace function omnicrm.is_refused(p_first text, p_second text) returns boolean
language plpgsql stable set search_path = '' as $$
declare
    one public.clients.id%type := p_first;
    two public.clients.id%type := p_second;
begin
    return exists (
        select from omnicrm.proposals where client_a = least(one, two) and client_b = greatest(one, two) and status = 'refused');
end
$$;

-- A client by its id as text. Raises OC404.
create or replace function omnicrm.the_client(p_client text) returns public.clients
language plpgsql stable set search_path = '' as $$
declare
    v_id public.clients.id%type;
    c public.clients;
begin
    begin
        v_id := p_client;
    exception when invalid_text_representation or numeric_value_out_of_range then
        v_id := null;
    end;
    select * into c from public.clients where id = v_id;
    if c.id is null then
        raise exception 'no client %', p_client using errcode = 'OC404';
    end if;
    return c;
end
$$;

-- Everything of p_gone goes to p_keep; the journal row holds what moved and how both looked before and after.
create or replace function omnicrm.merge_clients(p_keep text, p_gone text, p_reason text, p_evidence jsonb, p_actor text) returns bigint
language plpgsql set search_path = '' as $$
declare
    keep public.clients := omnicrm.the_client(p_keep);
    gone public.clients := omnicrm.the_client(p_gone);
    people_keep omnicrm.people;
    people_gone omnicrm.people;
    v_before jsonb;
    v_moved jsonb;
    v_takes_name boolean;
    m_id bigint;
begin
    if keep.id = gone.id then
        raise exception 'a client cannot be joined to itself' using errcode = 'OC422';
    end if;
    -- In one order, so that two merges of the same pair wait for each other instead of failing.
    perform from public.clients where id in (keep.id, gone.id) order by id for update;
    select * into people_keep from omnicrm.people where client_id = keep.id for update;
    select * into people_gone from omnicrm.people where client_id = gone.id for update;
    if people_keep.merged_into is not null or people_gone.merged_into is not null then
        raise exception 'client % was joined to another one before', case when people_gone.merged_into is not null then p_gone else p_keep end
            using errcode = 'OC409';
    end if;
    select * into keep from public.clients where id = keep.id;
    select * into gone from public.clients where id = gone.id;
    v_before := jsonb_build_object('keep', omnicrm.client_image(keep), 'gone', omnicrm.client_image(gone),
        'people_keep', to_jsonb(people_keep) - 'client_id', 'people_gone', to_jsonb(people_gone) - 'client_id');
    v_moved := jsonb_build_object(
        'identities', (select coalesce(jsonb_agg(jsonb_build_array(i.kind, i.value, i.account)), '[]') from omnicrm.client_identities i where i.client_id = gone.id),
        'threads', (select coalesce(jsonb_agg(t.id), '[]') from omnicrm.threads t where t.client_id = gone.id),
        'conversations', (select coalesce(jsonb_agg(c.id::text), '[]') from public.conversations c where c.client_id = gone.id));

    update omnicrm.client_identities set client_id = keep.id where client_id = gone.id;
    update omnicrm.threads set client_id = keep.id where client_id = gone.id;
    update public.conversations set client_id = keep.id where client_id = gone.id;

    -- A name that a person gave beats one that a platform has for them.
    v_takes_name := coalesce(gone.name, '') <> '' and (coalesce(keep.name, '') = ''
        or coalesce(keep.platform_metadata, '{}') ? 'name_from' and not coalesce(gone.platform_metadata, '{}') ? 'name_from');
    update public.clients set
        name = case when v_takes_name then gone.name else name end,
        instagram_username = coalesce(instagram_username, gone.instagram_username),
        platform_metadata = case when v_takes_name
            then coalesce(gone.platform_metadata, '{}') || (coalesce(platform_metadata, '{}') - 'name_from')
            else (coalesce(gone.platform_metadata, '{}') - 'name_from') || coalesce(platform_metadata, '{}') end
    where id = keep.id;
    update omnicrm.people set
        tags = tags || array(select t from unnest(people_gone.tags) t where t <> all (people_keep.tags)),
        attribution = people_gone.attribution || attribution,
        consent = people_gone.consent || consent,
        stage = case when people_gone.stage = 'customer' then 'customer' else stage end,
        stage_since = case when people_gone.stage = 'customer' and people_keep.stage <> 'customer' then people_gone.stage_since else stage_since end,
        stage_reason = case when people_gone.stage = 'customer' and people_keep.stage <> 'customer' then people_gone.stage_reason else stage_reason end,
        stage_by = case when people_gone.stage = 'customer' and people_keep.stage <> 'customer' then people_gone.stage_by else stage_by end
    where client_id = keep.id;
    update omnicrm.people set merged_into = keep.id where client_id = gone.id;

    insert into omnicrm.merges (kept, gone, reason, evidence, actor, moved)
    select keep.id, gone.id, p_reason, coalesce(p_evidence, '{}'), p_actor, v_moved || jsonb_build_object('before', v_before, 'after', jsonb_build_object(
        'keep', omnicrm.client_image(k), 'gone', omnicrm.client_image(g), 'people_keep', to_jsonb(pk) - 'client_id', 'people_gone', to_jsonb(pg) - 'client_id'))
    from public.clients k, public.clients g, omnicrm.people pk, omnicrm.people pg
    where k.id = keep.id and g.id = gone.id and pk.client_id = keep.id and pg.client_id = gone.id
    returning id into m_id;
    return m_id;
end
$$;

-- Give every field that nobody changed since the merge its old value back.
create or replace function omnicrm.restore_client(p_client text, p_seen jsonb, p_after jsonb, p_before jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    c public.clients := omnicrm.the_client(p_client);
    v_final jsonb := (
        select jsonb_object_agg(s.key, case when s.value = p_after -> s.key then p_before -> s.key else s.value end) from jsonb_each(p_seen) s);
begin
    update public.clients set
        name = v_final ->> 'name', phone = v_final ->> 'phone', email = v_final ->> 'email', instagram_id = v_final ->> 'instagram_id',
        instagram_username = v_final ->> 'instagram_username', messenger_id = v_final ->> 'messenger_id', facebook_id = v_final ->> 'facebook_id',
        tiktok_id = v_final ->> 'tiktok_id', vambe_contact_id = v_final ->> 'vambe_contact_id',
        platform_metadata = nullif(v_final -> 'platform_metadata', 'null')
    where id = c.id;
end
$$;

create or replace function omnicrm.restore_people(p_client text, p_after jsonb, p_before jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    c public.clients := omnicrm.the_client(p_client);
    added jsonb := (p_after -> 'tags') - array(select jsonb_array_elements_text(p_before -> 'tags'));
    p omnicrm.people;
begin
    select * into p from omnicrm.people where client_id = c.id for update;
    update omnicrm.people set
        tags = array(select t.tag from unnest(p.tags) with ordinality t (tag, n) where not added ? t.tag order by t.n),
        attribution = case when p.attribution = p_after -> 'attribution' then p_before -> 'attribution' else p.attribution end,
        consent = case when p.consent = p_after -> 'consent' then p_before -> 'consent' else p.consent end,
        merged_into = null
    where client_id = c.id;
    if p.stage = p_after ->> 'stage' and p.stage_since = (p_after ->> 'stage_since')::timestamptz then
        update omnicrm.people set
            stage = p_before ->> 'stage', stage_since = (p_before ->> 'stage_since')::timestamptz,
            stage_reason = p_before ->> 'stage_reason', stage_by = p_before ->> 'stage_by'
        where client_id = c.id;
    end if;
end
$$;

-- Take a merge back: what moved goes back where it still is, fields that nobody touched since look as before, what came since
-- stays with the kept client. The pair counts as refused from now on, so that nothing joins it again by itself.
create or replace function public.omnicrm_unmerge(p_merge bigint, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    m omnicrm.merges;
    later bigint;
    keep public.clients;
    gone public.clients;
    seen_keep jsonb;
    seen_gone jsonb;
begin
    select * into m from omnicrm.merges where id = p_merge for update;
    if m.id is null then
        raise exception 'no merge %', p_merge using errcode = 'OC404';
    elsif m.undone_at is not null then
        raise exception 'merge % was undone on %', p_merge, m.undone_at::date using errcode = 'OC409';
    end if;
    select max(x.id) into later from omnicrm.merges x
    where x.id > m.id and x.undone_at is null and (x.kept in (m.kept, m.gone) or x.gone in (m.kept, m.gone));
    if later is not null then
        raise exception 'undo merge % first: it came later and touches the same clients', later using errcode = 'OC409';
    end if;
    perform from public.clients where id in (m.kept, m.gone) order by id for update;
    select * into keep from public.clients where id = m.kept;
    select * into gone from public.clients where id = m.gone;
    seen_keep := omnicrm.client_image(keep);
    seen_gone := omnicrm.client_image(gone);

    update omnicrm.client_identities i set client_id = m.gone
    where i.client_id = m.kept and m.moved -> 'identities' @> jsonb_build_array(jsonb_build_array(i.kind, i.value, i.account));
    update omnicrm.threads t set client_id = m.gone where t.client_id = m.kept and m.moved -> 'threads' @> to_jsonb(t.id);
    update public.conversations c set client_id = m.gone where c.client_id = m.kept and m.moved -> 'conversations' ? c.id::text;

    -- What was only said was proven by this merge alone.
    update omnicrm.client_identities i set verified = false, source = m.evidence ->> 'source'
    where i.client_id = m.kept and i.kind = m.evidence ->> 'kind' and i.value = m.evidence ->> 'value' and i.account = ''
        and m.evidence -> 'verified' = 'false';

    perform omnicrm.restore_client(m.gone::text, seen_gone, m.moved #> '{after,gone}', m.moved #> '{before,gone}');
    perform omnicrm.restore_client(m.kept::text, seen_keep, m.moved #> '{after,keep}', m.moved #> '{before,keep}');
    perform omnicrm.restore_people(m.gone::text, m.moved #> '{after,people_gone}', m.moved #> '{before,people_gone}');
    perform omnicrm.restore_people(m.kept::text, m.moved #> '{after,people_keep}', m.moved #> '{before,people_keep}');
    update omnicrm.merges set undone_at = now(), undone_by = p_by where id = m.id;
    insert into omnicrm.proposals (client_a, client_b, score, evidence, status, decided_by, decided_at, merge_id)
    values (least(m.kept, m.gone), greatest(m.kept, m.gone), 0, jsonb_build_array(jsonb_build_object('undone', m.id)), 'refused', p_by, now(), m.id)
    on conflict (client_a, client_b) do update
    set status = 'refused', decided_by = excluded.decided_by, decided_at = excluded.decided_at, merge_id = excluded.merge_id;
    return jsonb_build_object('merge', m.id, 'kept', m.kept, 'gone', m.gone, 'undone', true);
end
$$;

create or replace function public.omnicrm_merge(p_keep text, p_gone text, p_reason text, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    m_id bigint := omnicrm.merge_clients(p_keep, p_gone, coalesce(p_reason, 'a mano'), '{}', p_by);
begin
    update omnicrm.proposals set status = 'accepted', decided_by = p_by, decided_at = now(), merge_id = m_id
    where (client_a::text, client_b::text) in ((p_keep, p_gone), (p_gone, p_keep));
    return jsonb_build_object('merge', m_id, 'kept', p_keep, 'gone', p_gone);
end
$$;

-- Decide a proposal. Accepting joins the two: the one that buys already is kept, else the one that has a name.
create or replace function public.omnicrm_accept_proposal(p_proposal bigint, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    p omnicrm.proposals;
    keep public.clients;
    gone public.clients;
    m_id bigint;
begin
    select * into p from omnicrm.proposals where id = p_proposal for update;
    if p.id is null then
        raise exception 'no proposal %', p_proposal using errcode = 'OC404';
    elsif p.status <> 'open' then
        raise exception 'proposal % was % already', p_proposal, p.status using errcode = 'OC409';
    end if;
    -- Since it was made, either may have been joined to somebody.
    keep := omnicrm.root_of(omnicrm.the_client(p.client_a::text));
    gone := omnicrm.root_of(omnicrm.the_client(p.client_b::text));
    if keep.id <> gone.id then
        if (select (g.stage = 'customer', coalesce(gone.name, '') <> '') > (k.stage = 'customer', coalesce(keep.name, '') <> '')
            from omnicrm.people k, omnicrm.people g where k.client_id = keep.id and g.client_id = gone.id)
        then
            m_id := omnicrm.merge_clients(gone.id::text, keep.id::text, 'propuesta aceptada', p.evidence, p_by);
        else
            m_id := omnicrm.merge_clients(keep.id::text, gone.id::text, 'propuesta aceptada', p.evidence, p_by);
        end if;
    end if;
    update omnicrm.proposals set status = 'accepted', decided_by = p_by, decided_at = now(), merge_id = m_id where id = p.id;
    return jsonb_build_object('proposal', p.id, 'status', 'accepted', 'merge', m_id,
        'client', (select m.kept from omnicrm.merges m where m.id = m_id));
end
$$;

create or replace function public.omnicrm_refuse_proposal(p_proposal bigint, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    p omnicrm.proposals;
begin
    select * into p from omnicrm.proposals where id = p_proposal for update;
    if p.id is null then
        raise exception 'no proposal %', p_proposal using errcode = 'OC404';
    elsif p.status <> 'open' then
        raise exception 'proposal % was % already', p_proposal, p.status using errcode = 'OC409';
    end if;
    update omnicrm.proposals set status = 'refused', decided_by = p_by, decided_at = now() where id = p.id;
    return jsonb_build_object('proposal', p.id, 'status', 'refused');
end
$$;

-- --- who writes -----------------------------------------------------------------------------------------------------------

-- A platform vouches that a phone or a mail address is this client's. Where another client holds it, the two are one person and
-- are joined, in the journal; a claim that was only said loses against the proof where a person parted the two before.
-- Returns the client that it is now.
create or replace function omnicrm.vouch(p_client text, p_kind text, p_value text) returns text
language plpgsql set search_path = '' as $$
declare
    v_client public.clients.id%type := p_client;
    held omnicrm.client_identities;
begin
    select * into held from omnicrm.client_identities where kind = p_kind and value = p_value and account = '';
    if held.client_id is null then
        perform omnicrm.add_identity(p_kind, p_value, '', p_client, 'vouched', true);
        return p_client;
    end if;
    if held.client_id <> v_client then
        if omnicrm.is_refused(p_client, held.client_id::text) then
            if held.verified then
                return p_client;
            end if;
            update omnicrm.client_identities set client_id = v_client where kind = p_kind and value = p_value and account = '';
        else
            perform omnicrm.merge_clients(held.client_id::text, p_client, case when held.verified then 'same_' else 'said_then_proven_' end || p_kind,
                jsonb_build_object('kind', p_kind, 'value', p_value, 'source', held.source, 'verified', held.verified), 'bot');
            v_client := held.client_id;
        end if;
    end if;
    update omnicrm.client_identities set verified = true, source = 'vouched'
    where kind = p_kind and value = p_value and account = '' and not verified;
    return v_client::text;
end
$$;

-- The client that this platform id belongs to: the identity itself, then a key that the platform vouches for and that is more
-- than somebody's word, then a conversation that was there before us. Null: nobody yet.
-- p_contact: {"name", "phone", "email"}, each may be missing.
create or replace function omnicrm.find_client(p_channel text, p_account text, p_user text, p_contact jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
    found_id text;
begin
    select i.client_id::text into found_id from omnicrm.client_identities i
    where i.kind = omnicrm.identity_kind(p_channel, p_user) and i.value = omnicrm.identity_value(p_user) and i.account in (p_account, '')
        and (i.kind <> 'email' or i.account <> '')
    order by i.account desc limit 1;
    if found_id is null and p_contact is not null then
        select i.client_id::text into found_id from omnicrm.client_identities i
        where i.account = '' and i.verified and ((i.kind = 'phone' and i.value = p_contact ->> 'phone') or (i.kind = 'email' and i.value = p_contact ->> 'email'))
        order by i.kind desc limit 1;
    end if;
    if found_id is null then
        select c.client_id::text into found_id from public.conversations c
        where c.channel::text = p_channel and c.platform_user_id = p_user and (c.account is null or c.account = p_account)
            and c.client_id is not null
        limit 1;
    end if;
    return found_id;
end
$$;

-- The thread of an address; creates client, identity and conversation where they are missing. The caller holds the advisory
-- locks of the address and of what is vouched for, so two first messages never make two clients.
create or replace function omnicrm.resolve_thread(
    p_channel text, p_account text, p_user text, p_key text, p_contact jsonb default null, p_sender text default null
) returns omnicrm.threads
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    v_client public.clients.id%type;
    v_conversation public.conversations.id%type;
    was_new boolean := false;
begin
    select * into t from omnicrm.threads where key = p_key;
    if found then
        return t;
    end if;

    v_client := omnicrm.find_client(p_channel, p_account, p_user, p_contact);
    if v_client is null then
        insert into public.clients (name, platform_metadata)
        values (coalesce(p_contact ->> 'name', ''),
            case when p_contact ->> 'name' is null then '{}'::jsonb else jsonb_build_object('name_from', lower(p_channel)) end)
        returning id into v_client;
        was_new := true;
    end if;
    insert into omnicrm.client_identities (kind, value, account, client_id, source)
    values (omnicrm.identity_kind(p_channel, p_user), omnicrm.identity_value(p_user), p_account, v_client,
        case when was_new then 'message' else 'matched' end)
    on conflict do nothing;

    select c.id into v_conversation from public.conversations c
    where c.channel::text = p_channel and c.platform_user_id = p_user and (c.account is null or c.account = p_account)
        and not exists (select from omnicrm.threads x where x.conversation_id = c.id)
    limit 1;
    if v_conversation is null then
        insert into public.conversations (client_id, channel, handle, account, platform_user_id)
        select v_client, p_channel, p_user, p_account, p_user
        returning id into v_conversation;
    else
        update public.conversations set account = p_account where id = v_conversation and account is null;
    end if;

    insert into omnicrm.threads (key, conversation_id, client_id, channel, account, user_id, sender)
    values (p_key, v_conversation, v_client, p_channel, p_account, p_user, coalesce(p_sender, p_user))
    returning * into t;
    -- After the thread is there: a merge that this brings takes it along, and its undoing brings it back.
    if p_contact ->> 'phone' is not null then
        t.client_id := omnicrm.vouch(t.client_id::text, 'phone', p_contact ->> 'phone');
    end if;
    if p_contact ->> 'email' is not null then
        t.client_id := omnicrm.vouch(t.client_id::text, 'email', p_contact ->> 'email');
    end if;
    return t;
end
$$;

-- What a platform vouches for of somebody who writes again, where it is not known yet.
create or replace function omnicrm.learn(t omnicrm.threads, p_contact jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    c public.clients;
begin
    select * into c from public.clients where id = t.client_id;
    if coalesce(c.name, '') = '' and p_contact ->> 'name' is not null then
        update public.clients set name = p_contact ->> 'name',
            platform_metadata = coalesce(platform_metadata, '{}') || jsonb_build_object('name_from', lower(t.channel))
        where id = c.id;
    end if;
    if c.phone is null and p_contact ->> 'phone' is not null then
        perform omnicrm.vouch(c.id::text, 'phone', p_contact ->> 'phone');
    end if;
    if c.email is null and p_contact ->> 'email' is not null then
        -- Joined a moment ago, perhaps.
        select * into c from public.clients where id = (select x.client_id from omnicrm.threads x where x.id = t.id);
        perform omnicrm.vouch(c.id::text, 'email', p_contact ->> 'email');
    end if;
end
$$;

-- --- conversations --------------------------------------------------------------------------------------------------------

alter table omnicrm.threads
    -- Who of the staff holds it; null while a person was asked for and none has written yet.
    add column if not exists person text,
    add column if not exists closed_at timestamptz,
    add column if not exists closed_reason text;
create index if not exists threads_open_idx on omnicrm.threads (id) where closed_at is null;

alter table omnicrm.messages
    -- Who of the staff wrote it, and the key with which another program asked us to send it.
    add column if not exists person text,
    add column if not exists request_key text;
create unique index if not exists messages_request_idx on omnicrm.messages (request_key) where request_key is not null;
alter table omnicrm.messages drop constraint if exists messages_author_check;
alter table omnicrm.messages add constraint messages_author_check check (author in ('customer', 'bot', 'agent', 'system'));

alter table omnicrm.orders
    add column if not exists status text not null default 'requested' check (status in ('requested', 'confirmed', 'cancelled')),
    add column if not exists decided_at timestamptz,
    add column if not exists decided_by text;

create or replace function omnicrm.state_of(t omnicrm.threads) returns text
language sql stable set search_path = '' as $$
    select case
        when t.closed_at is not null then 'closed'
        when not omnicrm.is_human(t) then 'open'
        when t.person is null then 'waiting'
        else 'with_person' end
$$;

-- A person (or another app) speaks in this thread: the bot is silent from now on, its unsent replies are withdrawn.
drop function if exists omnicrm.take_over(bigint, float8, text, text);
create or replace function omnicrm.take_over(p_thread bigint, p_seconds float8, p_reason text, p_event text, p_person text default 'equipo') returns void
language plpgsql set search_path = '' as $$
begin
    update omnicrm.threads
    set owner = 'human', owner_since = clock_timestamp(), owner_until = now() + make_interval(secs => p_seconds),
        owner_reason = p_reason, owner_event = p_event, person = p_person, closed_at = null, closed_reason = null
    where id = p_thread;
    update omnicrm.messages set status = 'withdrawn', reason = p_event
    where thread_id = p_thread and direction = 'out' and status = 'queued' and author = 'bot';
    update omnicrm.messages set status = 'ignored', reason = 'human'
    where thread_id = p_thread and direction = 'in' and status = 'received';
end
$$;

-- The bot may speak again.
create or replace function omnicrm.give_back(p_thread bigint) returns void
language sql set search_path = '' as $$
    update omnicrm.threads
    set owner = 'bot', owner_since = null, owner_until = null, owner_reason = null, owner_event = null, person = null
    where id = p_thread
$$;

-- A conversation by its id as text, locked. Raises OC404.
create or replace function omnicrm.the_thread(p_conversation text) returns omnicrm.threads
language plpgsql set search_path = '' as $$
declare
    v_id public.conversations.id%type;
    t omnicrm.threads;
begin
    begin
        v_id := p_conversation;
    exception when invalid_text_representation or numeric_value_out_of_range then
        v_id := null;
    end;
    select * into t from omnicrm.threads where conversation_id = v_id for update;
    if t.id is null then
        raise exception 'no conversation %', p_conversation using errcode = 'OC404';
    end if;
    return t;
end
$$;

create or replace function omnicrm.told_state(p_thread bigint) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('conversation', t.conversation_id::text, 'state', omnicrm.state_of(t), 'owner', case when omnicrm.is_human(t) then 'human' else 'bot' end,
        'person', t.person, 'owner_until', t.owner_until, 'closed_at', t.closed_at)
    from omnicrm.threads t where t.id = p_thread
$$;

create or replace function public.omnicrm_take_over(p_conversation text, p_person text, p_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.the_thread(p_conversation);
begin
    perform omnicrm.take_over(t.id, p_seconds, 'la tomó ' || p_person, null, p_person);
    update omnicrm.threads set attention = null, attention_since = null where id = t.id;
    return omnicrm.told_state(t.id);
end
$$;

create or replace function public.omnicrm_hand_back(p_conversation text, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.the_thread(p_conversation);
begin
    perform omnicrm.give_back(t.id);
    update omnicrm.threads set attention = null, attention_since = null where id = t.id;
    return omnicrm.told_state(t.id);
end
$$;

-- Closed: whoever held it lets go, and the customer's next message opens it again.
create or replace function omnicrm.close_thread(p_thread bigint, p_reason text) returns void
language plpgsql set search_path = '' as $$
begin
    perform omnicrm.give_back(p_thread);
    update omnicrm.threads set closed_at = now(), closed_reason = p_reason, attention = null, attention_since = null where id = p_thread;
end
$$;

create or replace function public.omnicrm_close(p_conversation text, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.the_thread(p_conversation);
begin
    if t.closed_at is null then
        perform omnicrm.close_thread(t.id, 'la cerró ' || p_by);
    end if;
    return omnicrm.told_state(t.id);
end
$$;

-- Close what has been silent for its channel's time: {"IG": seconds}. What waits for an answer or for a person is not silent.
create or replace function public.omnicrm_close_silent(p_limits jsonb, p_most integer default 500) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_thread bigint;
    v_count integer := 0;
begin
    for v_thread in
        select t.id from omnicrm.threads t join public.conversations c on c.id = t.conversation_id
        where t.closed_at is null and p_limits ? t.channel
            and coalesce(c.last_message_at, t.created_at) < now() - make_interval(secs => (p_limits ->> t.channel)::float8)
            and t.attention is null and omnicrm.state_of(t) <> 'waiting'
            and not exists (select from omnicrm.messages m where m.thread_id = t.id and m.status in ('received', 'queued', 'sending'))
        order by t.id limit p_most
        for update of t skip locked
    loop
        perform omnicrm.close_thread(v_thread, 'silencio');
        v_count := v_count + 1;
    end loop;
    return jsonb_build_object('closed', v_count);
end
$$;

-- --- what the staff says of a client --------------------------------------------------------------------------------------

create or replace function omnicrm.set_stage(p_client text, p_stage text, p_reason text, p_by text) returns boolean
language plpgsql set search_path = '' as $$
declare
    c public.clients := omnicrm.the_client(p_client);
    was text;
begin
    if p_stage is null or p_stage not in ('lead', 'customer') then
        raise exception 'a stage is lead or customer, not %', p_stage using errcode = 'OC422';
    end if;
    select stage into was from omnicrm.people where client_id = c.id for update;
    if was = p_stage then
        return false;
    end if;
    update omnicrm.people set stage = p_stage, stage_since = clock_timestamp(), stage_reason = p_reason, stage_by = p_by where client_id = c.id;
    insert into omnicrm.stage_changes (client_id, before, stage, reason, by) values (c.id, was, p_stage, p_reason, p_by);
    return true;
end
$$;

create or replace function public.omnicrm_set_stage(p_client text, p_stage text, p_reason text, p_by text) returns jsonb
language sql set search_path = '' as $$
    select jsonb_build_object('client', p_client, 'stage', p_stage, 'changed', omnicrm.set_stage(p_client, p_stage, p_reason, p_by))
$$;

-- Add and remove tags; a tag is 1 to 50 characters, a client has at most 50.
create or replace function public.omnicrm_tag(p_client text, p_add jsonb, p_remove jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    c public.clients := omnicrm.the_client(p_client);
    added text[] := array(select btrim(x) from jsonb_array_elements_text(coalesce(p_add, '[]')) x);
    v_tags text[];
begin
    if exists (select from unnest(added) a where length(a) not between 1 and 50) then
        raise exception 'a tag has 1 to 50 characters' using errcode = 'OC422';
    end if;
    perform from omnicrm.people where client_id = c.id for update;
    select array(
        select x.tag from (
            select tag, min(n) as n from unnest(p.tags || added) with ordinality u (tag, n) group by tag) x
        where not coalesce(p_remove, '[]') ? x.tag order by x.n)
    into v_tags from omnicrm.people p where p.client_id = c.id;
    if cardinality(v_tags) > 50 then
        raise exception 'a client has at most 50 tags' using errcode = 'OC422';
    end if;
    update omnicrm.people set tags = v_tags where client_id = c.id;
    return jsonb_build_object('client', p_client, 'tags', to_jsonb(v_tags));
end
$$;

-- Confirm or cancel an order. A confirmed order makes a lead a customer.
create or replace function public.omnicrm_decide_order(p_order bigint, p_status text, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    o omnicrm.orders;
    v_client text;
begin
    if p_status is null or p_status not in ('confirmed', 'cancelled') then
        raise exception 'an order is confirmed or cancelled, not %', p_status using errcode = 'OC422';
    end if;
    select * into o from omnicrm.orders where id = p_order for update;
    if o.id is null then
        raise exception 'no order %', p_order using errcode = 'OC404';
    elsif o.status = p_status then
        return jsonb_build_object('order', o.id, 'status', o.status, 'changed', false);
    end if;
    update omnicrm.orders set status = p_status, decided_at = now(), decided_by = p_by where id = o.id;
    if p_status = 'confirmed' then
        select t.client_id::text into v_client from omnicrm.threads t where t.id = o.thread_id;
        perform omnicrm.set_stage(v_client, 'customer', 'pedido confirmado', p_by);
    end if;
    return jsonb_build_object('order', o.id, 'status', p_status, 'changed', true);
end
$$;

-- --- the way in and out, with all of this -----------------------------------------------------------------------------------

-- Our own send is confirmed by the platform. When its echo came first and was taken for a person's words, that is undone.
create or replace function omnicrm.confirm_send(p_message bigint, p_platform_id text) returns void
language plpgsql set search_path = '' as $$
declare
    m omnicrm.messages;
    mistaken omnicrm.messages;
begin
    update omnicrm.messages
    set status = case when status in ('delivered', 'read') then status else 'sent' end,
        platform_id = coalesce(platform_id, p_platform_id), sent_at = coalesce(sent_at, now()), error = null
    where id = p_message returning * into m;
    -- Its receipts may have come while we did not know its id yet.
    perform omnicrm.receive_receipt(r.payload, m.thread_id)
    from (
        select p.payload from omnicrm.platform_events p
        where p.thread_id = m.thread_id and p.type = 'receipt' and p.created_at >= m.created_at and p.payload -> 'platform_ids' ? p_platform_id
        order by p.id) r;
    update omnicrm.threads set attention = null, attention_since = null
    where id = m.thread_id and attention = 'envío sin confirmar'
        and not exists (select from omnicrm.messages x where x.thread_id = m.thread_id and x.status = 'unknown');
    delete from omnicrm.messages
    where thread_id = m.thread_id and platform_id = p_platform_id and id <> m.id and direction = 'out' and author = 'agent' and event_key is not null
    returning * into mistaken;
    if mistaken.id is not null then
        if exists (select from omnicrm.threads where id = m.thread_id and owner_event = p_platform_id) then
            perform omnicrm.give_back(m.thread_id);
            update omnicrm.messages set status = 'queued', reason = null
            where thread_id = m.thread_id and direction = 'out' and status = 'withdrawn' and reason = p_platform_id;
        end if;
        update omnicrm.messages set status = mistaken.status where id = m.id and mistaken.status in ('delivered', 'read');
    end if;
end
$$;

create or replace function omnicrm.receive_inbound(e jsonb, p_burst_seconds float8, p_stale_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.resolve_thread(
        e #>> '{address,channel}', e #>> '{address,account}', e #>> '{address,user}', e #>> '{address,key}', e -> 'contact', e ->> 'sender');
    occurred timestamptz := (e ->> 'timestamp')::timestamptz;
    new_status text := 'received';
    new_reason text;
    issued boolean := false;
    -- An edit or a withdrawal of this message may have come before it.
    before omnicrm.platform_events;
    ready timestamptz := now() + make_interval(secs => p_burst_seconds);
    m_id bigint;
begin
    if e ->> 'payload' is not null then
        issued := exists (
            select from omnicrm.messages where thread_id = t.id and direction = 'out' and payloads @> array[e ->> 'payload']);
        if issued then
            ready := now();
        end if;
    end if;
    if e ->> 'silent' is not null then
        new_status := 'ignored'; new_reason := e ->> 'silent';
    elsif omnicrm.is_human(t) then
        new_status := 'ignored'; new_reason := 'human';
    elsif occurred < now() - make_interval(secs => p_stale_seconds) then
        new_status := 'ignored'; new_reason := 'stale';
    end if;

    if e ->> 'platform_id' is not null then
        select * into before from omnicrm.platform_events p
        where p.about = e ->> 'platform_id' and p.type in ('edit', 'unsend')
        order by (p.type = 'unsend') desc, (p.payload ->> 'timestamp')::timestamptz desc, p.key desc limit 1;
    end if;
    if before.type = 'unsend' then
        e := e || '{"text": null, "attachments": [], "title": null, "payload": null}';
        new_status := 'ignored'; new_reason := 'unsent';
    elsif before.type = 'edit' then
        e := e || jsonb_build_object('text', before.payload -> 'text');
    end if;

    insert into omnicrm.messages
        (thread_id, direction, author, status, reason, kind, text, content, event_key, platform_id, occurred_at, ready_at)
    values (t.id, 'in', 'customer', new_status, new_reason, e ->> 'kind', e ->> 'text',
        jsonb_strip_nulls(jsonb_build_object('payload', e -> 'payload', 'title', e -> 'title', 'issued', issued,
            'attachments', e -> 'attachments', 'reply_to', e -> 'reply_to', 'referral', e -> 'referral')),
        e ->> 'key', e ->> 'platform_id', occurred, ready)
    on conflict (event_key) do nothing
    returning id into m_id;
    if m_id is null then
        return jsonb_build_object('stored', false, 'thread', t.id);
    end if;

    if e #>> '{contact}' is not null then
        perform omnicrm.learn(t, e -> 'contact');
    end if;
    update omnicrm.threads set
        context = coalesce(e #> '{address,context}', context),
        -- While a worker holds the lease, due_at is the lease's end: releasing looks for what came meanwhile.
        due_at = case
            when new_status <> 'received' or lease_until > now() then due_at
            else least(due_at, ready) end,
        closed_at = null, closed_reason = null,
        window_until = greatest(window_until, occurred + make_interval(secs => (e ->> 'opens_window')::float8)),
        attention = case when new_reason = 'stale' then 'mensaje atrasado sin respuesta' else attention end,
        attention_since = case when new_reason = 'stale' then now() else attention_since end
    where id = t.id;
    update public.conversations set last_message_at = greatest(last_message_at, occurred) where id = t.conversation_id;
    return jsonb_build_object('stored', true, 'thread', t.id, 'message', m_id, 'due', new_status = 'received');
end
$$;

-- An echo is ours when its id, our reference or, for a send in flight, its words say so. All else is a person.
create or replace function omnicrm.receive_echo(e jsonb, p_takeover_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads := omnicrm.resolve_thread(e #>> '{address,channel}', e #>> '{address,account}', e #>> '{address,user}', e #>> '{address,key}');
    ours bigint;
    added bigint;
begin
    -- The worker that sent it settles under the same lock: without it, the settling could slip between the looks below.
    perform from omnicrm.threads where id = t.id for update;
    select id into ours from omnicrm.messages
    where thread_id = t.id and direction = 'out' and platform_id = e ->> 'platform_id' and event_key is null limit 1;
    if ours is null and e ->> 'reference' ~ '^omnicrm:\d+$' then
        select id into ours from omnicrm.messages
        where thread_id = t.id and direction = 'out' and id = substr(e ->> 'reference', 9)::bigint;
    end if;
    if ours is null and (e ->> 'own_app') is distinct from 'false' then
        select id into ours from omnicrm.messages
        where thread_id = t.id and direction = 'out' and status in ('sending', 'unknown') and platform_id is null
            and (omnicrm.squeeze(text) = omnicrm.squeeze(e ->> 'text')
                or (omnicrm.squeeze(e ->> 'text') is null and content ?| array['media', 'cards', 'buttons']))
        order by id limit 1;
    end if;
    if ours is not null then
        perform omnicrm.confirm_send(ours, e ->> 'platform_id');
        return jsonb_build_object('stored', true, 'thread', t.id, 'echo', 'own');
    end if;
    if (e ->> 'own_app')::boolean then
        return jsonb_build_object('stored', true, 'thread', t.id, 'echo', 'own');
    end if;

    insert into omnicrm.messages (thread_id, direction, author, status, kind, text, content, event_key, platform_id, occurred_at, sent_at)
    values (t.id, 'out', 'agent', 'sent', e ->> 'kind', e ->> 'text', jsonb_build_object('attachments', e -> 'attachments'),
        e ->> 'key', e ->> 'platform_id', (e ->> 'timestamp')::timestamptz, (e ->> 'timestamp')::timestamptz)
    on conflict (event_key) do nothing
    returning id into added;
    if added is null then
        return jsonb_build_object('stored', false, 'thread', t.id);
    end if;
    perform omnicrm.take_over(t.id, p_takeover_seconds, 'escribió una persona', e ->> 'platform_id');
    update omnicrm.threads set attention = null, attention_since = null where id = t.id;
    update public.conversations set last_message_at = greatest(last_message_at, (e ->> 'timestamp')::timestamptz) where id = t.conversation_id;
    return jsonb_build_object('stored', true, 'thread', t.id, 'echo', 'person');
end
$$;

-- An account that cannot send holds its queue until it can again. Returns whether something may go out now.
create or replace function omnicrm.receive_account_state(e jsonb) returns boolean
language plpgsql set search_path = '' as $$
declare
    -- Not infinity: nobody can subtract from it.
    until_mended constant timestamptz := '9999-01-01';
begin
    if not (e ->> 'ok')::boolean then
        if not exists (select from omnicrm.accounts a
            where a.channel = e ->> 'channel' and a.account = e ->> 'account' and a.paused_until = until_mended and a.paused_reason = e ->> 'reason')
        then
            perform omnicrm.raise_notice('channel_down', null, jsonb_build_object('reason', e ->> 'reason'), e ->> 'channel', e ->> 'account');
        end if;
        insert into omnicrm.accounts (channel, account, paused_until, paused_reason)
        values (e ->> 'channel', e ->> 'account', until_mended, e ->> 'reason')
        on conflict (channel, account) do update set paused_until = excluded.paused_until, paused_reason = excluded.paused_reason;
        return false;
    end if;
    update omnicrm.accounts set paused_until = null, paused_reason = null
    where channel = e ->> 'channel' and account = e ->> 'account' and paused_until > now();
    update omnicrm.threads set due_at = now()
    where channel = e ->> 'channel' and account = e ->> 'account' and due_at >= until_mended;
    return found;
end
$$;

-- One event. Messages go to messages; everything else is kept in platform_events and has its effect once.
create or replace function omnicrm.receive_one(e jsonb, p_burst_seconds float8, p_takeover_seconds float8, p_stale_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_thread bigint;
    added bigint;
begin
    if e ->> 'type' = 'inbound' then
        return omnicrm.receive_inbound(e, p_burst_seconds, p_stale_seconds);
    elsif e ->> 'type' = 'echo' then
        return omnicrm.receive_echo(e, p_takeover_seconds);
    end if;

    select id into v_thread from omnicrm.threads where key = e #>> '{address,key}';
    if v_thread is null and e ->> 'type' in ('receipt', 'edit') then
        -- Told without the customer, or under another of their ids: the message knows whose it is.
        select m.thread_id into v_thread from omnicrm.messages m
        where m.platform_id = coalesce(e ->> 'platform_id', e -> 'platform_ids' ->> 0) limit 1;
    end if;
    insert into omnicrm.platform_events (key, thread_id, type, name, about, payload)
    values (e ->> 'key', v_thread, e ->> 'type', coalesce(e ->> 'name', e ->> 'status', e ->> 'holder', e ->> 'reason'), e ->> 'platform_id',
        case e ->> 'type' when 'unsend' then e - 'raw' else e end)
    on conflict (key) do nothing
    returning id into added;
    if added is null then
        return jsonb_build_object('stored', false, 'thread', v_thread);
    end if;
    if e ->> 'type' = 'accountstate' then
        return jsonb_build_object('stored', true, 'due', omnicrm.receive_account_state(e));
    end if;
    if v_thread is null then
        return jsonb_build_object('stored', true);
    end if;

    case e ->> 'type'
        when 'receipt' then
            perform omnicrm.receive_receipt(e, v_thread);
        when 'edit' then
            -- Edits may come in any order: the latest by the platform's clock stands.
            update omnicrm.messages set text = (
                select p.payload ->> 'text' from omnicrm.platform_events p where p.about = e ->> 'platform_id' and p.type = 'edit'
                order by (p.payload ->> 'timestamp')::timestamptz desc, p.key desc limit 1)
            where thread_id = v_thread and platform_id = e ->> 'platform_id' and direction = 'in' and reason is distinct from 'unsent';
        when 'unsend' then
            update omnicrm.messages set text = null, content = '{}', reason = 'unsent',
                status = case when status = 'received' then 'ignored' else status end
            where thread_id = v_thread and platform_id = e ->> 'platform_id' and direction = 'in';
            update omnicrm.platform_events set payload = payload - 'text' - 'raw'
            where type = 'edit' and about = e ->> 'platform_id';
        when 'control' then
            if e ->> 'holder' = 'other' then
                perform omnicrm.take_over(v_thread, p_takeover_seconds, 'otra aplicación tomó la conversación', e ->> 'key', 'otra aplicación');
            else
                perform omnicrm.give_back(v_thread);
            end if;
        when 'fact' then
            update omnicrm.threads
            set window_until = greatest(window_until, (e ->> 'timestamp')::timestamptz + make_interval(secs => (e ->> 'opens_window')::float8))
            where id = v_thread and e ->> 'opens_window' is not null;
        else null;
    end case;
    return jsonb_build_object('stored', true, 'thread', v_thread);
end
$$;

-- Store a delivery: an array of events as connectors/message.py writes them. All or nothing, in one transaction; events
-- that are known already change nothing. Returns one object per event: {stored, thread?, message?, echo?}.
create or replace function public.omnicrm_receive(
    p_events jsonb, p_burst_seconds float8 default 0, p_takeover_seconds float8 default 43200, p_stale_seconds float8 default 21600
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    e jsonb;
    result jsonb;
    results jsonb := '[]';
    wake boolean := false;
begin
    -- One transaction at a time per conversation, so that the order of ids is the order of commits; in one order, so that
    -- two deliveries of the same conversations never wait for each other. What is vouched for is locked with them: it decides
    -- whose client this is.
    perform pg_advisory_xact_lock(hashtextextended(k.key, 0))
    from (
        select distinct l.key from jsonb_array_elements(p_events) x cross join lateral (values
            (x #>> '{address,key}'), ('phone:' || (x #>> '{contact,phone}')), ('email:' || (x #>> '{contact,email}'))) l (key)
        where l.key is not null order by 1) k;

    for e in select x from jsonb_array_elements(p_events) x loop
        result := omnicrm.receive_one(e, p_burst_seconds, p_takeover_seconds, p_stale_seconds);
        wake := wake or coalesce((result ->> 'due')::boolean, false);
        results := results || result;
    end loop;
    if wake then
        perform pg_notify('omnicrm_work', '');
    end if;
    return results;
end
$$;

create or replace function omnicrm.note_consent(t omnicrm.threads, p_state text) returns void
language sql set search_path = '' as $$
    update omnicrm.people set consent = consent || jsonb_build_object(t.channel, jsonb_build_object('state', p_state, 'at', now()))
    where client_id = t.client_id
$$;

-- What a customer says of themselves: kept with the message in which they said it. A phone or a mail address that is said is a
-- claim, not a proof: when it is another client's, a person decides.
create or replace function omnicrm.keep_statements(t omnicrm.threads, p_message bigint, p_said jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    s record;
    v_value text;
begin
    for s in select kind, p_said ->> kind as value from unnest(array['name', 'phone', 'email', 'city']) kind where p_said ->> kind is not null loop
        insert into omnicrm.statements (thread_id, message_id, kind, value) values (t.id, p_message, s.kind, s.value) on conflict do nothing;
        v_value := case s.kind when 'phone' then omnicrm.canonical_phone(s.value) when 'email' then omnicrm.canonical_email(s.value) end;
        if v_value is not null then
            perform omnicrm.add_identity(s.kind, v_value, '', t.client_id::text, 'said', false, 0.8);
        end if;
    end loop;
    update public.clients set
        -- What somebody says of themselves beats the name that a platform has for them, not the one that the shop has.
        name = case when platform_metadata ? 'name_from' or coalesce(name, '') = '' then coalesce(p_said ->> 'name', name, '') else name end,
        platform_metadata = coalesce(platform_metadata, '{}') - case when p_said ->> 'name' is null then '' else 'name_from' end
            || jsonb_build_object('contact', p_said - 'effect')
    where id = t.client_id;
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
                owner_reason = effect ->> 'reason', owner_event = null, person = null,
                attention = coalesce(effect ->> 'reason', 'pide una persona'), attention_since = now()
            where x.id = t.id and not omnicrm.is_human(x);
            if found then
                perform omnicrm.raise_notice('handover', t.id, jsonb_build_object('reason', effect ->> 'reason'));
            end if;
        when 'attention' then
            update omnicrm.threads set attention = coalesce(effect ->> 'reason', effect ->> 'kind'), attention_since = now() where id = t.id;
            if effect ->> 'kind' = 'complaint' then
                perform omnicrm.raise_notice('complaint', t.id, jsonb_build_object('reason', effect ->> 'reason'));
            end if;
        when 'opt_out' then
            update omnicrm.threads set opted_out = true where id = t.id;
            perform omnicrm.note_consent(t, 'out');
        when 'opt_in' then
            update omnicrm.threads set opted_out = false where id = t.id;
            perform omnicrm.note_consent(t, 'in');
        when 'order' then
            insert into omnicrm.orders (thread_id, message_id, sequence, product, quantity)
            values (t.id, p_message, p_sequence, effect ->> 'product', (effect ->> 'quantity')::numeric)
            on conflict do nothing;
            if found then
                perform omnicrm.raise_notice('hot_lead', t.id, jsonb_build_object('product', effect ->> 'product', 'quantity', effect -> 'quantity'));
            end if;
        when 'contact' then
            perform omnicrm.keep_statements(t, p_message, effect);
        else
            raise exception 'unknown effect %', effect ->> 'effect' using errcode = '22023';
    end case;
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
        perform omnicrm.raise_notice('channel_down', null, jsonb_build_object('reason', s -> 'error' ->> 'detail'), t.channel, t.account);
    elsif outcome = 'unknown' then
        update omnicrm.messages set status = 'unknown', error = s -> 'error' where id = m.id;
        update omnicrm.threads set attention = 'envío sin confirmar', attention_since = now() where id = t.id;
    else
        update omnicrm.messages set status = 'failed', reason = outcome, error = s -> 'error' where id = m.id;
        update omnicrm.threads set attention = 'no se pudo enviar: ' || outcome, attention_since = now() where id = t.id;
        perform omnicrm.raise_notice('send_failed', t.id, jsonb_build_object('reason', outcome));
        if outcome in ('unreachable', 'window') then
            update omnicrm.messages set status = 'failed', reason = outcome
            where thread_id = t.id and direction = 'out' and status = 'queued' and author = 'bot';
        elsif outcome = 'not_ours' then
            perform omnicrm.take_over(t.id, p_takeover_seconds, 'otra aplicación tiene la conversación', null, 'otra aplicación');
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
            perform omnicrm.raise_notice('send_failed', t.id, '{"reason": "expired"}');
        elsif t.window_until < now() then
            update omnicrm.messages set status = 'failed', reason = 'window' where id = m.id;
            update omnicrm.threads set attention = 'no se pudo enviar: window', attention_since = now() where id = t.id;
            perform omnicrm.raise_notice('send_failed', t.id, '{"reason": "window"}');
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
                where m.thread_id = t.id and m.direction = 'out' and m.event_key is null order by m.id desc limit 1))
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

-- What the platform knows of a customer; never overwrites what is there. A client that was imported under this very username of
-- this very account is the same person: the import knew no ids, the webhook no names.
create or replace function public.omnicrm_set_profile(p_thread bigint, p_name text, p_username text, p_picture_url text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    t omnicrm.threads;
    v_imported text;
    m_id bigint;
begin
    update omnicrm.threads set profile_checked_at = now() where id = p_thread returning * into t;
    if t.id is null then
        return jsonb_build_object('stored', false);
    end if;
    if t.channel = 'IG' and p_username is not null then
        select i.client_id::text into v_imported from omnicrm.client_identities i
        where i.kind = 'instagram_username' and i.value = lower(p_username) and i.account in (t.account, '') and i.client_id <> t.client_id
            -- An imported client who has written under another id since has lost that username to somebody else.
            and not exists (select from omnicrm.client_identities o where o.client_id = i.client_id and o.kind = 'instagram')
        order by i.account desc limit 1;
        if v_imported is not null and not omnicrm.is_refused(v_imported, t.client_id::text) then
            m_id := omnicrm.merge_clients(v_imported, t.client_id::text, 'imported_username',
                jsonb_build_object('kind', 'instagram_username', 'value', lower(p_username), 'account', t.account), 'bot');
            select * into t from omnicrm.threads where id = p_thread;
        end if;
    end if;
    update public.clients set
        name = coalesce(nullif(name, ''), p_name, ''),
        instagram_username = case when t.channel = 'IG' then coalesce(instagram_username, p_username) else instagram_username end,
        platform_metadata = coalesce(platform_metadata, '{}') || jsonb_strip_nulls(jsonb_build_object(
            lower(t.channel) || '_picture_url', p_picture_url,
            'name_from', case when coalesce(name, '') = '' and p_name is not null then lower(t.channel) end))
    where id = t.client_id;
    return jsonb_strip_nulls(jsonb_build_object('stored', true, 'merge', m_id));
end
$$;

-- One conversation as the shop sees it.
create or replace function public.omnicrm_conversation(p_key text) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'key', t.key, 'conversation', t.conversation_id, 'channel', t.channel,
        'owner', case when omnicrm.is_human(t) then 'human' else 'bot' end, 'owner_reason', t.owner_reason, 'owner_until', t.owner_until,
        'state', omnicrm.state_of(t), 'person', t.person, 'stage', p.stage, 'tags', to_jsonb(p.tags),
        'proposals', (select coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'score', x.score, 'evidence', x.evidence) order by x.id), '[]')
            from omnicrm.proposals x where x.status = 'open' and t.client_id in (x.client_a, x.client_b)),
        'opted_out', t.opted_out, 'attention', t.attention, 'dialogue', t.dialogue,
        'client', jsonb_build_object('id', c.id, 'name', nullif(c.name, ''), 'username', c.instagram_username, 'phone', c.phone, 'email', c.email),
        'orders', (select coalesce(jsonb_agg(jsonb_build_object('product', o.product, 'quantity', o.quantity) order by o.id), '[]') from omnicrm.orders o where o.thread_id = t.id),
        'messages', (
            select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'direction', m.direction, 'author', m.author, 'status', m.status,
                'reason', m.reason, 'kind', m.kind, 'text', m.text, 'content', m.content, 'platform_id', m.platform_id,
                'answers', m.answers, 'attempts', m.attempts, 'error', m.error, 'created_at', m.created_at) order by m.id), '[]')
            from (select * from omnicrm.messages x where x.thread_id = t.id order by x.id desc limit 500) m))
    from omnicrm.threads t join public.clients c on c.id = t.client_id join omnicrm.people p on p.client_id = c.id where t.key = p_key
$$;

-- The state of the whole: counts, ages of what waits, accounts that stand still, conversations that wait for a person.
create or replace function public.omnicrm_overview() returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'clients', (select count(*) from omnicrm.people where merged_into is null),
        'proposals', (select count(*) from omnicrm.proposals where status = 'open'),
        'conversations', (select count(*) from omnicrm.threads),
        'messages', (select coalesce(jsonb_object_agg(s.name, s.n), '{}') from (
            select direction || ' ' || status as name, count(*) as n from omnicrm.messages group by 1) s),
        'events', (select coalesce(jsonb_object_agg(s.type, s.n), '{}') from (
            select type, count(*) as n from omnicrm.platform_events group by 1) s),
        'oldest_received_seconds', (select extract(epoch from now() - min(ready_at)) from omnicrm.messages where status = 'received'),
        'oldest_queued_seconds', (select extract(epoch from now() - min(created_at)) from omnicrm.messages where status = 'queued'),
        'paused', (select coalesce(jsonb_agg(jsonb_build_object('channel', channel, 'account', account, 'until', paused_until, 'reason', paused_reason)), '[]')
            from omnicrm.accounts where paused_until > now()),
        'attention', (select coalesce(jsonb_agg(jsonb_build_object('key', key, 'reason', attention, 'since', attention_since) order by attention_since), '[]')
            from (select * from omnicrm.threads where attention is not null order by attention_since limit 100) x))
$$;
