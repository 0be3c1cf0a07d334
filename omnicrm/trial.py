"""``make run``: the whole bot on this machine against the simulator, with nothing to configure and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml
from dotenv import dotenv_values
from rich.console import Console

from omnicrm import model
from omnicrm.processes import Processes, answers, free_ports, until
from omnicrm.progress import step
from omnicrm.settings import Settings

BOT_START_SECONDS = 240.0
WEBHOOK = "/api/webhooks/meta"
# A trial speaks to the simulator and its own database, never to Meta, Supabase or the shop's PostgreSQL.
NOT_IN_A_TRIAL = ("META_", "DATABASE_URL", "SUPABASE_", "DATA_DIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A running trial: where its parts answer, and the settings its processes have."""

    simulator: str
    bot: str
    actions: str
    folder: Path
    settings: Settings


def environment(outer: Mapping[str, str], project: Path, folder: Path, simulator: str, *, with_ara: bool) -> dict[str, str]:
    """The environment of a trial's processes: the user's own, with other keys in place of the real ones.

    Every name of ours is set, if only to nothing, because ``.env`` would fill in what is missing.
    """
    named = {name.upper() for name in Settings.__dataclass_fields__}
    outside = {name: value for name, value in {**dotenv_values(project / ".env"), **outer}.items() if value is not None}
    kept = {name: value for name, value in outside.items() if not name.startswith(NOT_IN_A_TRIAL)}
    if not with_ara:
        kept.update({name: "" for name in named if name.startswith("ARA_")})
    return {
        **{name: "" for name in named},
        **kept,
        "DATA_DIR": str(folder),
        "META_ACCESS_TOKEN": "EAAtrial" + secrets.token_hex(8),
        "META_PAGE_ID": "104098558513421",
        "META_IG_ACCOUNT_ID": "17841470026191358",
        "META_APP_ID": "123456789012345",
        "META_APP_SECRET": secrets.token_hex(16),
        "META_VERIFY_TOKEN": secrets.token_hex(8),
        "META_GRAPH_URL": simulator,
        "RASA_TELEMETRY_ENABLED": "false",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONUNBUFFERED": "1",
        "SANIC_HOST": "127.0.0.1",
    }


def endpoints(project: Path, actions: str) -> str:
    """endpoints.yml with the trial's action server in it."""
    document = yaml.safe_load((project / "endpoints.yml").read_text(encoding="utf-8"))
    document["action_endpoint"]["url"] = f"{actions}/webhook"
    return yaml.safe_dump(document)


async def start(console: Console, project: Path, folder: Path, processes: Processes, *, with_ara: bool) -> Trial:
    """Start everything in ``folder`` and wait until it answers. Raises ``ProcessFailed``, ``TrainingFailed`` or ``CrmUnavailable``."""
    simulator_port, bot_port, actions_port = free_ports(3)
    simulator, bot, actions = (f"http://127.0.0.1:{port}" for port in (simulator_port, bot_port, actions_port))
    variables = environment(os.environ, project, folder, simulator, with_ara=with_ara)
    settings = Settings.load(variables, dotenv=None)
    trial = Trial(simulator=simulator, bot=bot, actions=actions, folder=folder, settings=settings)

    with step(console, "Model") as tell:
        path = await asyncio.to_thread(model.ensure, project, project / ".data" / "logs" / "train.log", tell)
    endpoints_file = folder / "endpoints.yml"
    endpoints_file.write_text(endpoints(project, actions), encoding="utf-8")

    rasa = [sys.executable, "-m", "rasa"]
    with step(console, "Simulator, action server and bot") as tell:
        children = {
            simulator + "/sim/settings": processes.start(
                "simulator", [sys.executable, "-m", "simulator", "--port", str(simulator_port), "--webhook", bot + WEBHOOK], variables, project
            ),
            actions + "/health": processes.start("actions", [*rasa, "run", "actions", "-p", str(actions_port)], variables, project),
            bot + "/": processes.start(
                "bot",
                [*rasa, "run", "-m", str(path), "-i", "127.0.0.1", "-p", str(bot_port),
                 "--credentials", "credentials.yml", "--endpoints", str(endpoints_file)],
                variables, project,
            ),
        }  # fmt: skip
        for address, child in children.items():
            tell(f"waiting for the {child.name}")
            await until(lambda address=address: answers(address), child, BOT_START_SECONDS)  # type: ignore[misc]
    return trial


def up(project: Path, channel: str) -> int:
    """Run a trial: a chat where somebody watches, otherwise the written conversation. Returns the exit status."""
    console = Console(highlight=False)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    data = project / ".data"
    data.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = data / "trial" if interactive else Path(tempfile.mkdtemp(prefix="demo-", dir=data))
        folder.mkdir(exist_ok=True)
        if not interactive:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        processes = stack.enter_context(Processes(data / "logs"))
        return asyncio.run(_trial(console, project, folder, processes, channel if interactive else None))


async def _trial(console: Console, project: Path, folder: Path, processes: Processes, channel: str | None) -> int:
    from crm.connect import open_crm

    with step(console, "Database") as tell:
        crm = await open_crm(Settings(data_dir=folder), progress=tell)
    try:
        trial = await start(console, project, folder, processes, with_ara=channel is not None)
        if channel is None:
            from omnicrm.demo import play

            return await play(console, project, trial, crm, processes)
        from omnicrm.chat import chat

        await chat(console, trial.simulator, channel, processes.check)
        return 0
    finally:
        processes.stop()  # before the database, which stops with its last user
        await crm.close()
