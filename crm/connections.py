"""A few PostgreSQL connections of one event loop, opened when needed; the last one used is the first one used again.

psycopg_pool waits for a connection while the database is down and sleeps a second for each dead one it finds. Here a
refused connection is an error at once, so that a webhook answers 503 in milliseconds, and dead ones are passed over.
"""

from __future__ import annotations

import asyncio
import select
import time
from dataclasses import dataclass
from typing import Any, TypeAlias

import async_timeout
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from crm.port import CrmMisconfigured, CrmUnavailable
from crm.wire import error_for

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]

CONNECT_SECONDS = 3
WAIT_SECONDS = 2.5
# Connections are renewed now and then, so that a moved database or a changed certificate is noticed.
LIFETIME_SECONDS = 30 * 60

_SESSION = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
}
_TRANSPORT: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Milliseconds that sent bytes may stay unacknowledged: a vanished host is noticed.
    "tcp_user_timeout": 5000,
}


@dataclass(frozen=True)
class Target:
    """Where to connect. Behind a transaction pooler there are no prepared statements, session settings or LISTEN."""

    conninfo: str
    transaction_pooler: bool


def read_dsn(dsn: str) -> Target:
    """Understand a DATABASE_URL; port 6543 (Supabase) and ``pgbouncer=true`` announce a transaction pooler.

    Raises ``CrmMisconfigured`` without repeating the address, which holds a password.
    """
    if "[YOUR-PASSWORD]" in dsn:
        raise CrmMisconfigured("DATABASE_URL still holds [YOUR-PASSWORD]: put the database's password there")
    announced = "pgbouncer=true" in dsn
    plain = dsn.replace("&pgbouncer=true", "").replace("pgbouncer=true&", "").replace("?pgbouncer=true", "")
    try:
        parts = conninfo_to_dict(plain)
    except psycopg.ProgrammingError:
        raise CrmMisconfigured("DATABASE_URL cannot be read; expected postgresql://user:password@host:5432/database") from None
    # A password's raw "@" or "/" ends it early: what follows would be the host or the port, which errors and logs repeat.
    if "@" in f"{parts.get('host')}{parts.get('dbname')}" or not str(parts.get("port") or 0).isdigit():
        raise CrmMisconfigured("DATABASE_URL: write the signs in its password as codes: @ is %40, / is %2F, : is %3A, # is %23")
    return Target(plain, announced or str(parts.get("port")) == "6543")


async def connect(target: Target) -> Connection:
    """Open one connection that commits each statement. Raises ``CrmUnavailable``, or ``CrmMisconfigured`` as fits."""
    try:
        connection: Connection = await psycopg.AsyncConnection.connect(
            target.conninfo,
            autocommit=True,
            prepare_threshold=None if target.transaction_pooler else 5,
            connect_timeout=CONNECT_SECONDS,
            application_name="omnicrm",
            **_TRANSPORT,
        )
    except psycopg.Error as error:
        raise connect_error(error) from error
    if not target.transaction_pooler:
        await _prepare_session(connection)
    return connection


def connect_error(error: psycopg.Error) -> CrmUnavailable:
    """Tell apart a database that is away from one that does not let us in."""
    sqlstate, text = error.sqlstate, _one_line(error)
    if sqlstate is None:
        # libpq gives the server's refusal as text only.
        hopeless = "password authentication failed", "does not exist", "no pg_hba.conf entry", "could not translate host name"
        return CrmMisconfigured(text) if any(sign in text for sign in hopeless) else CrmUnavailable(text)
    told = error_for(sqlstate, text)
    return told if isinstance(told, CrmUnavailable) else CrmUnavailable(text)


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__


async def _prepare_session(connection: Connection) -> None:
    settings = sql.SQL("; ").join(
        sql.SQL("set {} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in _SESSION.items()
    )
    try:
        await connection.execute(settings)
    except psycopg.Error as error:
        await connection.close()
        raise connect_error(error) from error
    except BaseException:
        # The caller gave up: nobody else knows of this connection.
        await connection.close()
        raise


# A connection and when it was opened (``time.monotonic``).
Lent: TypeAlias = tuple[Connection, float]


class Connections:
    """Lends at most ``limit`` connections at a time."""

    def __init__(self, target: Target, limit: int) -> None:
        self._target = target
        self._free = asyncio.Semaphore(limit)
        self._idle: list[Lent] = []
        self._closed = False

    async def lend(self) -> Lent:
        """Lend a connection, which must come back. Raises ``CrmUnavailable``."""
        await self._wait_for_turn()
        try:
            return await self._take()
        except BaseException:
            # Whatever ended it, a caller that gave up included: nobody else gives this place back.
            self._free.release()
            raise

    async def give_back(self, lent: Lent) -> None:
        """Take a connection back; one that comes back broken or busy is closed."""
        try:
            connection, born = lent
            usable = connection.pgconn.transaction_status == TransactionStatus.IDLE
            if usable and not self._closed and time.monotonic() - born < LIFETIME_SECONDS:
                self._idle.append(lent)
            else:
                await connection.close()
        finally:
            self._free.release()

    async def close(self) -> None:
        """Close the idle ones now and the lent ones when they come back."""
        self._closed = True
        while self._idle:
            await self._idle.pop()[0].close()

    async def _wait_for_turn(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with async_timeout.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except asyncio.TimeoutError:
            raise CrmUnavailable(f"all connections were busy for {WAIT_SECONDS} s") from None

    async def _take(self) -> Lent:
        if self._closed:
            raise CrmUnavailable("the connection to the database was closed")
        while self._idle:
            connection, born = self._idle.pop()
            if not _has_news(connection):
                return connection, born
            await connection.close()
        return await connect(self._target), time.monotonic()


def _has_news(connection: Connection) -> bool:
    """Tell whether an idle connection has something to read: the server said goodbye, or spoke unasked."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
