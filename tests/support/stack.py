"""Bot, simulator and their processes for tests that go over HTTP from a customer's phone and back."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]

from connectors.message import Address
from crm.port import Crm
from omnicrm.processes import Processes, answers, die_with_parent, free_ports, until
from simulator.bot import ForBot
from simulator.config import Config
from tests.support.eventually import eventually

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
KEYS = Config(webhook="")
REAL = ("META_", "WHAPI_", "EMAIL_", "SUPABASE_", "ARA_")


def address_of(channel: str, user: str) -> Address:
    """A customer of the simulated shop, as the CRM knows them."""
    made = {
        "instagram": Address(channel="IG", account=KEYS.ig_id, user=user),
        "messenger": Address(channel="FB", account=KEYS.page_id, user=user),
        # Mexican numbers have a 1 after the country code in WhatsApp, and nowhere else.
        "whatsapp": Address(channel="WA", account=KEYS.whapi_channel_id, user=f"+{user.replace('521', '52', 1)}"),
        "email": Address(channel="EMAIL", account=KEYS.mail_address, user=user),
    }
    return made[channel]


def user_on(channel: str, number: int) -> str:
    """The id of customer ``number`` (up to 7 digits) on this channel, as the simulator takes it."""
    if channel == "whatsapp":
        return f"521551{number:07}"
    return f"cliente{number}@correo.example" if channel == "email" else str(number)


def for_bot(**changes: str) -> ForBot:
    """A simulator and a bot that are yet to be started, on ports that are free now."""
    port, smtp_port, imap_port, bot_port = free_ports(4)
    config = Config(webhook="", port=port, smtp_port=smtp_port, imap_port=imap_port, **changes)
    return ForBot(config=config, bot_port=bot_port)


def bot_environment(database_url: str, simulator: ForBot, **more: str) -> dict[str, str]:
    """What a bot's process needs to live on this database and to take the simulator for its platforms."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(REAL)},
        **simulator.environment(),
        "EMAIL_REPLY_SECRET": "signs-the-reply-addresses-of-tests",
        # A real account's pace would be the tests' pace.
        "EMAIL_SEND_PER_MINUTE": "600",
        "WHAPI_SEND_PER_MINUTE": "600",
        "DATABASE_URL": database_url,
        "BURST_SECONDS": "0.02",
        "RASA_TELEMETRY_ENABLED": "false",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "NO_PROXY": "127.0.0.1,localhost",
        **more,
    }


async def know_mailbox(crm: Crm) -> None:
    """Let bots answer whatever is in the mailbox: mail that was there before the very first look is history otherwise."""
    await crm.call("omnicrm_remember", p_name=f"mail:{KEYS.mail_address}:INBOX", p_value={})


class Nursery:
    """A process with the stand-in bot loaded, which forks bots on demand."""

    def __init__(self, log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.standin_bot"],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - it only asks the kernel for a signal
            )

    def bot(self, port: int, environment: dict[str, str]) -> StandinBot:
        """Fork one bot."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"port": port, "environment": environment}) + "\n")
        self._process.stdin.flush()
        return StandinBot(int(self._process.stdout.readline()), port)

    def close(self) -> None:
        """End it, and every bot with it."""
        self._process.kill()
        self._process.communicate()


class StandinBot:
    """One forked bot."""

    def __init__(self, pid: int, port: int) -> None:
        self._process = psutil.Process(pid)
        self._port = port
        self.webhook = f"http://127.0.0.1:{port}/api/webhooks/meta"

    def alive(self) -> bool:
        """Whether it still runs, or holds its port: a process is a zombie while its threads end."""
        return bool(self._process.is_running())

    async def ready(self) -> None:
        """Wait until it answers, or is dead already."""

        async def listens() -> bool:
            if not self.alive():
                return True
            try:
                return (await http.get(f"http://127.0.0.1:{self._port}/")).text == "ready"
            except httpx.HTTPError:
                return False

        # It listens once everything before the server's start is done.
        async with httpx.AsyncClient(trust_env=False) as http:
            await eventually(listens, within=START_SECONDS, every=0.02)

    async def dead(self, within: float = 30.0) -> None:
        """Wait until it has died."""

        async def gone() -> bool:
            return not self.alive()

        await eventually(gone, within=within, every=0.02)

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        if self.alive():
            self._process.send_signal(signal.SIGKILL)
            psutil.wait_procs([self._process], timeout=5)  # its port is free now


@contextmanager
def simulated(logs: Path, **changes: str) -> Iterator[ForBot]:
    """A simulator whose webhooks go to a bot that is yet to be started; ``changes`` to its accounts."""
    made = for_bot(**changes)
    with Processes(logs) as processes:
        child = processes.start("simulator", made.command(), {**os.environ, **made.environment()}, PROJECT)
        asyncio.run(until(functools.partial(answers, made.address + "/sim/settings"), child, START_SECONDS))
        yield made
