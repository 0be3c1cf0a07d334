-- Functions that exist only in the contract tests.
create table if not exists public.contract_numbers (name text primary key, value integer not null);
alter table public.contract_numbers enable row level security;

create or replace function public.omnicrm_contract_echo(p_value jsonb) returns jsonb
language sql set search_path = '' as $$ select p_value $$;

create or replace function public.omnicrm_contract_types(
    p_text text default null, p_integer integer default null, p_bigint bigint default null,
    p_float float8 default null, p_numeric numeric default null, p_flag boolean default null, p_time timestamptz default null
) returns jsonb
language sql set search_path = '' as $$
    select jsonb_build_object('text', p_text, 'integer', p_integer, 'bigint', p_bigint, 'float', p_float,
        'numeric', p_numeric, 'flag', p_flag, 'time', p_time at time zone 'UTC')
$$;

create or replace function public.omnicrm_contract_integer() returns integer
language sql set search_path = '' as $$ select 42 $$;

create or replace function public.omnicrm_contract_void() returns void
language sql set search_path = '' as $$ select $$;

create or replace function public.omnicrm_contract_raise(p_state text, p_message text) returns jsonb
language plpgsql set search_path = '' as $$
begin
    raise exception using errcode = p_state, message = p_message;
end
$$;

create or replace function public.omnicrm_contract_sleep(p_seconds float8) returns jsonb
language plpgsql set search_path = '' as $$
begin
    perform pg_sleep(p_seconds);
    return to_jsonb(p_seconds);
end
$$;

create or replace function public.omnicrm_contract_add(p_name text, p_by integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
    total integer;
begin
    insert into public.contract_numbers (name, value) values (p_name, p_by)
    on conflict (name) do update set value = contract_numbers.value + excluded.value
    returning value into total;
    if total < 0 then
        raise exception 'below zero' using errcode = '23514';
    end if;
    return to_jsonb(total);
end
$$;

-- Loses against another transaction the first `p_times` times; a sequence remembers what a rollback forgets.
create sequence if not exists public.contract_attempts;
create or replace function public.omnicrm_contract_lose(p_state text, p_times integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
    attempt bigint := nextval('public.contract_attempts');
begin
    if attempt <= p_times then
        raise exception using errcode = p_state, message = 'lost against another transaction';
    end if;
    return to_jsonb(attempt);
end
$$;

create or replace function public.omnicrm_contract_session() returns jsonb
language sql set search_path = '' as $$
    select jsonb_build_object(
        'statement_timeout', current_setting('statement_timeout'),
        'lock_timeout', current_setting('lock_timeout'),
        'idle_in_transaction_session_timeout', current_setting('idle_in_transaction_session_timeout'),
        'prepared', (select count(*) from pg_catalog.pg_prepared_statements))
$$;

do $$
begin
    if exists (select from pg_roles where rolname = 'service_role') then
        grant all on public.contract_numbers to service_role;
        grant usage on sequence public.contract_attempts to service_role;
        execute 'grant execute on all functions in schema public to service_role';
    end if;
    if exists (select from pg_roles where rolname = 'shop_owner') then
        grant all on public.contract_numbers to shop_owner;
        grant all on sequence public.contract_attempts to shop_owner;
    end if;
end
$$;
