"""Rasa's processes under measurement: train, start, weigh."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import fields
from pathlib import Path

import aiohttp
import psutil  # type: ignore[import-untyped]

from omnicrm.processes import Child, Processes, ProcessFailed, until
from omnicrm.settings import Settings

START_SECONDS = 300.0
TRAIN_SECONDS = 600.0
RASA = (sys.executable, "-m", "rasa")


def environment(**more: str) -> dict[str, str]:
    """The environment of a measured process: none of the user's settings, so that every run measures the same."""
    ours = {spec.name.upper() for spec in fields(Settings)}
    return {
        **{name: value for name, value in os.environ.items() if name not in ours},
        # Set to nothing rather than left out: `.env` would fill in what is missing.
        **dict.fromkeys(ours, ""),
        "LOG_LEVEL": "INFO",  # Rasa's own, and its default; it takes no empty one
        "RASA_TELEMETRY_ENABLED": "false",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONUNBUFFERED": "1",
        "SANIC_HOST": "127.0.0.1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **more,
    }


async def train(logs: Path, name: str, project: Path, models: Path, cache: Path) -> float:
    """Train ``models/<name>.tar.gz`` with nothing cached; return the seconds it took. Raises ``ProcessFailed``."""
    command = [*RASA, "train", "--out", str(models), "--fixed-model-name", name]
    with Processes(logs) as processes:
        started = time.perf_counter()
        child = processes.start(f"train-{name}", command, environment(RASA_CACHE_DIRECTORY=str(cache)), project)
        while child.process.poll() is None:
            if time.perf_counter() - started > TRAIN_SECONDS:
                told = f"{child.name} is not done after {TRAIN_SECONDS:.0f} s. Its last lines:"
                raise ProcessFailed(f"{told}\n{child.last_lines()}")
            await asyncio.sleep(0.1)
        if child.process.returncode != 0:
            child.check()
        return time.perf_counter() - started


def run_command(model: Path, port: int, credentials: Path, endpoints: Path) -> list[str]:
    """``rasa run`` as an operator would start it."""
    return [
        *RASA, "run", "-m", str(model), "-i", "127.0.0.1", "-p", str(port),
        "--credentials", str(credentials), "--endpoints", str(endpoints),
    ]  # fmt: skip


async def serving(child: Child, address: str, session: aiohttp.ClientSession) -> None:
    """Wait until it takes requests. Raises ``ProcessFailed``."""

    async def answered() -> bool:
        try:
            async with session.get(address, timeout=aiohttp.ClientTimeout(total=2)) as response:
                return response.status < 500
        except (aiohttp.ClientError, asyncio.TimeoutError):
            return False

    await until(answered, child, START_SECONDS)


def resident(child: Child) -> float:
    """Megabytes (2**20 bytes) of memory that a process and its copies hold now, with what they share counted once."""
    process = psutil.Process(child.process.pid)
    # A copy shares with the process that it was made of all that is not its own.
    own = sum(copy.memory_full_info().uss for copy in process.children(recursive=True))
    return float(process.memory_info().rss + own) / 2**20
