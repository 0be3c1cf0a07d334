"""A small HTTP client for webhooks.

The simulator shares its machine with the bot that it measures, so what it costs counts: this takes a fraction of the time
per call, and of the start, that a full client does.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

IDLE_SECONDS = 2.0  # shorter than servers keep an idle connection, so that none is used while it is being closed
MAX_IDLE = 50
MAX_HEAD = 64 * 1024


class NoAnswer(Exception):
    """The other side did not answer: refused, broken off, too slow, or not HTTP. The text names the kind."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, content type and body."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: float = 0.0


@dataclass(slots=True)
class Poster:
    """Calls one server after the other and keeps connections that it can use again."""

    _idle: dict[tuple[str, int], list[_Connection]] = field(default_factory=dict)

    async def request(self, method: str, url: str, headers: dict[str, str], body: bytes, limit: float) -> Answer:
        """Send one request and read the whole answer within ``limit`` seconds. Raises ``NoAnswer``."""
        try:
            return await asyncio.wait_for(self._request(method, urlsplit(url), headers, body), limit)
        except asyncio.TimeoutError as error:
            raise NoAnswer("ReadTimeout") from error
        except ConnectionRefusedError as error:
            raise NoAnswer("ConnectError") from error
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise NoAnswer(type(error).__name__) from error

    async def close(self) -> None:
        """Close every idle connection."""
        for connections in self._idle.values():
            for connection in connections:
                connection.writer.close()
        self._idle.clear()

    async def _request(self, method: str, url: SplitResult, headers: dict[str, str], body: bytes) -> Answer:
        secure = url.scheme == "https"
        server = (url.hostname or "127.0.0.1", url.port or (443 if secure else 80))
        connection = self._kept(server) or await _connect(server, secure)
        reusable = False
        try:
            target = (url.path or "/") + (f"?{url.query}" if url.query else "")
            lines = [f"{method} {target} HTTP/1.1", f"Host: {url.netloc.rpartition('@')[2]}", f"Content-Length: {len(body)}"]
            lines += _credentials(url)
            lines += [f"{name}: {value}" for name, value in headers.items()]
            connection.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            await connection.writer.drain()
            answer, reusable = await _read_answer(connection.reader)
        finally:
            if reusable:
                self._keep(server, connection)
            else:
                connection.writer.close()
        return answer

    def _kept(self, server: tuple[str, int]) -> _Connection | None:
        idle = self._idle.get(server, [])
        while idle:
            connection = idle.pop()
            if time.monotonic() - connection.used < IDLE_SECONDS and not connection.reader.at_eof():
                return connection
            connection.writer.close()
        return None

    def _keep(self, server: tuple[str, int], connection: _Connection) -> None:
        idle = self._idle.setdefault(server, [])
        connection.used = time.monotonic()
        if len(idle) < MAX_IDLE:
            idle.append(connection)
        else:
            connection.writer.close()


def _credentials(url: SplitResult) -> list[str]:
    if url.username is None:
        return []
    words = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return [f"Authorization: Basic {base64.b64encode(words.encode()).decode()}"]


async def _connect(server: tuple[str, int], secure: bool) -> _Connection:
    reader, writer = await asyncio.open_connection(
        *server, ssl=ssl.create_default_context() if secure else None, limit=MAX_HEAD
    )
    return _Connection(reader, writer)


async def _read_answer(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    version, status, *_ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if not version.startswith("HTTP/1."):
        raise ValueError(first)
    keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunks(reader)
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif status in ("204", "304"):
        body = b""
    else:
        body, keep = await reader.read(), False
    return Answer(int(status), headers.get("content-type", ""), body), keep


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while (await reader.readline()).strip():
        pass  # trailers
    return body
