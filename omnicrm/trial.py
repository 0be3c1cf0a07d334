"""``make run``: the whole bot on this machine against the simulator, with nothing to configure and nothing left behind."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import yaml
from dotenv import dotenv_values
from rich.console import Console

from omnicrm import model
from omnicrm.processes import Processes, answers, free_ports, stopping_on_signals, until
from omnicrm.progress import step
from omnicrm.settings import Settings
from simulator.bot import ForBot
from simulator.client import SimulatorClient
from simulator.config import Config

BOT_START_SECONDS = 240.0
OK = 200
PLAIN_WIDTH = 120
# A trial speaks to the simulator and its own database, never to a platform, the shop's staff, its programs or its database.
NOT_IN_A_TRIAL = ("META_", "WHAPI_", "EMAIL_", "DATABASE_URL", "SUPABASE_", "DATA_DIR", "NOTIFY_", "WEBHOOK_")


class TrialRunning(Exception):
    """A trial holds this folder already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Where a trial's parts answer, and the environment and settings that its processes have."""

    simulator: ForBot
    actions: str
    folder: Path
    environment: Mapping[str, str]
    settings: Settings

    @property
    def bot(self) -> str:
        """The bot's address."""
        return f"http://127.0.0.1:{self.simulator.bot_port}"


def environment(outer: Mapping[str, str], project: Path, folder: Path, simulator: ForBot, *, with_ara: bool) -> dict[str, str]:
    """The environment of a trial's processes: the user's own, with other keys in place of the real ones.

    ``with_ara`` leaves the language model in: who chats may want to hear it, and it reaches nobody else.
    """
    named = {name.upper() for name in Settings.__dataclass_fields__}
    left_out = NOT_IN_A_TRIAL if with_ara else (*NOT_IN_A_TRIAL, "ARA_")
    outside = {name: value for name, value in {**dotenv_values(project / ".env"), **outer}.items() if value is not None}
    # A proxy of the user's network must not be asked for this machine.
    direct = ",".join(filter(None, ["127.0.0.1,localhost", outside.get("NO_PROXY") or outside.get("no_proxy")]))
    return {
        **{name: value for name, value in outside.items() if not name.startswith(left_out)},
        # Set to nothing rather than left out: `.env` would fill in what is missing.
        **{name: "" for name in named if name.startswith(left_out)},
        "DATA_DIR": str(folder),
        **simulator.environment(),
        "EMAIL_REPLY_SECRET": secrets.token_hex(16),
        # Nobody bans a simulated number, and somebody waits for the answer.
        "EMAIL_SEND_PER_MINUTE": "600",
        "WHAPI_SEND_PER_MINUTE": "600",
        "RASA_TELEMETRY_ENABLED": "false",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONUNBUFFERED": "1",
        "SANIC_HOST": "127.0.0.1",
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def endpoints(project: Path, actions: str) -> str:
    """endpoints.yml with the trial's action server in it."""
    document = yaml.safe_load((project / "endpoints.yml").read_text(encoding="utf-8"))
    document["action_endpoint"]["url"] = f"{actions}/webhook"
    return str(yaml.safe_dump(document))


async def start(processes: Processes, console: Console, project: Path, trial: Trial, model_file: Path) -> None:
    """Start simulator, action server and bot, and wait until all answer. Raises ``ProcessFailed``."""
    own_endpoints = trial.folder / "endpoints.yml"
    own_endpoints.write_text(endpoints(project, trial.actions), encoding="utf-8")
    python = [sys.executable, "-m"]
    commands = {
        "simulator": trial.simulator.command(),
        "actions": [*python, "rasa", "run", "actions", "-p", _port(trial.actions)],
        "bot": [
            *python,
            "rasa",
            "run",
            "-m",
            str(model_file),
            "-i",
            "127.0.0.1",
            "-p",
            _port(trial.bot),
            "--credentials",
            "credentials.yml",
            "--endpoints",
            str(own_endpoints),
        ],
    }
    simulator = trial.simulator.address
    addresses = {"simulator": simulator + "/sim/health", "actions": trial.actions + "/health", "bot": trial.bot + "/"}
    with step(console, "Simulator, action server and bot") as tell:
        children = {name: processes.start(name, command, trial.environment, project) for name, command in commands.items()}
        for name, child in children.items():
            tell(f"waiting for the {name}")
            await until(functools.partial(answers, addresses[name]), child, BOT_START_SECONDS)
        async with SimulatorClient(simulator) as client:
            await until(functools.partial(_takes_webhooks, client, trial.settings), children["bot"], BOT_START_SECONDS)


async def _takes_webhooks(client: SimulatorClient, settings: Settings) -> bool:
    """Whether a signed webhook is committed: Rasa answers its port before the bot has opened its database."""
    trying = {
        "object": "page",
        "entry": [{"id": settings.meta_page_id, "time": 0, "changes": [{"field": "feed", "value": {}}]}],
    }
    return bool((await client.deliver(trying))["status"] == OK)


def _port(address: str) -> str:
    return address.rsplit(":", 1)[1]


def up(project: Path, channel: str) -> int:
    """Run a trial: a chat where somebody watches, otherwise the written conversation. Returns the exit status."""
    watched = sys.stdin.isatty() and sys.stdout.isatty()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    data = project / ".data"
    data.mkdir(exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(stopping_on_signals())
        with step(console, "Model") as tell:
            model_file = model.ensure(project, data / "logs" / "train.log", tell)
        # A chat goes on with the database of the last one; the written conversation needs an empty one.
        folder = data / ("trial" if watched else f"demo-{os.getpid()}")
        _forget_killed(data)
        folder.mkdir(exist_ok=True)
        if watched:
            stack.enter_context(_alone(folder))
        else:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        trial = _plan(project, folder, with_ara=watched)
        processes = stack.enter_context(Processes(data / "logs"))
        return asyncio.run(_run(console, project, trial, processes, model_file, channel if watched else None))


def _plan(project: Path, folder: Path, *, with_ara: bool) -> Trial:
    port, smtp_port, imap_port, bot_port, action_port = free_ports(5)
    # Keys of this trial alone: whatever else speaks to these ports is refused.
    config = Config(
        webhook="", port=port, smtp_port=smtp_port, imap_port=imap_port, token="EAAtrial" + secrets.token_hex(8),
        app_secret=secrets.token_hex(16), verify_token=secrets.token_hex(8), whapi_token=secrets.token_hex(16),
        whapi_secret=secrets.token_hex(16), mail_password=secrets.token_hex(16), mailgun_key=secrets.token_hex(16),
    )  # fmt: skip
    simulator, actions = ForBot(config=config, bot_port=bot_port), f"http://127.0.0.1:{action_port}"
    variables = environment(os.environ, project, folder, simulator, with_ara=with_ara)
    settings = Settings.load(variables, dotenv=None)
    return Trial(simulator=simulator, actions=actions, folder=folder, environment=variables, settings=settings)


def _forget_killed(data: Path) -> None:
    """Remove the databases of written conversations whose process was killed."""
    for folder in data.glob("demo-*"):
        if not psutil.pid_exists(int(folder.name.removeprefix("demo-"))):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two chats on one database would answer each other's customers. Raises ``TrialRunning``."""
    with (folder / "trial.lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrialRunning("another trial with a chat runs in this folder: end it first, or open another clone") from None
        yield


async def _run(
    console: Console, project: Path, trial: Trial, processes: Processes, model_file: Path, channel: str | None
) -> int:
    from crm.connect import open_crm

    with step(console, "Database") as tell:
        crm = await open_crm(trial.settings, progress=tell)
    try:
        keeper = [sys.executable, "-m", "omnicrm.keeper", str(trial.folder)]
        processes.start("database", keeper, trial.environment, project, orphaned=signal.SIGTERM)
        # Mail that was there before the very first look is history for a bot; here it is somebody who waits.
        await crm.call("omnicrm_remember", p_name=f"mail:{trial.settings.email_address}:INBOX", p_value={})
        await start(processes, console, project, trial, model_file)
        if channel is None:
            from omnicrm import demo

            return await demo.run(console, project, trial, crm, processes)
        from omnicrm.chat import chat

        await chat(trial.simulator.address, channel, processes.check)
        return 0
    finally:
        with step(console, "Stopping everything"):
            processes.stop()  # before the database, which stops with its last user
            await crm.close()
