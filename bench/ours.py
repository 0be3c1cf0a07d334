"""Our bot as it runs for a shop: signed Instagram webhooks in, Graph calls out, durable database, action server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import async_timeout

from bench import server
from bench.database import Database
from bench.load import Unanswered
from bench.sink import Sink
from bench.wire import Caller
from omnicrm.processes import Child, Processes, free_ports
from omnicrm.trial import endpoints
from simulator.wire import entry, envelope, meta_json, signed_headers

TURN_SECONDS = 60.0
WEBHOOK = "/api/webhooks/meta"
PAGE, ACCOUNT = "104098558513421", "17841470026191358"
SECRET = "bench-app-secret"  # noqa: S105 - opens nothing
META = {
    "META_ACCESS_TOKEN": "EAAbench", "META_PAGE_ID": PAGE, "META_IG_ACCOUNT_ID": ACCOUNT, "META_APP_SECRET": SECRET,
    "META_VERIFY_TOKEN": "bench",
}  # fmt: skip
CREDENTIALS = "bench.channel.UnpacedInstagram:\n"


@dataclass(slots=True)
class Webhooks:
    """How long each webhook took to be answered with 200, which says that its event is committed."""

    seconds: list[float] = field(default_factory=list)


class Ours:
    """Our running bot."""

    # Three rules: utterances alone, though an action server is there.
    lines = ("hola", "¿eres un bot?", "adiós")
    # One that runs a custom action, which answers from the shop's knowledge.
    question = "¿cuánto tarda el envío?"

    def __init__(self, platform: Caller, sink: Sink, bot: Child, actions: Child) -> None:
        self._platform = platform
        self._sink = sink
        self._mids = count(1)
        self.process = bot
        self.actions = actions
        self.webhooks = Webhooks()

    @property
    def replies(self) -> int:
        """How many replies have reached the platform."""
        return self._sink.replies

    async def turn(self, sender: str, line: str) -> float:
        """Say one line; its turn ends when the reply's request has reached the platform. Returns seconds."""
        arrival = self._sink.reply_to(sender)
        started = time.perf_counter()
        await self.say(sender, line)
        try:
            return await asyncio.wait_for(arrival, TURN_SECONDS) - started
        except asyncio.TimeoutError:
            raise Unanswered(f"ours did not answer {line!r} of {sender}\n{self.process.last_lines()}") from None

    async def say(self, sender: str, line: str) -> None:
        """Deliver a message and return when it is acknowledged."""
        await self._deliver(sender, {"message": {"mid": f"aWdf{next(self._mids):012d}", "text": line}})

    async def read(self, sender: str) -> None:
        """Deliver a read receipt."""
        await self._deliver(sender, {"read": {"mid": f"m_{next(self._mids)}"}})

    async def _deliver(self, sender: str, event: dict[str, object]) -> None:
        now = int(time.time() * 1000)
        item = {"sender": {"id": sender}, "recipient": {"id": ACCOUNT}, "timestamp": now, **event}
        body = meta_json(envelope("instagram", [entry(ACCOUNT, now, [item])]))
        headers = signed_headers(SECRET, body)
        started = time.perf_counter()
        try:
            async with async_timeout.timeout(TURN_SECONDS):
                status = await self._platform.post(body, headers)
        except (OSError, asyncio.TimeoutError) as error:
            raise Unanswered(f"our webhook: {type(error).__name__}: {error}\n{self.process.last_lines()}") from error
        if status != 200:
            raise Unanswered(f"our webhook answered {status}\n{self.process.last_lines()}")
        self.webhooks.seconds.append(time.perf_counter() - started)


@asynccontextmanager
async def running(
    logs: Path, project: Path, model: Path, folder: Path, database: Database
) -> AsyncIterator[tuple[Ours, float]]:
    """Our bot and its action server once the bot has answered, and the seconds until then."""
    sink_port, bot_port, action_port = free_ports(3)
    bot, actions = (f"http://127.0.0.1:{port}" for port in (bot_port, action_port))
    (folder / "credentials.yml").write_text(CREDENTIALS, encoding="utf-8")
    (folder / "endpoints.yml").write_text(endpoints(project, actions), encoding="utf-8")
    platform = Caller(bot + WEBHOOK)
    with Processes(logs) as processes, closing(platform):
        async with Sink(sink_port) as sink, aiohttp.ClientSession() as session:
            variables = server.environment(
                DATABASE_URL=database.dsn, DATA_DIR=str(folder), BURST_SECONDS="0", META_GRAPH_URL=sink.address,
                **META,
            )  # fmt: skip
            started = time.perf_counter()
            command = server.run_command(model, bot_port, folder / "credentials.yml", folder / "endpoints.yml")
            action_command = [*server.RASA, "run", "actions", "-p", str(action_port)]
            action_child = processes.start("actions", action_command, variables, project)
            child = processes.start("ours", command, variables, project)
            await server.serving(action_child, actions + "/health", session)
            await server.serving(child, bot + "/", session)
            ours = Ours(platform, sink, child, action_child)
            await ours.turn("1000000000000001", ours.lines[0])
            yield ours, time.perf_counter() - started
