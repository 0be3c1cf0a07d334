-- Contacts from a file, and enrichment of the clients that are there: each run is a batch that can be taken back.
-- The rows of a file come into temporary tables of the caller's transaction; the functions here do the rest, set by set.

do $$
declare
    client_type text := (
        select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'public.clients'::regclass and attname = 'id'
    );
begin
    create table if not exists omnicrm.batches (
        id bigint primary key,
        kind text not null check (kind in ('import', 'sync')),
        source text not null,
        status text not null default 'running' check (status in ('running', 'applied', 'undone')),
        -- Where a run that goes in chunks goes on.
        cursor jsonb not null default '{}',
        report jsonb not null default '{}',
        by text not null,
        created_at timestamptz not null default clock_timestamp(),
        finished_at timestamptz,
        undone_at timestamptz,
        undone_by text,
        undone jsonb
    );
    -- What a batch did to a client, so that it can be taken back where it still stands.
    execute format(
        'create table if not exists omnicrm.batch_changes (
            id bigint generated always as identity primary key,
            batch_id bigint not null references omnicrm.batches (id) on delete cascade,
            client_id %s not null references public.clients (id) on delete cascade,
            what text not null check (what in (''client'', ''column'', ''identity'', ''tag'', ''attribution'', ''proposal'')),
            name text not null default '''',
            account text not null default '''',
            before text,
            after text)',
        client_type
    );
end
$$;
create index if not exists batch_changes_batch_idx on omnicrm.batch_changes (batch_id, what);
create index if not exists batch_changes_client_idx on omnicrm.batch_changes (client_id);
-- Taking a client back looks for conversations of theirs.
create index if not exists conversations_client_idx on public.conversations (client_id);

-- One batch at a time: a number that is not given back by a dry run would leave gaps that ask for an explanation.
create or replace function omnicrm.open_batch(p_kind text, p_source text, p_by text) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
begin
    if not pg_try_advisory_xact_lock(hashtextextended('omnicrm.batch', 0)) then
        raise exception 'another import runs just now' using errcode = 'OC409';
    end if;
    insert into omnicrm.batches (id, kind, source, by)
    select coalesce(max(id), 0) + 1, p_kind, p_source, p_by from omnicrm.batches
    returning id into v_id;
    return v_id;
end
$$;

-- All that is known of a client, as one word: another word later means that something touched it.
create or replace function omnicrm.client_print(c public.clients) returns text
language sql stable set search_path = '' as $$
    select md5(concat_ws('|', (to_jsonb(c) - 'updated_at')::text,
        (select to_jsonb(p)::text from omnicrm.people p where p.client_id = c.id),
        (select jsonb_agg(to_jsonb(i) order by i.kind, i.value, i.account)::text from omnicrm.client_identities i where i.client_id = c.id)))
$$;

-- The tables that a file's rows are copied into. They go with the transaction.
create or replace function omnicrm.import_open() returns void
language plpgsql set search_path = '' as $$
begin
    create temporary table import_rows (
        number integer not null, place text not null, name text, phone text, email text, instagram_username text, instagram_id text,
        messenger_id text, facebook_id text, vambe_id text, channel text, tags jsonb, attribution jsonb, customer boolean
    ) on commit drop;
    -- What the report says of single rows.
    create temporary table import_notes (number integer not null, field text not null, reason text not null) on commit drop;
end
$$;

-- Which keys each row has. Not among them: a phone or mail that many people share, and one that a client only said to have.
create or replace function omnicrm.import_keys(p_instagram text, p_page text) returns void
language plpgsql set search_path = '' as $$
declare
    most_names constant integer := 5;
begin
    create temporary table import_keys on commit drop as
    select r.number, v.kind, v.value, v.account
    from pg_temp.import_rows r cross join lateral (values
        ('vambe', r.vambe_id, ''), ('phone', r.phone, ''), ('email', r.email, ''), ('instagram', r.instagram_id, p_instagram),
        ('messenger', r.messenger_id, p_page), ('facebook', r.facebook_id, ''), ('instagram_username', r.instagram_username, p_instagram)
    ) v (kind, value, account)
    where v.value is not null;
    create index on pg_temp.import_keys (kind, value);
    analyze pg_temp.import_keys;

    create temporary table import_left_out on commit drop as
    select k.number, k.kind, k.value, i.client_id, 'said' as why
    from pg_temp.import_keys k join omnicrm.client_identities i on i.kind = k.kind and i.value = k.value and i.account = '' and not i.verified
    where k.kind in ('phone', 'email');
    insert into pg_temp.import_left_out (number, kind, value, why)
    select k.number, k.kind, k.value, 'shared'
    from pg_temp.import_keys k join (
        select x.kind, x.value from pg_temp.import_keys x join pg_temp.import_rows r on r.number = x.number
        where x.kind in ('phone', 'email')
        group by 1, 2 having count(*) > most_names and count(distinct coalesce(omnicrm.plain(r.name), x.number::text)) > most_names) s
        on s.kind = k.kind and s.value = k.value;
    delete from pg_temp.import_keys k using pg_temp.import_left_out o where o.number = k.number and o.kind = k.kind and o.value = k.value;
    update pg_temp.import_rows r set
        phone = case when exists (select from pg_temp.import_left_out o where o.number = r.number and o.kind = 'phone') then null else r.phone end,
        email = case when exists (select from pg_temp.import_left_out o where o.number = r.number and o.kind = 'email') then null else r.email end
    where r.number in (select number from pg_temp.import_left_out);
    insert into pg_temp.import_notes (number, field, reason)
    select distinct number, kind, why from pg_temp.import_left_out;
end
$$;

-- Rows of one person have one root: the first row among all that share a key, directly or through others.
create or replace function omnicrm.import_join() returns void
language plpgsql set search_path = '' as $$
begin
    create temporary table import_roots on commit drop as select distinct number, number as root from pg_temp.import_keys;
    alter table pg_temp.import_roots add primary key (number);
    create temporary table import_links on commit drop as
    select k.number, dense_rank() over (order by k.kind, k.value, k.account) as link
    from pg_temp.import_keys k join (
        select kind, value, account from pg_temp.import_keys group by 1, 2, 3 having count(*) > 1) s
        on s.kind = k.kind and s.value = k.value and s.account = k.account;
    analyze pg_temp.import_roots;
    analyze pg_temp.import_links;
    loop
        update pg_temp.import_roots g set root = m.root
        from (
            select l.number, min(x.root) as root
            from pg_temp.import_links l join (
                select y.link, min(h.root) as root from pg_temp.import_links y join pg_temp.import_roots h on h.number = y.number group by 1) x
                on x.link = l.link
            group by 1) m
        where m.number = g.number and m.root < g.root;
        exit when not found;
    end loop;
    create index on pg_temp.import_roots (root);
    analyze pg_temp.import_roots;
end
$$;

-- One line per person of the file: the first value of each field, all tags, and the clients that their keys belong to.
create or replace function omnicrm.import_match() returns void
language plpgsql set search_path = '' as $$
begin
    create temporary table import_hits on commit drop as
    select distinct g.root, i.client_id
    from pg_temp.import_keys k
    join pg_temp.import_roots g on g.number = k.number
    join omnicrm.client_identities i on i.kind = k.kind and i.value = k.value
        and case when k.kind in ('instagram', 'messenger', 'instagram_username') then k.account = '' or i.account in (k.account, '')
            -- The address of a mail conversation counts where the mail was proven.
            else i.account = '' or k.kind = 'email' and i.verified end;

    create temporary table import_people on commit drop as
    select g.root, count(*) as rows, null::text as outcome,
        (array_agg(r.name order by r.number) filter (where r.name is not null))[1] as name,
        (array_agg(r.phone order by r.number) filter (where r.phone is not null))[1] as phone,
        (array_agg(r.email order by r.number) filter (where r.email is not null))[1] as email,
        (array_agg(r.instagram_username order by r.number) filter (where r.instagram_username is not null))[1] as instagram_username,
        (array_agg(r.instagram_id order by r.number) filter (where r.instagram_id is not null))[1] as instagram_id,
        (array_agg(r.messenger_id order by r.number) filter (where r.messenger_id is not null))[1] as messenger_id,
        (array_agg(r.facebook_id order by r.number) filter (where r.facebook_id is not null))[1] as facebook_id,
        (array_agg(r.vambe_id order by r.number) filter (where r.vambe_id is not null))[1] as vambe_id,
        bool_or(r.customer) as customer
    from pg_temp.import_roots g join pg_temp.import_rows r on r.number = g.number
    group by g.root;
    alter table pg_temp.import_people add primary key (root);
    analyze pg_temp.import_people;
    update pg_temp.import_people p set outcome = case h.n when 1 then 'matched' else 'ambiguous' end
    from (select root, count(*) as n from pg_temp.import_hits group by 1) h where h.root = p.root;
    update pg_temp.import_people set outcome = 'created' where outcome is null;
    analyze pg_temp.import_people;

    -- The client of each person: the one that was found, or the one that import_create makes.
    create temporary table import_clients on commit drop as
    select p.root, h.client_id from pg_temp.import_people p join pg_temp.import_hits h on h.root = p.root where p.outcome = 'matched';
    alter table pg_temp.import_clients add primary key (root);

    -- Rows of one person that contradict each other: the first stands.
    insert into pg_temp.import_notes (number, field, reason)
    select r.number, v.field, 'repeated'
    from pg_temp.import_people p
    join pg_temp.import_roots g on g.root = p.root
    join pg_temp.import_rows r on r.number = g.number
    cross join lateral (values
        ('name', omnicrm.plain(r.name), omnicrm.plain(p.name)), ('phone', r.phone, p.phone), ('email', r.email, p.email),
        ('instagram_username', r.instagram_username, p.instagram_username), ('instagram_id', r.instagram_id, p.instagram_id),
        ('messenger_id', r.messenger_id, p.messenger_id), ('facebook_id', r.facebook_id, p.facebook_id)) v (field, value, chosen)
    where p.rows > 1 and v.value <> v.chosen;
end
$$;

-- Make clients of up to p_most persons of the file that nobody is yet, after p_after, in the order of the file. Returns the last
-- one's root; null when there was none.
create or replace function omnicrm.import_create(p_after integer, p_most integer) returns integer
language plpgsql set search_path = '' as $$
declare
    p record;
    v_id public.clients.id%type;
    last_root integer;
begin
    perform set_config('omnicrm.bulk', 'on', true);
    for p in
        select x.* from pg_temp.import_people x where x.outcome = 'created' and x.root > p_after order by x.root limit p_most
    loop
        insert into public.clients
            (name, phone, email, instagram_username, instagram_id, messenger_id, facebook_id, vambe_contact_id, platform_metadata)
        values (coalesce(p.name, ''), p.phone, p.email, p.instagram_username, p.instagram_id, p.messenger_id, p.facebook_id, p.vambe_id,
            -- What customers say of themselves beats the name that a program had for them.
            case when p.name is null then '{}'::jsonb else '{"name_from": "import"}' end)
        returning id into v_id;
        insert into pg_temp.import_clients (root, client_id) values (p.root, v_id);
        last_root := p.root;
    end loop;
    return last_root;
end
$$;

-- Fill what the found clients lack, and note what contradicts them. Never overwrites.
create or replace function omnicrm.import_fill(p_batch bigint) returns void
language plpgsql set search_path = '' as $$
begin
    perform set_config('omnicrm.bulk', 'on', true);
    -- Sizes may have changed by orders of magnitude a moment ago, and nobody else counts temporary tables.
    create index on pg_temp.import_clients (client_id);
    analyze pg_temp.import_clients;
    analyze public.clients;
    perform from public.clients c where c.id in (
        select m.client_id from pg_temp.import_clients m join pg_temp.import_people p on p.root = m.root where p.outcome = 'matched')
    order by c.id for update;

    create temporary table import_fields on commit drop as
    select p.root, m.client_id, v.field, v.present, v.offered,
        coalesce(v.present, '') = '' as missing, v.same is not true as differs
    from pg_temp.import_people p join pg_temp.import_clients m on m.root = p.root join public.clients c on c.id = m.client_id
    cross join lateral (values
        ('name', c.name, p.name, omnicrm.plain(omnicrm.squeeze(c.name)) = omnicrm.plain(omnicrm.squeeze(p.name))),
        ('phone', c.phone, p.phone, omnicrm.canonical_phone(c.phone) = p.phone),
        ('email', c.email, p.email, lower(btrim(c.email)) = p.email),
        ('instagram_username', c.instagram_username, p.instagram_username, lower(ltrim(btrim(c.instagram_username), '@')) = p.instagram_username),
        ('instagram_id', c.instagram_id, p.instagram_id, c.instagram_id = p.instagram_id),
        ('messenger_id', c.messenger_id, p.messenger_id, c.messenger_id = p.messenger_id),
        ('facebook_id', c.facebook_id, p.facebook_id, c.facebook_id = p.facebook_id),
        -- A client may have been several contacts there.
        ('vambe_contact_id', c.vambe_contact_id, p.vambe_id, true)) v (field, present, offered, same)
    where p.outcome = 'matched' and v.offered is not null;

    insert into omnicrm.batch_changes (batch_id, client_id, what, name, before, after)
    select p_batch, f.client_id, 'column', f.field, f.present, f.offered from pg_temp.import_fields f where f.missing;
    insert into omnicrm.batch_changes (batch_id, client_id, what, name, before, after)
    select p_batch, f.client_id, 'column', 'name_from', c.platform_metadata ->> 'name_from', 'import'
    from pg_temp.import_fields f join public.clients c on c.id = f.client_id where f.missing and f.field = 'name';
    update public.clients c set
        name = coalesce(x.fill ->> 'name', c.name), phone = coalesce(x.fill ->> 'phone', c.phone), email = coalesce(x.fill ->> 'email', c.email),
        instagram_username = coalesce(x.fill ->> 'instagram_username', c.instagram_username),
        instagram_id = coalesce(x.fill ->> 'instagram_id', c.instagram_id), messenger_id = coalesce(x.fill ->> 'messenger_id', c.messenger_id),
        facebook_id = coalesce(x.fill ->> 'facebook_id', c.facebook_id),
        vambe_contact_id = coalesce(x.fill ->> 'vambe_contact_id', c.vambe_contact_id),
        platform_metadata = case when x.fill ? 'name'
            then coalesce(c.platform_metadata, '{}') || '{"name_from": "import"}' else c.platform_metadata end
    from (select f.client_id, jsonb_object_agg(f.field, f.offered) as fill from pg_temp.import_fields f where f.missing group by 1) x
    where c.id = x.client_id;
    insert into pg_temp.import_notes (number, field, reason)
    select f.root, f.field, 'differs' from pg_temp.import_fields f where not f.missing and f.differs;
end
$$;

-- Identities, tags and attribution of everybody whom the file names.
create or replace function omnicrm.import_know(p_batch bigint, p_instagram text, p_page text) returns void
language plpgsql set search_path = '' as $$
begin
    perform set_config('omnicrm.bulk', 'on', true);
    create index on pg_temp.import_fields (root);
    analyze pg_temp.import_fields;
    with wanted as (
        select distinct on (v.kind, v.value, v.account) m.client_id, p.outcome, v.kind, v.value, v.account
        from pg_temp.import_people p join pg_temp.import_clients m on m.root = p.root
        cross join lateral (values
            ('phone', p.phone, '', 'phone'), ('email', p.email, '', 'email'), ('instagram', p.instagram_id, p_instagram, 'instagram_id'),
            ('messenger', p.messenger_id, p_page, 'messenger_id'), ('facebook', p.facebook_id, '', 'facebook_id'),
            ('instagram_username', p.instagram_username, p_instagram, 'instagram_username')) v (kind, value, account, field)
        where v.value is not null
            and not exists (
                select from pg_temp.import_fields d where d.root = p.root and d.field = v.field and not d.missing and d.differs)
        union
        select m.client_id, p.outcome, 'vambe', r.vambe_id, ''
        from pg_temp.import_rows r join pg_temp.import_roots g on g.number = r.number
        join pg_temp.import_people p on p.root = g.root join pg_temp.import_clients m on m.root = p.root
        where r.vambe_id is not null
    ), added as (
        insert into omnicrm.client_identities (kind, value, account, client_id, source)
        select w.kind, w.value, w.account, w.client_id, 'import' from wanted w
        where w.outcome = 'created' or not exists (
            select from omnicrm.client_identities i
            where i.kind = w.kind and i.value = w.value and (i.account in (w.account, '') or w.account = '' and w.kind not in ('phone', 'email')))
        on conflict do nothing
        returning kind, value, account, client_id
    )
    insert into omnicrm.batch_changes (batch_id, client_id, what, name, account, after)
    select p_batch, a.client_id, 'identity', a.kind, a.account, a.value from added a
    join pg_temp.import_clients m on m.client_id = a.client_id join pg_temp.import_people p on p.root = m.root and p.outcome = 'matched';

    create temporary table import_told on commit drop as
    select m.client_id, p.outcome, p.customer, coalesce(t.tags, '{}') as tags, coalesce(a.attribution, '{}') as attribution
    from pg_temp.import_people p join pg_temp.import_clients m on m.root = p.root
    left join (
        select y.root, array_agg(y.tag order by y.number, y.place) as tags
        from (
            select distinct on (g.root, x.tag) g.root, x.tag, r.number, x.place
            from pg_temp.import_roots g join pg_temp.import_rows r on r.number = g.number
            cross join lateral jsonb_array_elements_text(r.tags) with ordinality x (tag, place)
            order by g.root, x.tag, r.number, x.place) y
        group by 1) t on t.root = p.root
    left join (
        -- Of a key that comes twice, jsonb keeps the last: here the first row's.
        select g.root, jsonb_object_agg(x.key, x.value order by r.number desc) as attribution
        from pg_temp.import_roots g join pg_temp.import_rows r on r.number = g.number cross join lateral jsonb_each(r.attribution) x
        group by 1) a on a.root = p.root;
    analyze pg_temp.import_told;
    insert into omnicrm.people (client_id, stage, stage_reason, stage_by, tags, attribution)
    select t.client_id, case when t.customer then 'customer' else 'lead' end, case when t.customer then 'import' end,
        case when t.customer then 'import' end, t.tags, t.attribution
    from pg_temp.import_told t where t.outcome = 'created'
    on conflict (client_id) do update set
        stage = excluded.stage, stage_reason = excluded.stage_reason, stage_by = excluded.stage_by, tags = excluded.tags,
        attribution = excluded.attribution;
    insert into omnicrm.people (client_id) select client_id from pg_temp.import_told on conflict do nothing;
    insert into omnicrm.batch_changes (batch_id, client_id, what, name)
    select p_batch, t.client_id, 'tag', x.tag
    from pg_temp.import_told t join omnicrm.people p on p.client_id = t.client_id cross join lateral unnest(t.tags) x (tag)
    where t.outcome = 'matched' and x.tag <> all (p.tags);
    insert into omnicrm.batch_changes (batch_id, client_id, what, name, after)
    select p_batch, t.client_id, 'attribution', x.key, x.value::text
    from pg_temp.import_told t join omnicrm.people p on p.client_id = t.client_id cross join lateral jsonb_each(t.attribution) x
    where t.outcome = 'matched' and not p.attribution ? x.key;
    update omnicrm.people p set
        tags = p.tags || array(select x.tag from unnest(t.tags) x (tag) where x.tag <> all (p.tags)),
        attribution = t.attribution || p.attribution
    from pg_temp.import_told t
    where t.client_id = p.client_id and t.outcome = 'matched' and not (t.tags <@ p.tags and p.attribution @> (t.attribution || p.attribution));
end
$$;

-- Open a proposal unless there is one about these two, decided or not. Returns whether it is new.
create or replace function omnicrm.propose_once(p_batch bigint, p_first text, p_second text, p_score numeric, p_evidence jsonb) returns boolean
language plpgsql set search_path = '' as $$
declare
    one public.clients.id%type := p_first;
    two public.clients.id%type := p_second;
begin
    if one = two or exists (select from omnicrm.proposals where client_a = least(one, two) and client_b = greatest(one, two)) then
        return false;
    end if;
    insert into omnicrm.batch_changes (batch_id, client_id, what, after)
    values (p_batch, one, 'proposal', omnicrm.propose(p_first, p_second, p_score, p_evidence)::text);
    return true;
end
$$;

-- What a person has to decide: keys of one row that belong to two clients, keys that a client only said to have, and clients who
-- write under the username of a new one.
create or replace function omnicrm.import_propose(p_batch bigint) returns integer
language plpgsql set search_path = '' as $$
declare
    pair record;
    n integer := 0;
begin
    for pair in
        select a.client_id::text as one, b.client_id::text as two, 0.9 as score,
            jsonb_build_object('how', 'import', 'batch', p_batch, 'row', (select r.place from pg_temp.import_rows r where r.number = a.root)) as evidence
        from (select h.root, min(h.client_id::text) as first from pg_temp.import_hits h group by 1 having count(*) > 1) f
        join pg_temp.import_hits a on a.root = f.root and a.client_id::text = f.first
        join pg_temp.import_hits b on b.root = f.root and b.client_id::text <> f.first
        union all
        select m.client_id::text, o.client_id::text, 0.7, jsonb_build_object('how', 'import', 'batch', p_batch, 'kind', o.kind, 'value', o.value)
        from pg_temp.import_left_out o
        join pg_temp.import_roots g on g.number = o.number join pg_temp.import_clients m on m.root = g.root
        where o.why = 'said' and o.client_id <> m.client_id
        union all
        select m.client_id::text, c.id::text, 0.9,
            jsonb_build_object('how', 'import', 'batch', p_batch, 'kind', 'instagram_username', 'value', p.instagram_username)
        from pg_temp.import_people p join pg_temp.import_clients m on m.root = p.root
        join public.clients c on lower(c.instagram_username) = p.instagram_username and c.id <> m.client_id
        where p.instagram_username is not null and exists (
            select from omnicrm.client_identities i where i.client_id = c.id and i.kind = 'instagram')
    loop
        n := n + omnicrm.propose_once(p_batch, pair.one, pair.two, pair.score, pair.evidence)::integer;
    end loop;
    return n;
end
$$;

-- Note what was made, and say what came of every row: {"outcomes": {…}, "channels": {…}, "filled": {…}, …}.
create or replace function omnicrm.import_finish(p_batch bigint) returns jsonb
language plpgsql set search_path = '' as $$
declare
    n_proposals integer;
begin
    analyze omnicrm.client_identities;
    analyze omnicrm.people;
    n_proposals := omnicrm.import_propose(p_batch);
    insert into omnicrm.batch_changes (batch_id, client_id, what, after)
    -- As omnicrm.client_print, for all at once.
    select p_batch, c.id, 'client', md5(concat_ws('|', (to_jsonb(c) - 'updated_at')::text, to_jsonb(k)::text, i.known::text))
    from pg_temp.import_people p join pg_temp.import_clients m on m.root = p.root join public.clients c on c.id = m.client_id
    join omnicrm.people k on k.client_id = c.id
    left join (
        select x.client_id, jsonb_agg(to_jsonb(x) order by x.kind, x.value, x.account) as known
        from omnicrm.client_identities x join pg_temp.import_clients y on y.client_id = x.client_id group by 1) i on i.client_id = c.id
    where p.outcome = 'created';
    analyze omnicrm.batch_changes;
    update pg_temp.import_people p set outcome = case when exists (
            select from omnicrm.batch_changes b where b.client_id = m.client_id and b.batch_id = p_batch and b.what <> 'proposal')
        then 'updated' else 'same' end
    from pg_temp.import_clients m where m.root = p.root and p.outcome = 'matched';

    create temporary table import_outcomes on commit drop as
    select r.number, r.place, r.channel, r.phone is null as without_phone,
        case when g.root is null then 'left_out' when g.root <> r.number then 'joined' else p.outcome end as outcome
    from pg_temp.import_rows r left join pg_temp.import_roots g on g.number = r.number left join pg_temp.import_people p on p.root = g.root;
    return jsonb_build_object(
        'outcomes', (select coalesce(jsonb_object_agg(o.outcome, o.n), '{}') from (
            select outcome, count(*) as n from pg_temp.import_outcomes group by 1) o),
        'channels', (select coalesce(jsonb_object_agg(o.channel, o.outcomes), '{}') from (
            select c.channel, jsonb_object_agg(c.outcome, c.n) as outcomes from (
                select coalesce(channel, '') as channel, outcome, count(*) as n from pg_temp.import_outcomes group by 1, 2) c group by 1) o),
        'without_phone', (select count(*) from pg_temp.import_outcomes where without_phone),
        'filled', (select coalesce(jsonb_object_agg(f.name, f.n), '{}') from (
            select case what when 'column' then name when 'identity' then 'identity' else what end as name, count(*) as n
            from omnicrm.batch_changes where batch_id = p_batch and what not in ('client', 'proposal') and name <> 'name_from' group by 1) f),
        'proposals', n_proposals);
end
$$;

-- --- taking a batch back --------------------------------------------------------------------------------------------------

-- Why a client that a batch made must stay; null: nothing touched it since.
create or replace function omnicrm.kept_because(c public.clients, p_print text, p_used jsonb) returns text
language sql stable set search_path = '' as $$
    select case
        when exists (select from omnicrm.threads t where t.client_id = c.id) then 'wrote'
        when exists (select from public.conversations v where v.client_id = c.id) then 'conversation'
        when exists (select from omnicrm.merges m where c.id in (m.kept, m.gone)) then 'merged'
        when p_used ? c.id::text then 'used'
        when omnicrm.client_print(c) <> p_print then 'changed' end
$$;

-- Give a client's fields the values from before a batch, each only where it still holds what the batch wrote.
create or replace function omnicrm.restore_fields(c public.clients, p_fields jsonb) returns public.clients
language plpgsql stable set search_path = '' as $$
declare
    present jsonb := to_jsonb(c);
    f record;
begin
    for f in select key, value ->> 'before' as before, value ->> 'after' as after from jsonb_each(p_fields) loop
        if f.key = 'name_from' and c.platform_metadata ->> 'name_from' = f.after then
            c.platform_metadata := c.platform_metadata - 'name_from'
                || case when f.before is null then '{}'::jsonb else jsonb_build_object('name_from', f.before) end;
        elsif f.key <> 'name_from' and present ->> f.key is not distinct from f.after then
            c.name := case when f.key = 'name' then f.before else c.name end;
            c.phone := case when f.key = 'phone' then f.before else c.phone end;
            c.email := case when f.key = 'email' then f.before else c.email end;
            c.instagram_username := case when f.key = 'instagram_username' then f.before else c.instagram_username end;
            c.instagram_id := case when f.key = 'instagram_id' then f.before else c.instagram_id end;
            c.messenger_id := case when f.key = 'messenger_id' then f.before else c.messenger_id end;
            c.facebook_id := case when f.key = 'facebook_id' then f.before else c.facebook_id end;
            c.tiktok_id := case when f.key = 'tiktok_id' then f.before else c.tiktok_id end;
            c.vambe_contact_id := case when f.key = 'vambe_contact_id' then f.before else c.vambe_contact_id end;
        end if;
    end loop;
    return c;
end
$$;

-- Take back what a batch did to clients that were there before. Whoever was joined to another client since stays as it is, and
-- so does an identity under which somebody writes. Returns {"fields", "identities", "tags", "attribution", "left": [[client, why]]}.
create or replace function omnicrm.undo_fills(p_batch bigint, p_since timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    b record;
    c public.clients;
    old public.clients;
    kinds constant jsonb := '{"phone": "phone", "email": "email", "instagram_id": "instagram", "messenger_id": "messenger",
        "facebook_id": "facebook", "tiktok_id": "tiktok", "vambe_contact_id": "vambe", "instagram_username": "instagram_username"}';
    v_fields jsonb;
    used jsonb;
    gone jsonb;
    n_fields integer := 0;
    n_identities integer := 0;
    n integer;
    v_left jsonb := '[]';
begin
    for b in
        select x.client_id,
            coalesce(jsonb_object_agg(x.name, jsonb_build_object('before', x.before, 'after', x.after)) filter (where x.what = 'column'), '{}') as fields,
            coalesce(jsonb_agg(jsonb_build_array(x.name, x.after, x.account)) filter (where x.what = 'identity'), '[]') as identities,
            array_agg(x.name) filter (where x.what = 'tag') as tags,
            coalesce(jsonb_object_agg(x.name, x.after::jsonb) filter (where x.what = 'attribution'), '{}') as told
        from omnicrm.batch_changes x
        where x.batch_id = p_batch and x.what in ('column', 'identity', 'tag', 'attribution')
        group by 1 order by 1
    loop
        select * into old from public.clients where id = b.client_id for update;
        if exists (select from omnicrm.people p where p.client_id = b.client_id and p.merged_into is not null) then
            v_left := v_left || jsonb_build_array(jsonb_build_array(b.client_id::text, 'merged'));
            continue;
        end if;
        -- Identities, as [kind, value], that somebody writes under or that a platform vouched for since: they and their columns stay.
        used := (select coalesce(jsonb_agg(distinct jsonb_build_array(i ->> 0, i ->> 1)), '[]') from jsonb_array_elements(b.identities) i
            where exists (select from omnicrm.threads t where t.client_id = b.client_id and t.created_at > p_since
                    and omnicrm.identity_value(t.user_id) = i ->> 1
                    and (i ->> 0 in ('phone', 'email') or omnicrm.identity_kind(t.channel, t.user_id) = i ->> 0))
                or exists (select from omnicrm.client_identities k where k.client_id = b.client_id and k.kind = i ->> 0 and k.value = i ->> 1
                    and k.account = i ->> 2 and k.source not in ('import', 'column', 'profile')));
        v_fields := (select coalesce(jsonb_object_agg(f.key, f.value), '{}') from jsonb_each(b.fields) f
            where not used @> jsonb_build_array(jsonb_build_array(kinds ->> f.key, f.value ->> 'after')));
        c := omnicrm.restore_fields(old, v_fields);
        gone := (select coalesce(jsonb_agg(i), '[]') from jsonb_array_elements(b.identities) i
            where not used @> jsonb_build_array(jsonb_build_array(i ->> 0, i ->> 1)));
        delete from omnicrm.client_identities i using jsonb_array_elements(gone) g
        where i.client_id = b.client_id and i.kind = g ->> 0 and i.value = g ->> 1 and i.account = g ->> 2 and i.source in ('import', 'column', 'profile');
        get diagnostics n = row_count;
        n_identities := n_identities + n;
        update public.clients x set
            name = c.name, phone = c.phone, email = c.email, instagram_username = c.instagram_username, instagram_id = c.instagram_id,
            messenger_id = c.messenger_id, facebook_id = c.facebook_id, tiktok_id = c.tiktok_id, vambe_contact_id = c.vambe_contact_id,
            platform_metadata = c.platform_metadata
        where x.id = b.client_id and c is distinct from old;
        n_fields := n_fields + (select count(*) from jsonb_each_text(to_jsonb(old)) o
            where o.key <> 'platform_metadata' and o.value is distinct from to_jsonb(c) ->> o.key)::integer;
        if c.id is not null and (used <> '[]' or exists (
            select from jsonb_each(v_fields) f where f.key <> 'name_from' and to_jsonb(old) ->> f.key is distinct from f.value ->> 'after'))
        then
            v_left := v_left || jsonb_build_array(jsonb_build_array(b.client_id::text, case when used <> '[]' then 'writes' else 'changed' end));
        end if;
        update omnicrm.people p set
            tags = array(select t.tag from unnest(p.tags) with ordinality t (tag, n) where t.tag <> all (coalesce(b.tags, '{}')) order by t.n),
            attribution = p.attribution - array(select k.key from jsonb_each(b.told) k where p.attribution -> k.key = k.value)
        where p.client_id = b.client_id and (b.tags is not null or b.told <> '{}');
    end loop;
    return jsonb_build_object('fields', n_fields, 'identities', n_identities, 'left', v_left);
end
$$;

-- Take a batch back. p_used: ids of clients that tables of other software point at, which only its caller can know.
-- Returns {"batch", "removed", "fields", "identities", "proposals", "left": [[client, why], …]}. OC404: no such batch; OC409: done before.
create or replace function public.omnicrm_undo_batch(p_batch bigint, p_by text, p_used jsonb default '[]') returns jsonb
language plpgsql set search_path = '' as $$
declare
    b omnicrm.batches;
    done jsonb;
    n_removed integer := 0;
    n_proposals integer;
    v_left jsonb;
begin
    perform pg_advisory_xact_lock(hashtextextended('omnicrm.batch', 0));
    select * into b from omnicrm.batches where id = p_batch for update;
    if b.id is null then
        raise exception 'no batch %', p_batch using errcode = 'OC404';
    elsif b.status = 'undone' then
        raise exception 'batch % was undone on %', p_batch, to_char(b.undone_at, 'YYYY-MM-DD HH24:MI') using errcode = 'OC409';
    end if;
    perform set_config('omnicrm.bulk', 'on', true);
    -- A proposal that nobody decided, with no other reason than this batch's.
    delete from omnicrm.proposals p using omnicrm.batch_changes x
    where x.batch_id = p_batch and x.what = 'proposal' and p.id = x.after::bigint and p.status = 'open' and jsonb_array_length(p.evidence) = 1;
    get diagnostics n_proposals = row_count;
    done := omnicrm.undo_fills(p_batch, b.created_at);

    create temporary table undo_clients on commit drop as
    select c.id, omnicrm.kept_because(c, x.after, p_used) as why
    from omnicrm.batch_changes x join public.clients c on c.id = x.client_id where x.batch_id = p_batch and x.what = 'client';
    v_left := (done -> 'left') || (select coalesce(jsonb_agg(jsonb_build_array(id::text, why) order by id), '[]') from pg_temp.undo_clients where why is not null);
    -- Only who made clients can remove them: over Supabase's API nobody may.
    if exists (select from pg_temp.undo_clients where why is null) then
        delete from public.clients c using pg_temp.undo_clients u where u.id = c.id and u.why is null;
        get diagnostics n_removed = row_count;
    end if;
    drop table pg_temp.undo_clients;
    perform set_config('omnicrm.bulk', '', true);

    done := jsonb_build_object('batch', p_batch, 'removed', n_removed, 'fields', done -> 'fields', 'identities', done -> 'identities',
        'proposals', n_proposals, 'left', v_left);
    update omnicrm.batches set status = 'undone', undone_at = now(), undone_by = p_by,
        undone = done || jsonb_build_object('left', jsonb_array_length(v_left))
    where id = p_batch;
    return done;
end
$$;

-- Every batch, the newest first.
create or replace function public.omnicrm_batches() returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(to_jsonb(b) order by b.id desc), '[]') from (
        select id, kind, source, status, report, by, created_at, finished_at, undone_at, undone_by, undone from omnicrm.batches
        order by id desc limit 200) b
$$;

-- --- smart-sync: enriching who is there ------------------------------------------------------------------------------------

-- Start, or go on with the one that was cut off. Returns {"batch", "cursor", "resumed", "report"}.
create or replace function public.omnicrm_sync_start(p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    b omnicrm.batches;
    v_id bigint;
begin
    select * into b from omnicrm.batches where kind = 'sync' and status = 'running' order by id desc limit 1;
    if b.id is null then
        v_id := omnicrm.open_batch('sync', 'smart-sync', p_by);
        return jsonb_build_object('batch', v_id, 'cursor', '{}'::jsonb, 'resumed', false, 'report', '{}'::jsonb);
    end if;
    return jsonb_build_object('batch', b.id, 'cursor', b.cursor, 'resumed', true, 'report', b.report);
end
$$;

-- The next clients after an id (null: from the first), with all that may fill their gaps.
create or replace function public.omnicrm_sync_page(p_after text, p_size integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_after public.clients.id%type := p_after;
begin
    return coalesce((
        select jsonb_agg(jsonb_build_object(
            'id', c.id::text, 'name', nullif(c.name, ''), 'phone', c.phone, 'email', c.email, 'username', c.instagram_username,
            'name_from', c.platform_metadata ->> 'name_from',
            'identities', (select coalesce(jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value, 'verified', i.verified)
                order by i.created_at, i.value), '[]') from omnicrm.client_identities i where i.client_id = c.id),
            'said', (select coalesce(jsonb_agg(jsonb_build_object('kind', s.kind, 'value', s.value) order by s.id desc), '[]')
                from omnicrm.statements s join omnicrm.threads t on t.id = s.thread_id where t.client_id = c.id),
            -- Messages from before statements were kept.
            'texts', (select coalesce(jsonb_agg(x.text order by x.id desc), '[]') from (
                select m.id, m.text from omnicrm.threads t join omnicrm.messages m on m.thread_id = t.id
                where t.client_id = c.id and m.direction = 'in' and length(m.text) between 5 and 500
                    and m.text ~* '(me llamo|mi nombre|a nombre de|nombre\s*:|@\w|\d[\d .-]{7,})'
                order by m.id desc limit 30) x),
            'threads', (select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'channel', t.channel, 'account', t.account, 'user', t.user_id,
                'context', t.context, 'checked_days', extract(epoch from now() - t.profile_checked_at) / 86400) order by t.id), '[]')
                from omnicrm.threads t where t.client_id = c.id))
            order by c.id)
        from (
            select x.* from public.clients x
            where (v_after is null or x.id > v_after) and not exists (
                select from omnicrm.people p where p.client_id = x.id and p.merged_into is not null)
            order by x.id limit least(p_size, 200)) c), '[]');
end
$$;

-- Write one field of a client, unless it is not as it was seen or somebody else holds the value: then a person decides.
-- Returns null when written, else why not.
create or replace function omnicrm.sync_field(p_batch bigint, p_client text, p_field text, p_before text, p_after text) returns text
language plpgsql set search_path = '' as $$
declare
    c public.clients := omnicrm.the_client(p_client);
    filled public.clients;
    known jsonb;
    holder text;
    v_kind text := case p_field when 'phone' then 'phone' when 'email' then 'email' end;
begin
    select * into c from public.clients where id = c.id for update;
    if coalesce(to_jsonb(c) ->> p_field, '') is distinct from coalesce(p_before, '') then
        return 'changed';
    end if;
    select i.client_id::text into holder from omnicrm.client_identities i
    where i.kind = v_kind and i.value = p_after and i.account = '' and i.client_id <> c.id;
    if holder is not null then
        perform omnicrm.propose_once(p_batch, p_client, holder, 0.9, jsonb_build_object('how', 'smart-sync', 'kind', v_kind, 'value', p_after));
        return 'held';
    end if;
    filled := omnicrm.restore_fields(c, jsonb_build_object(p_field, jsonb_build_object('before', p_after, 'after', to_jsonb(c) ->> p_field)));
    known := (select coalesce(jsonb_agg(jsonb_build_array(i.kind, i.value, i.account)), '[]') from omnicrm.client_identities i where i.client_id = c.id);
    begin
        update public.clients set name = filled.name, phone = filled.phone, email = filled.email, instagram_username = filled.instagram_username
        where id = c.id;
    exception when unique_violation or check_violation or string_data_right_truncation then
        -- A rule of the owner's table.
        return 'refused';
    end;
    insert into omnicrm.batch_changes (batch_id, client_id, what, name, before, after)
    values (p_batch, c.id, 'column', p_field, to_jsonb(c) ->> p_field, p_after);
    insert into omnicrm.batch_changes (batch_id, client_id, what, name, account, after)
    select p_batch, c.id, 'identity', i.kind, i.account, i.value from omnicrm.client_identities i
    where i.client_id = c.id and not known @> jsonb_build_array(jsonb_build_array(i.kind, i.value, i.account));
    return null;
end
$$;

-- Write what was found out about a page of clients and go forward, or only say what would come of it. One transaction.
-- p_page: {"fields": [{client, field, before, after}], "claims": [{client, kind, value}], "checked": [threads]}; p_from and p_to:
-- the cursor before and after it. Returns {"filled", "skipped", "proposals"}. OC409: another run went forward meanwhile.
create or replace function public.omnicrm_sync_apply(
    p_batch bigint, p_page jsonb, p_from jsonb, p_to jsonb, p_apply boolean, p_by text
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_batch bigint := p_batch;
    f record;
    why text;
    filled jsonb := '{}';
    skipped jsonb := '{}';
    n_proposals integer := 0;
    n_last bigint := coalesce((select max(id) from omnicrm.batch_changes), 0);
begin
    begin
        if v_batch is null then
            v_batch := omnicrm.open_batch('sync', 'smart-sync', p_by);
        else
            perform from omnicrm.batches where id = v_batch and status = 'running' and cursor = p_from for update;
            if not found then
                raise exception 'another smart-sync went on with batch %', v_batch using errcode = 'OC409';
            end if;
        end if;
        for f in
            select x ->> 'client' as client, x ->> 'field' as field, x ->> 'before' as before, x ->> 'after' as after
            from jsonb_array_elements(p_page -> 'fields') x
        loop
            why := omnicrm.sync_field(v_batch, f.client, f.field, f.before, f.after);
            if why is null then
                filled := filled || jsonb_build_object(f.field, coalesce((filled ->> f.field)::integer, 0) + 1);
            else
                skipped := skipped || jsonb_build_object(why, coalesce((skipped ->> why)::integer, 0) + 1);
            end if;
        end loop;
        for f in
            select distinct x ->> 'client' as client, i.client_id::text as holder, x ->> 'kind' as kind, x ->> 'value' as value
            from jsonb_array_elements(p_page -> 'claims') x
            join omnicrm.client_identities i on i.kind = x ->> 'kind' and i.value = x ->> 'value' and i.client_id::text <> x ->> 'client'
                and (i.account = '' or i.kind = 'email' and i.verified or i.kind = 'instagram_username')
        loop
            perform omnicrm.propose_once(v_batch, f.client, f.holder, case f.kind when 'instagram_username' then 0.9 else 0.8 end,
                jsonb_build_object('how', 'smart-sync', 'kind', f.kind, 'value', f.value));
        end loop;
        update omnicrm.threads set profile_checked_at = now()
        where id in (select x::bigint from jsonb_array_elements_text(p_page -> 'checked') x);
        n_proposals := (select count(*) from omnicrm.batch_changes where batch_id = v_batch and what = 'proposal' and id > n_last);
        update omnicrm.batches set cursor = p_to, report = omnicrm.sync_sum(report, filled, n_proposals) where id = v_batch;
        if not p_apply then
            raise exception 'rehearsed' using errcode = 'OC200';
        end if;
    exception when sqlstate 'OC200' then
        -- All of the above is undone; what was counted is not.
        null;
    end;
    return jsonb_build_object('filled', filled, 'skipped', skipped, 'proposals', n_proposals);
end
$$;

create or replace function omnicrm.sync_sum(p_report jsonb, p_filled jsonb, p_proposals integer) returns jsonb
language sql immutable set search_path = '' as $$
    select jsonb_build_object(
        'filled', (select coalesce(jsonb_object_agg(k.name, k.n), '{}') from (
            select x.key as name, sum(x.value::integer) as n
            from (select * from jsonb_each_text(coalesce(p_report -> 'filled', '{}')) union all select * from jsonb_each_text(p_filled)) x
            group by 1) k),
        'proposals', coalesce((p_report ->> 'proposals')::integer, 0) + p_proposals)
$$;

-- Clients who look like one person: the same full name in the same city, the same username on two platforms. At most p_most.
create or replace function public.omnicrm_sync_pairs(p_batch bigint, p_most integer, p_apply boolean, p_by text) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_batch bigint := p_batch;
    pair record;
    n integer := 0;
begin
    begin
        if v_batch is null then
            v_batch := omnicrm.open_batch('sync', 'smart-sync', p_by);
        end if;
        for pair in
            with alive as (
                select c.id, c.platform_metadata, c.instagram_username, omnicrm.squeeze(omnicrm.plain(c.name)) as name,
                    omnicrm.squeeze(omnicrm.plain(coalesce(c.platform_metadata #>> '{contact,city}', p.attribution ->> 'city', (
                        select s.value from omnicrm.statements s join omnicrm.threads t on t.id = s.thread_id
                        where t.client_id = c.id and s.kind = 'city' order by s.id desc limit 1)))) as city
                from public.clients c join omnicrm.people p on p.client_id = c.id where p.merged_into is null
            ), namesakes as (
                select array_agg(id order by id) as ids, 0.6 as score, jsonb_build_object('kind', 'name_and_city') as evidence
                from alive where name like '% %' and city is not null group by name, city having count(*) between 2 and 4
            ), handles as (
                select distinct h.id, h.handle from (
                    select id, lower(ltrim(btrim(instagram_username), '@')) as handle from alive where instagram_username is not null
                    union all
                    select a.id, lower(ltrim(m.value, '@')) from alive a cross join lateral jsonb_each_text(coalesce(a.platform_metadata, '{}')) m
                    where m.key like '%\_username'
                    union all
                    select a.id, lower(ltrim(i.value, '@')) from alive a join omnicrm.client_identities i on i.client_id = a.id
                    where i.kind = 'instagram_username' or i.kind = 'tiktok' and i.value ~ '[^0-9]') h
                where length(h.handle) > 2
            ), sharing as (
                select array_agg(id order by id) as ids, 0.8 as score, jsonb_build_object('kind', 'username', 'value', handle) as evidence
                from handles group by handle having count(*) between 2 and 4
            )
            select g.ids[1]::text as one, x.id::text as two, g.score, g.evidence
            from (select * from namesakes union all select * from sharing) g cross join lateral unnest(g.ids) x (id)
            where x.id <> g.ids[1]
            order by 3 desc, 1, 2
        loop
            n := n + omnicrm.propose_once(v_batch, pair.one, pair.two, pair.score, pair.evidence || '{"how": "smart-sync"}')::integer;
            exit when n >= p_most;
        end loop;
        update omnicrm.batches set report = omnicrm.sync_sum(report, '{}', n) where id = v_batch;
        if not p_apply then
            raise exception 'rehearsed' using errcode = 'OC200';
        end if;
    exception when sqlstate 'OC200' then
        null;
    end;
    return jsonb_build_object('proposals', n);
end
$$;

-- Done. A run that found nothing to write leaves no batch. Returns {"batch"}: null then.
create or replace function public.omnicrm_sync_finish(p_batch bigint) returns jsonb
language plpgsql set search_path = '' as $$
begin
    if not exists (select from omnicrm.batch_changes where batch_id = p_batch) then
        delete from omnicrm.batches where id = p_batch and status = 'running';
        return jsonb_build_object('batch', null);
    end if;
    update omnicrm.batches set status = 'applied', finished_at = now() where id = p_batch and status = 'running';
    return jsonb_build_object('batch', p_batch);
end
$$;
