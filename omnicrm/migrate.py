"""Bring a database up to date with ``supabase/migrations``, in agreement with ``supabase db push``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from crm.connections import connect_error, read_dsn

MIGRATIONS = Path(__file__).resolve().parent.parent / "supabase" / "migrations"

# The Supabase CLI's pattern; other files in the folder are not migrations.
_NAME = re.compile(r"([0-9]+)_(.*)\.sql")
_LOCK = 7_266_642_001
_CONNECTION: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": None,
    "connect_timeout": 5,
    "application_name": "omnicrm migrate",
}

# As the Supabase CLI makes it, so that either may come first.
_HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
"""


class MigrationError(Exception):
    """A migration that failed; it left nothing behind, and those before it stay applied."""


@dataclass(frozen=True)
class Migration:
    """One file: ``20260105000000_add_platform_identifiers.sql``."""

    version: str
    name: str
    sql: str


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Read a folder's migrations in the order in which they apply."""
    found = []
    for path in folder.glob("*.sql"):
        match = _NAME.fullmatch(path.name)
        if match:
            found.append(Migration(match[1], match[2], path.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)


def migrate(
    dsn: str, *, migrations: list[Migration] | None = None, progress: Callable[[str], None] = lambda line: None
) -> list[str]:
    """Apply what is missing, each file in one transaction, and return the versions applied.

    Several processes may do this at once: one works, the others find it done. Raises ``MigrationError``, ``CrmUnavailable``.
    """
    wanted = read_migrations() if migrations is None else migrations
    try:
        connection = psycopg.connect(read_dsn(dsn).conninfo, **_CONNECTION)
    except psycopg.Error as error:
        raise connect_error(error) from error
    with connection:
        applied = _applied(connection)
        return [m.version for m in wanted if m.version not in applied and _apply(connection, m, progress)]


def pending(dsn: str) -> list[str]:
    """List the versions that this database still lacks. Raises ``CrmUnavailable``."""
    try:
        with psycopg.connect(read_dsn(dsn).conninfo, **_CONNECTION) as connection:
            applied = _applied(connection)
    except psycopg.Error as error:
        raise connect_error(error) from error
    return [migration.version for migration in read_migrations() if migration.version not in applied]


def _applied(connection: psycopg.Connection[tuple[Any, ...]]) -> set[str]:
    # Looked up in the catalogue's rows: to_regclass may answer from before a lock that this transaction waited for.
    there = "select 1 from pg_tables where schemaname = 'supabase_migrations' and tablename = 'schema_migrations'"
    if connection.execute(there).fetchone() is None:
        return set()
    return {version for (version,) in connection.execute("select version from supabase_migrations.schema_migrations")}


def _apply(connection: psycopg.Connection[tuple[Any, ...]], migration: Migration, progress: Callable[[str], None]) -> bool:
    try:
        with connection.transaction():
            # Transaction-scoped, so that it works through any pooler. Waiting here is for another migration only.
            connection.execute("select set_config('lock_timeout', '120s', true), set_config('statement_timeout', '0', true)")
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            if migration.version in _applied(connection):
                return False
            progress(f"{migration.version} {migration.name}")
            # A table that the shop's other software holds is not waited for: everybody would queue behind us.
            connection.execute("set local lock_timeout = '5s'")
            connection.execute(_HISTORY)
            connection.execute(migration.sql.encode())
            connection.execute(
                "insert into supabase_migrations.schema_migrations (version, statements, name) values (%s, %s, %s)",
                (migration.version, [migration.sql], migration.name),
            )
    except psycopg.Error as error:
        raise MigrationError(f"{migration.version}_{migration.name}.sql: {_explain(error, migration.sql)}") from error
    return True


def _explain(error: psycopg.Error, sql: str) -> str:
    position = error.diag.statement_position
    line = f" (line {sql.count(chr(10), 0, int(position)) + 1})" if position else ""
    return f"{error.diag.message_primary or ' '.join(str(error).split())}{line}"
