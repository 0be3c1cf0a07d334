"""The yardstick: what ``rasa init`` makes, untouched, over Rasa's REST channel."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import aiohttp

from bench import server
from bench.load import Unanswered
from omnicrm.processes import Child, Processes, free_ports

TURN_SECONDS = 60.0


class Stock:
    """A running stock assistant."""

    # Two rules and a story: utterances alone, no action server.
    lines = ("hello", "are you a bot?", "bye")

    def __init__(self, session: aiohttp.ClientSession, address: str, process: Child) -> None:
        self._session = session
        self._webhook = f"{address}/webhooks/rest/webhook"
        self.process = process

    async def turn(self, sender: str, line: str) -> float:
        """Say one line; the HTTP answer brings the reply. Returns seconds."""
        started = time.perf_counter()
        try:
            async with self._session.post(self._webhook, json={"sender": sender, "message": line}) as response:
                replies = await response.json()
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as error:
            raise Unanswered(f"stock, {line!r}: {type(error).__name__}: {error}\n{self.process.last_lines()}") from error
        seconds = time.perf_counter() - started
        if not replies:
            raise Unanswered(f"stock said nothing to {line!r}")
        return seconds


def make_project(folder: Path) -> None:
    """Make the assistant of ``rasa init``, with the REST channel open."""
    found = find_spec("rasa")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("the package rasa is missing: run make setup")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(Path(found.submodule_search_locations[0]) / "cli" / "initial_project", folder)
    (folder / "credentials.yml").write_text("rest:\n", encoding="utf-8")


@asynccontextmanager
async def running(logs: Path, project: Path, model: Path) -> AsyncIterator[tuple[Stock, float]]:
    """A stock assistant that has answered once, and the seconds until then."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    timeout = aiohttp.ClientTimeout(total=TURN_SECONDS)
    connections = aiohttp.TCPConnector(limit=0)
    with Processes(logs) as processes:
        async with aiohttp.ClientSession(timeout=timeout, connector=connections) as session:
            started = time.perf_counter()
            command = server.run_command(model, port, project / "credentials.yml", project / "endpoints.yml")
            child = processes.start("stock", command, server.environment(), project)
            await server.serving(child, address, session)
            stock = Stock(session, address, child)
            await stock.turn("warm-up", stock.lines[0])
            yield stock, time.perf_counter() - started
