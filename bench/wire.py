"""HTTP/1.1 for the load, and no more of it: what the customers and the platform cost would be measured with the bot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import urlsplit

import httptools

Answer = Callable[[bytes, bytes], bytes]


class Served(asyncio.Protocol):
    """One connection to a server that answers every request at once with JSON. ``answer`` gets path and body."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer, and wait for the next one."""
        content = self._answer(self._url.partition(b"?")[0], self._body)
        self._url, self._body = b"", b""
        if self._transport is not None:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
            self._transport.write(head + content)


class _Connection(asyncio.Protocol):
    """One connection of a caller: a request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._status: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._status is not None and not self._status.done():
            self._status.set_exception(exc or ConnectionResetError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._status is not None and not self._status.done():
            self._status.set_result(self._parser.get_status_code())
        if not self._parser.should_keep_alive():
            self.close()

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def ask(self, request: bytes) -> asyncio.Future[int]:
        self._status = asyncio.get_running_loop().create_future()
        if self._transport is None:
            self._status.set_exception(ConnectionResetError("the connection was closed"))
        else:
            self._transport.write(request)
        return self._status

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None


class Caller:
    """Posts to one address over as many kept connections as there are calls at a time."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._start = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._idle: list[_Connection] = []

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Post and return the status once the whole answer is there. Raises ``OSError``."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"{self._start}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
        while self._idle and not self._idle[-1].is_open:
            self._idle.pop()
        connection = self._idle.pop() if self._idle else await self._connect()
        status = await connection.ask(request)
        if connection.is_open:
            self._idle.append(connection)
        return status

    async def _connect(self) -> _Connection:
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        return connection

    def close(self) -> None:
        """Close the connections that rest."""
        for connection in self._idle:
            connection.close()
