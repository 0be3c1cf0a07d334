"""The smallest Graph API that a bot can talk to: it takes everything at once and notes when replies arrive.

The simulator checks, remembers and echoes; its cost on the same machine would be measured too.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any

from aiohttp import web


class Sink:
    """Serves on a port of this machine while it is open."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.replies = 0
        self._port = port
        self._awaited: dict[str, asyncio.Future[float]] = {}
        self._mids = count(1)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Sink:
        app = web.Application()
        app.router.add_post("/{version}/{page}/messages", self._message)
        app.router.add_get("/{version}/{user}", self._profile)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def reply_to(self, user: str) -> asyncio.Future[float]:
        """When the next message for this customer arrives (``time.perf_counter``)."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._awaited[user] = future
        return future

    async def _message(self, request: web.Request) -> web.Response:
        arrived = time.perf_counter()
        try:
            body: dict[str, Any] = await request.json()
        except ConnectionResetError:
            # The bot takes "typing" back when the answer is ready before it has left.
            return web.Response(status=400)
        user = body["recipient"]["id"]
        if "message" not in body:
            return web.json_response({"recipient_id": user})
        self.replies += 1
        awaited = self._awaited.pop(user, None)
        if awaited is not None and not awaited.done():
            awaited.set_result(arrived)
        return web.json_response({"recipient_id": user, "message_id": f"m_{next(self._mids)}"})

    async def _profile(self, request: web.Request) -> web.Response:
        user = request.match_info["user"]
        return web.json_response({"id": user, "name": "Clienta de prueba", "username": f"clienta{user[-6:]}"})
