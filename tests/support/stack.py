"""Bot, simulator and their processes for tests that go over HTTP from a customer's phone and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from omnicrm.processes import Child, Processes, answers, free_ports, until
from simulator.config import ENVIRONMENT, Config

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
WEBHOOK = "/api/webhooks/meta"
KEYS = Config(webhook="")


def bot_environment(database_url: str, simulator: str, **more: str) -> dict[str, str]:
    """What a bot's process needs to live on this database and to take the simulator for Meta."""
    meta = {variable: str(getattr(KEYS, name)) for name, variable in ENVIRONMENT.items()}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("META_", "SUPABASE_", "ARA_"))},
        **meta,
        "META_GRAPH_URL": simulator,
        "DATABASE_URL": database_url,
        "BURST_SECONDS": "0.02",
        "RASA_TELEMETRY_ENABLED": "false",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "NO_PROXY": "127.0.0.1,localhost",
        **more,
    }


@dataclass
class Stack:
    """Running processes and where they answer."""

    processes: Processes
    database_url: str
    simulator: str
    bot: str
    environment: dict[str, str] = field(default_factory=dict)

    def start_standin(self, name: str, port: int, **more: str) -> Child:
        """Start a bot with the stand-in dialogue."""
        command = [sys.executable, "-m", "tests.support.standin_bot", str(port)]
        return self.processes.start(name, command, {**self.environment, **more}, PROJECT)

    async def ready(self, child: Child, address: str) -> None:
        """Wait until it answers."""
        import functools

        await until(functools.partial(answers, address), child, START_SECONDS)


@contextmanager
def simulated(database_url: str, logs: Path, **settings: str) -> Iterator[Stack]:
    """A simulator whose webhooks go to a bot that is yet to be started; both on free ports."""
    simulator_port, bot_port = free_ports(2)
    simulator, bot = (f"http://127.0.0.1:{port}" for port in (simulator_port, bot_port))
    environment: Mapping[str, str] = bot_environment(database_url, simulator, **settings)
    with Processes(logs) as processes:
        command = [sys.executable, "-m", "simulator", "--port", str(simulator_port), "--webhook", bot + WEBHOOK]
        processes.start("simulator", command, environment, PROJECT)
        yield Stack(processes, database_url, simulator, bot, dict(environment))
