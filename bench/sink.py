"""The smallest Graph API that a bot can talk to: it takes everything at once and notes when replies arrive.

The simulator checks, remembers and echoes; its cost on the same machine would be measured too.
"""

from __future__ import annotations

import asyncio
import json
import time
from itertools import count
from typing import Any

from bench.wire import Served


class Sink:
    """Serves on a port of this machine while it is open."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.replies = 0
        self._port = port
        self._awaited: dict[str, asyncio.Future[float]] = {}
        self._mids = count(1)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Sink:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Served(self._answer), "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()

    def reply_to(self, user: str) -> asyncio.Future[float]:
        """When the next message for this customer arrives (``time.perf_counter``)."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._awaited[user] = future
        return future

    def _answer(self, path: bytes, sent: bytes) -> bytes:
        arrived = time.perf_counter()
        if not path.endswith(b"/messages"):
            user = path.rpartition(b"/")[2].decode()
            return json.dumps({"id": user, "name": "Clienta de prueba", "username": f"clienta{user[-6:]}"}).encode()
        body: dict[str, Any] = json.loads(sent)
        user = body["recipient"]["id"]
        if "message" not in body:
            return b'{"recipient_id": "%s"}' % user.encode()
        self.replies += 1
        awaited = self._awaited.pop(user, None)
        if awaited is not None and not awaited.done():
            awaited.set_result(arrived)
        return b'{"recipient_id": "%s", "message_id": "m_%d"}' % (user.encode(), next(self._mids))
