"""A real PostgreSQL server for tests: over its unix socket as superuser, over TCP with a password as the shop's owner."""

from __future__ import annotations

import itertools
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from crm.cluster import Cluster

OWNER = "shop_owner"
PASSWORD = "a password: with / and @"

_HERE = Path(__file__).parent
_NUMBERS = itertools.count(1)
_HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Database:
    """One database of the test server."""

    server: PostgresServer
    name: str

    @property
    def admin_dsn(self) -> str:
        """The superuser's address, for looking and preparing."""
        return self.server.cluster.dsn(self.name)

    @property
    def url(self) -> str:
        """A DATABASE_URL as an operator writes it: TCP, password, no superuser."""
        return f"postgresql://{OWNER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.server.port}/{self.name}"

    def run(self, statements: str, *values: Any, role: str | None = None) -> list[tuple[Any, ...]]:
        """Run SQL as superuser, or as another role, and return the last result's rows."""
        dsn = self.server.cluster.dsn(self.name, user=role) if role else self.admin_dsn
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(statements, values or None)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []


class PostgresServer:
    """A server in a folder of its own. ``fsync`` is off: it survives SIGKILL and ``stop("immediate")``, not a power cut."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="omnicrm-pg-"))
        self.folder.chmod(0o711)
        self.port = free_port()
        hba = self.folder / "pg_hba.conf"
        hba.write_text(_HBA)
        hba.chmod(0o644)
        self.cluster = Cluster(
            self.folder / "data",
            {
                "listen_addresses": "127.0.0.1",
                "hba_file": str(hba),
                "fsync": "off",
                "full_page_writes": "off",
                "wal_level": "minimal",
                "max_wal_senders": "0",
                "max_connections": "200",
                "shared_buffers": "64MB",
                "io_method": "sync",
                "log_min_messages": "warning",
            },
            port=self.port,
        )
        self.cluster.create(sync=False)
        self.cluster.start()
        Database(self, "postgres").run((_HERE / "supabase_roles.sql").read_text())

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server, by default as a crash does."""
        self.cluster.stop(mode)

    def start(self) -> None:
        """Start the server again, on the same port."""
        self.cluster.start()

    def create_database(self, template: Database | None = None, *, name: str = "") -> Database:
        """Make a database, empty or as a copy; it belongs to the shop's owner, who is no superuser."""
        made = Database(self, name or f"test_{next(_NUMBERS)}")
        statement = sql.SQL("create database {} owner {} template {} strategy file_copy").format(
            sql.Identifier(made.name), sql.Identifier(OWNER), sql.Identifier(template.name if template else "template0")
        )
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            connection.execute(statement)
        return made

    def drop_database(self, database: Database) -> None:
        """Remove a database and whoever is still connected to it."""
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database.name)))

    def close(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def give_away_by_default(database: Database) -> None:
    """Set the default privileges of an older Supabase project, before any migration."""
    database.run((_HERE / "supabase_default_privileges.sql").read_text())
