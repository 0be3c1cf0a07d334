"""The real bot: Rasa with its model, the action server and the simulator, each in its process, started once for many tests."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from crm.connect import open_crm
from omnicrm import model
from omnicrm.processes import Child, Processes, answers, free_ports, until
from omnicrm.settings import Settings
from omnicrm.trial import endpoints
from simulator.bot import ForBot
from tests.support.stack import PROJECT, bot_environment, for_bot, know_mailbox

START_SECONDS = 180.0


@dataclass(frozen=True)
class RealBot:
    """Where everything answers, and the processes, to stop and start them."""

    processes: Processes
    environment: dict[str, str]
    folder: Path
    model_file: Path
    platforms: ForBot
    actions: str
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def simulator(self) -> str:
        """The simulator's address."""
        return self.platforms.address

    @property
    def bot(self) -> str:
        """The bot's address."""
        return f"http://127.0.0.1:{self.platforms.bot_port}"

    def start_simulator(self) -> Child:
        """Start the simulator."""
        return self._start("simulator", self.platforms.command()[2:])

    def start_actions(self) -> Child:
        """Start the action server."""
        return self._start("actions", ["rasa", "run", "actions", "-p", _port(self.actions)])

    def start_bot(
        self, name: str = "bot", address: str = "", *, actions: str = "", credentials: str = "credentials.yml",
        without: str = "", **more: str,
    ) -> Child:
        """Start a bot, by default with everybody's action server; ``more`` goes into its environment.

        ``without``: what endpoints.yml does not name for this one.
        """
        own = self.folder / f"{name}-endpoints.yml"
        named = yaml.safe_load(endpoints(PROJECT, actions or self.actions))
        named.pop(without, None)
        own.write_text(yaml.safe_dump(named), encoding="utf-8")
        command = ["rasa", "run", "-m", str(self.model_file), "-i", "127.0.0.1", "-p", _port(address or self.bot)]
        return self._start(name, [*command, "--credentials", credentials, "--endpoints", str(own)], **more)

    def _start(self, name: str, command: list[str], **more: str) -> Child:
        environment = {**self.environment, **more}
        self.children[name] = self.processes.start(name, [sys.executable, "-m", *command], environment, PROJECT)
        return self.children[name]


@contextmanager
def real_bot(database_url: str, folder: Path, **settings: str) -> Iterator[RealBot]:
    """Start all, wait until all answer; stop all afterwards. ``{simulator}`` in a setting stands for its address."""
    model_file = model.ensure(PROJECT, folder / "train.log", lambda line: None)
    platforms, actions = for_bot(), f"http://127.0.0.1:{free_ports(1)[0]}"
    filled = {name: value.format(simulator=platforms.address) for name, value in settings.items()}
    environment = bot_environment(database_url, platforms, **filled)
    asyncio.run(_know_mailbox(database_url))
    with Processes(folder) as processes:
        made = RealBot(processes, environment, folder, model_file, platforms, actions)
        children = {
            made.simulator + "/sim/health": made.start_simulator(),
            actions + "/health": made.start_actions(),
            made.bot + "/": made.start_bot(),
        }
        for address, child in children.items():
            asyncio.run(until(functools.partial(answers, address), child, START_SECONDS))
        yield made


def _port(address: str) -> str:
    return address.rsplit(":", 1)[1]


async def _know_mailbox(database_url: str) -> None:
    crm = await open_crm(Settings(database_url=database_url))
    try:
        await know_mailbox(crm)
    finally:
        await crm.close()
