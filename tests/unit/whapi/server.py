"""An HTTP server on this machine that answers with what it is given, and misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from connectors.whapi.platform import Whatsapp
from omnicrm.settings import Settings

# Instead of an answer: take the request and hang up, or never say anything.
Trouble = Literal["hang up", "silence"]


@dataclass(frozen=True)
class Reply:
    """One answer; ``body`` is JSON unless it is bytes."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def written(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"HTTP/1.1 {self.status} x", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in self.headers.items())]
        head = lines[:1] + lines[2:] if self.status == 204 else lines
        return "\r\n".join([*head, "", ""]).encode() + body


@dataclass(frozen=True)
class Heard:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Whapi:
    """What was heard, and what is answered next."""

    def __init__(self, replies: list[Reply | Trouble]) -> None:
        self.replies = replies
        self.heard: list[Heard] = []
        self.called = asyncio.Event()
        self.address = ""
        self._open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        while True:
            try:
                self.heard.append(await _request(reader))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self.called.set()
            reply = self.replies.pop(0)
            if reply == "hang up":
                writer.close()
                return
            if isinstance(reply, Reply):
                writer.write(reply.written())

    def close(self) -> None:
        for writer in self._open:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Heard(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def whapi(*replies: Reply | Trouble) -> AsyncIterator[Whapi]:
    """A server that gives these answers, one after the other."""
    server = Whapi(list(replies))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        server.close()
        listening.close()
        await listening.wait_closed()


TOKEN = "a1B2c3D4e5F6g7H8"
SECRET = "a-very-long-random-secret"
CHANNEL = "MANTIS-M72HC"
BASE: dict[str, Any] = {
    "whapi_token": TOKEN, "whapi_channel_id": CHANNEL, "whapi_webhook_secret": (SECRET, "the-secret-of-yesterday"),
    "whapi_number": "525599990000",
}  # fmt: skip


def settings(**changes: Any) -> Settings:
    """Settings with all that WhatsApp needs."""
    return Settings(**{**BASE, **changes})


def open_platform(server: Whapi, http: Any, *, more: dict[str, Any] | None = None, **changes: Any) -> Whatsapp:
    """The platform, calling this server."""
    return Whatsapp(settings(whapi_url=server.address, **changes), http, **{"random_number": lambda: 0.5, **(more or {})})
