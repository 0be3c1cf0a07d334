"""A program that takes webhooks, over real HTTP on this machine, and misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from standardwebhooks.webhooks import Webhook

# Instead of an answer: hang up, say nothing, say what is no HTTP, or talk without end.
Trouble = Literal["cut", "silence", "garbage", "flood"]


@dataclass(frozen=True)
class Posted:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return str(self.document["type"])

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The body, as the library's own verifier gives it."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Answers what ``answers`` holds, one after the other, and then ``usual``."""

    url: str = ""
    posts: list[Posted] = field(default_factory=list)
    answers: deque[int | Trouble] = field(default_factory=deque)
    usual: int | Trouble = 200
    headers: dict[str, str] = field(default_factory=dict)
    flooded: int = 0

    @property
    def types(self) -> list[str]:
        return [post.type for post in self.posts]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.posts.append(await _request(reader))
            answer = self.answers.popleft() if self.answers else self.usual
            if answer == "silence":
                await reader.read()
            elif answer == "garbage":
                writer.write(b"\x00\xffno HTTP at all\r\n\r\n")
            elif answer == "flood":
                await self._flood(writer)
            elif isinstance(answer, int):
                more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                writer.write(f"HTTP/1.1 {answer} X\r\nContent-Length: 2\r\n{more}\r\nok".encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _flood(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            self.flooded += 65536
            await writer.drain()


async def _request(reader: asyncio.StreamReader) -> Posted:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Posted(first.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None, **changes: Any) -> AsyncIterator[Receiver]:
    """A running receiver on 127.0.0.1."""
    made = Receiver(**changes)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
