"""The port over a PostgreSQL connection: DATABASE_URL, and the embedded server."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import cache

import psycopg
from psycopg import AsyncRawCursor, sql

from crm.connections import Connection, Connections, Target, connect, connect_error
from crm.port import JSON, WORK_CHANNEL, CrmUnavailable
from crm.wire import check_names, encode, error_for, was_rolled_back
from omnicrm.tasks import within

logger = logging.getLogger(__name__)

# Above statement_timeout, which the server itself keeps: this one is for a server that does not answer at all.
ANSWER_SECONDS = 6.5
HEARTBEAT_SECONDS = 20.0
# Of one process. With twice as many the server takes longer, and each of them begins cold: a tenth fewer turns.
CONNECTIONS = 5
_BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_VOID, _JSONB = 2278, 3802


def _nothing() -> None:
    pass


class PostgresCrm:
    """Calls functions over a few connections; nothing is opened before the first call."""

    def __init__(self, target: Target, *, limit: int = CONNECTIONS, on_close: Callable[[], None] = _nothing) -> None:
        self._target = target
        self._connections = Connections(target, limit)
        self._on_close = on_close
        self._closed = asyncio.Event()
        self.wakes = not target.transaction_pooler

    async def call(self, function: str, /, **arguments: JSON) -> JSON:
        """See ``Crm.call``."""
        statement, values = _statement(function, tuple(arguments)), tuple(encode(arguments).values())
        try:
            return await self._run(statement, values)
        except psycopg.Error as error:
            if not was_rolled_back(error.sqlstate):
                raise _error(error) from error
        try:
            return await self._run(statement, values)
        except psycopg.Error as error:
            raise _error(error) from error

    async def _run(self, statement: bytes, values: tuple[str | None, ...]) -> JSON:
        lent = await self._connections.lend()
        connection = lent[0]
        timer = _hang_up_after(connection, ANSWER_SECONDS)
        try:
            cursor = AsyncRawCursor(connection)
            await cursor.execute(statement, values)
            result = cursor.pgresult
            if result is None or result.ntuples == 0 or result.ftype(0) == _VOID:
                return None
            if result.ftype(0) == _JSONB:
                document = result.get_value(0, 0)
                return None if document is None else json.loads(document)
            (value,) = await cursor.fetchone() or (None,)
            return value
        finally:
            timer.cancel()
            await self._connections.give_back(lent)

    async def listen(self, channel: str = WORK_CHANNEL) -> AsyncIterator[str]:
        """See ``Crm.listen``."""
        failures = 0
        while self.wakes and not self._closed.is_set():
            try:
                connection = await connect(self._target)
                try:
                    await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                    failures = 0
                    yield ""
                    async for payload in self._notifications(connection, channel):
                        yield payload
                finally:
                    await connection.close()
            except (psycopg.Error, CrmUnavailable) as error:
                logger.warning("listen.lost channel=%s error=%s", channel, " ".join(str(error).split()))
            await self._pause(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
            failures += 1

    async def _notifications(self, connection: Connection, channel: str) -> AsyncIterator[str]:
        while not self._closed.is_set():
            # A short wait, so that close() is noticed; the socket wakes it at once for a notification.
            for _ in range(int(HEARTBEAT_SECONDS)):
                async for notification in connection.notifies(timeout=1.0):
                    yield notification.payload
                if self._closed.is_set():
                    return
            timer = _hang_up_after(connection, ANSWER_SECONDS)
            try:
                cursor = await connection.execute("select 1 from pg_listening_channels() as name where name = %s", (channel,))
                if await cursor.fetchone() is None:
                    # What a transaction pooler does to LISTEN: the statement worked, on a session that we no longer have.
                    raise CrmUnavailable("the session that listened was exchanged: DATABASE_URL leads to a transaction pooler")
            finally:
                timer.cancel()

    async def _pause(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await within(seconds, self._closed.wait())

    async def close(self) -> None:
        """See ``Crm.close``."""
        if self._closed.is_set():
            return
        self._closed.set()
        await self._connections.close()
        await asyncio.to_thread(self._on_close)


@cache
def _statement(function: str, names: tuple[str, ...]) -> bytes:
    """Compose the one statement of a call. Values go as text of unknown type, so that the function's own types decide.

    There are as many as there are calls in our code, and composing one takes longer than sending it. Raises ``ValueError`` for
    names that are not ours.
    """
    check_names(function, names)
    named = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(name), sql.SQL(f"${number}")) for number, name in enumerate(names, 1)
    )
    return sql.SQL("select public.{}({})").format(sql.Identifier(function), named).as_bytes()


def _error(error: psycopg.Error) -> Exception:
    if error.sqlstate is None:
        return connect_error(error)
    return error_for(error.sqlstate, error.diag.message_primary or type(error).__name__)


def _hang_up_after(connection: Connection, seconds: float) -> asyncio.TimerHandle:
    """Shut the socket down when the server does not answer: cancelling would wait for the same silent server."""
    return asyncio.get_running_loop().call_later(seconds, _hang_up, connection)


def _hang_up(connection: Connection) -> None:
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
