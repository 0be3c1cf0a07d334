"""What every function and table of the migrations must look like."""

from __future__ import annotations

import re

from omnicrm.migrate import read_migrations
from tests.support.postgres import Database

OURS = "(n.nspname = 'omnicrm' or (n.nspname = 'public' and p.proname like 'omnicrm%%'))"
_FUNCTION = re.compile(r"create or replace function ([\w.]+).*?as \$\$(.*?)\$\$", re.DOTALL | re.IGNORECASE)
_TRANSACTION = re.compile(r"^\s*(begin|commit|rollback|start transaction)\s*;", re.MULTILINE | re.IGNORECASE)


def test_every_function_has_an_empty_search_path(database: Database) -> None:
    rows = database.run(
        f"""select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where {OURS} and not coalesce(p.proconfig, '{{}}') @> array['search_path=""']"""
    )
    assert rows == []


def test_only_triggers_borrow_their_owners_rights(database: Database) -> None:
    # Nobody calls a trigger: it acts on what its caller may write already, and reaches tables that the caller may not see.
    rows = database.run(
        f"""select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where {OURS} and p.prosecdef and not (n.nspname = 'omnicrm' and p.prorettype = 'trigger'::regtype)"""
    )
    assert rows == []


def test_no_name_is_overloaded(database: Database) -> None:
    # PostgREST picks an overload by the names of the arguments: two that fit are an error, PGRST203.
    rows = database.run(
        f"""select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where {OURS} group by 1 having count(*) > 1"""
    )
    assert rows == []


def test_every_callable_function_takes_named_arguments_and_returns_json(database: Database) -> None:
    rows = database.run(
        """select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname like 'omnicrm%%'
            and (p.proretset or p.prorettype <> 'jsonb'::regtype
                or exists (select from unnest(p.proargnames[:p.pronargs]) a where a !~ '^p(_[a-z]+)+$')
                or p.proname !~ '^omnicrm(_[a-z]+)+$')"""
    )
    assert rows == []


def test_every_argument_has_a_type_that_all_adapters_write_alike(database: Database) -> None:
    # A JSON list becomes an array over PostgREST but not over a connection: lists travel as jsonb.
    rows = database.run(
        """select p.oid::regprocedure::text from pg_proc p, unnest(p.proargtypes) t
        where p.pronamespace = 'public'::regnamespace and p.proname like 'omnicrm%%' and t::regtype::text not in
            ('text', 'integer', 'bigint', 'double precision', 'numeric', 'boolean', 'jsonb', 'timestamp with time zone')"""
    )
    assert rows == []


def test_no_function_claims_a_serialization_failure_of_its_own() -> None:
    # PostgREST 12 repeats a call that ends with 40001 until it times out.
    assert [m.version for m in read_migrations() if "40001" in m.sql or "serialization_failure" in m.sql] == []


def test_functions_run_no_text_as_sql() -> None:
    bodies = {name: body for m in read_migrations() for name, body in _FUNCTION.findall(m.sql)}
    assert len(bodies) > 10
    assert [name for name, body in bodies.items() if re.search(r"\bexecute\b", body, re.IGNORECASE)] == []


def test_every_table_has_row_level_security(database: Database) -> None:
    rows = database.run(
        """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'omnicrm') and c.relkind in ('r', 'p') and not c.relrowsecurity"""
    )
    assert rows == []


def test_no_view_borrows_its_owners_rights(database: Database) -> None:
    rows = database.run(
        """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'omnicrm') and c.relkind = 'v'
            and not coalesce(c.reloptions, '{}') && array['security_invoker=true', 'security_invoker=on']"""
    )
    assert rows == []


def test_every_foreign_key_is_backed_by_an_index(database: Database) -> None:
    rows = database.run(
        """select c.conrelid::regclass::text, c.conname from pg_constraint c join pg_class t on t.oid = c.conrelid
        where c.contype = 'f' and t.relnamespace = 'omnicrm'::regnamespace and not exists (
            select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])"""
    )
    assert [row for row in rows if row not in SMALL] == []


# Channels are never deleted; events are few, kept for days only, and written at every webhook.
SMALL = [("omnicrm.threads", "threads_channel_fkey"), ("omnicrm.platform_events", "platform_events_thread_id_fkey")]


def test_migrations_leave_transactions_to_whoever_applies_them() -> None:
    assert [m.version for m in read_migrations() if _TRANSACTION.search(m.sql)] == []
