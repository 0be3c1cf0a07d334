"""Migrations applied as the Supabase command line does: statement by statement, in the extended protocol, without BEGIN."""

from __future__ import annotations

import re

import psycopg

from omnicrm.migrate import Migration
from tests.support.postgres import OWNER, Database

# What hides a semicolon. Block comments are not nested in our files.
_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | (?P<end>;)""",
    re.DOTALL | re.VERBOSE,
)


def statements(text: str) -> list[str]:
    """The file's statements, without their semicolons and the comments before them."""
    ends = [0, *(match.end() for match in _TOKEN.finditer(text) if match["end"]), len(text)]
    parts = (text[start:end].rstrip().removesuffix(";") for start, end in zip(ends, ends[1:], strict=False))
    return [part for part in parts if re.sub(r"--[^\n]*|\s", "", part)]


def push(database: Database, migrations: list[Migration], *, at_once: bool = True) -> None:
    """Apply files as ``supabase db push`` does.

    ``at_once``: a file's statements go in one pipeline, which is one implicit transaction; otherwise each is one of its own.
    """
    dsn = database.server.cluster.dsn(database.name, user=OWNER)
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
        for migration in migrations:
            parts = statements(migration.sql)
            for batch in [parts] if at_once else [[part] for part in parts]:
                with connection.pipeline():
                    for part in batch:
                        connection.execute(part.encode())
