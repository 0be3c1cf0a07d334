-- What is only ours, in a schema that the Data API does not expose: threads, messages, events, identities, orders.

create schema if not exists omnicrm;

-- The channels we know; a new platform adds a line here.
create table if not exists omnicrm.channels (
    code text primary key,
    identity_kind text not null,
    -- More answers than this to one sender within an hour are a loop with another machine, where that can happen.
    replies_per_hour integer
);
insert into omnicrm.channels (code, identity_kind, replies_per_hour) values
    ('WA', 'whatsapp', null), ('IG', 'instagram', null), ('FB', 'messenger', null), ('EMAIL', 'email', 20), ('TT', 'tiktok', null),
    ('SHELL', 'shell', null)
on conflict do nothing;

do $$
declare
    client_type text := (
        select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'public.clients'::regclass and attname = 'id'
    );
    conversation_type text := (
        select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'public.conversations'::regclass and attname = 'id'
    );
begin
    -- Who is who: an id of a platform belongs to one client.
    execute format(
        'create table if not exists omnicrm.client_identities (
            kind text not null,
            value text not null,
            account text not null default '''',
            client_id %s not null references public.clients (id) on delete cascade,
            source text not null,
            created_at timestamptz not null default now(),
            primary key (kind, value, account))',
        client_type
    );

    -- The working half of a conversation: who holds it, its dialogue, its lease. One row beside each of public.conversations.
    execute format(
        'create table if not exists omnicrm.threads (
            id bigint generated always as identity primary key,
            key text not null unique,
            conversation_id %s not null unique references public.conversations (id) on delete cascade,
            client_id %s not null references public.clients (id) on delete cascade,
            channel text not null references omnicrm.channels (code),
            account text not null,
            user_id text not null,
            -- Who counts as one sender where answers are limited; wider than the thread where one can open many.
            sender text not null,
            -- What the platform wants back when we write here; no meaning to us.
            context jsonb,
            owner text not null default ''bot'' check (owner in (''bot'', ''human'')),
            owner_since timestamptz,
            owner_until timestamptz,
            owner_reason text,
            owner_event text,
            opted_out boolean not null default false,
            attention text,
            attention_since timestamptz,
            window_until timestamptz,
            profile_checked_at timestamptz,
            dialogue jsonb,
            attempts integer not null default 0,
            lease_token bigint not null default 0,
            lease_until timestamptz,
            lease_worker text,
            due_at timestamptz,
            created_at timestamptz not null default now()) with (fillfactor = 80)',
        conversation_type, client_type
    );
end
$$;

create index if not exists client_identities_client_idx on omnicrm.client_identities (client_id);
create index if not exists threads_due_idx on omnicrm.threads (due_at) where due_at is not null;
create index if not exists threads_client_idx on omnicrm.threads (client_id);
create index if not exists threads_sender_idx on omnicrm.threads (channel, sender);

-- Messages are the history and the queue. In: received -> handled | ignored | dead.
-- Out: queued -> sending -> sent -> delivered -> read | failed | withdrawn | unknown.
create table if not exists omnicrm.messages (
    id bigint generated always as identity primary key,
    thread_id bigint not null references omnicrm.threads (id) on delete cascade,
    direction text not null check (direction in ('in', 'out')),
    author text not null check (author in ('customer', 'bot', 'agent')),
    status text not null,
    reason text,
    kind text not null default 'text',
    text text,
    content jsonb not null default '{}'::jsonb,
    payloads text[] not null default '{}',
    event_key text unique,
    platform_id text,
    answers bigint references omnicrm.messages (id) on delete cascade,
    sequence integer,
    occurred_at timestamptz not null default now(),
    created_at timestamptz not null default clock_timestamp(),
    ready_at timestamptz,
    expires_at timestamptz,
    next_attempt_at timestamptz,
    -- The place in the account's pace that is kept for it.
    slot_at timestamptz,
    attempts integer not null default 0,
    sent_at timestamptz,
    error jsonb,
    constraint messages_status_known check (
        case direction
            when 'in' then status in ('received', 'handled', 'ignored', 'dead')
            else status in ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'withdrawn', 'unknown')
        end),
    -- A turn that is run again can neither add nor change replies.
    constraint messages_reply_once unique (answers, sequence)
) with (fillfactor = 80);

create index if not exists messages_thread_idx on omnicrm.messages (thread_id, id);
create index if not exists messages_received_idx on omnicrm.messages (thread_id, id) where status = 'received';
create index if not exists messages_outbox_idx on omnicrm.messages (thread_id, id) where status in ('queued', 'sending', 'unknown');
create index if not exists messages_platform_idx on omnicrm.messages (platform_id) where platform_id is not null;

-- Everything else that platforms tell: receipts, reactions, odd and unsupported items. Kept for a while, see omnicrm_prune.
create table if not exists omnicrm.platform_events (
    id bigint generated always as identity primary key,
    key text not null unique,
    thread_id bigint references omnicrm.threads (id) on delete cascade,
    type text not null,
    name text,
    about text,
    payload jsonb not null,
    created_at timestamptz not null default now()
);
create index if not exists platform_events_about_idx on omnicrm.platform_events (about) where type in ('edit', 'unsend');
create index if not exists platform_events_receipts_idx on omnicrm.platform_events (thread_id, created_at) where type = 'receipt';
create index if not exists platform_events_created_idx on omnicrm.platform_events (created_at);

-- Sending state of each of our accounts: pace, and whether it stands still until a person mends something.
create table if not exists omnicrm.accounts (
    channel text not null references omnicrm.channels (code),
    account text not null,
    next_send_at timestamptz not null default now(),
    paused_until timestamptz,
    paused_reason text,
    primary key (channel, account)
);

create table if not exists omnicrm.orders (
    id bigint generated always as identity primary key,
    thread_id bigint not null references omnicrm.threads (id) on delete cascade,
    message_id bigint not null references omnicrm.messages (id) on delete cascade,
    sequence integer not null,
    product text not null,
    quantity numeric not null check (quantity > 0),
    created_at timestamptz not null default now(),
    unique (message_id, sequence)
);
create index if not exists orders_thread_idx on omnicrm.orders (thread_id);

create table if not exists omnicrm.knowledge (
    id text primary key,
    title text not null,
    text text not null,
    source text not null,
    tags text[] not null default '{}',
    search tsvector not null
);
create index if not exists knowledge_search_idx on omnicrm.knowledge using gin (search);

-- Small facts about this installation, such as the digest of the knowledge that is loaded.
create table if not exists omnicrm.state (
    name text primary key,
    value text not null
);

-- What one process at a time may do, such as reading a mailbox.
create table if not exists omnicrm.leases (
    name text primary key,
    worker text not null,
    until timestamptz not null
);

do $$
declare
    name text;
begin
    for name in select tablename from pg_tables where schemaname = 'omnicrm' loop
        execute format('alter table omnicrm.%I enable row level security', name);
    end loop;
end
$$;
