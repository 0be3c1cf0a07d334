"""``make run`` as its users meet it: real processes, a real model, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from omnicrm.cli import PROJECT
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "omnicrm", "up"]
START_SECONDS = 240


@pytest.fixture
def tag() -> Iterator[str]:
    """A word in the environment of everything a test starts; afterwards no process may have it."""
    word = f"omnicrm-e2e-{os.getpid()}-{time.monotonic_ns()}"
    yield word
    deadline = time.monotonic() + 20
    while (left := tagged(word)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def tagged(word: str) -> list[str]:
    return [f"{process.pid} {process.info['cmdline']}" for process in psutil.process_iter(["cmdline"]) if has(process, word)]


def has(process: psutil.Process, word: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("OMNICRM_TEST") == word
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # it ended while we looked, or is none of ours
        return False


def environment(tag: str, **more: str) -> dict[str, str]:
    return {**os.environ, "OMNICRM_TEST": tag, "BURST_SECONDS": "0.2", **more}


def test_without_a_terminal_it_plays_all_channels_shows_the_crm_and_ends_well(tag: str) -> None:
    done = subprocess.run(
        COMMAND, cwd=PROJECT, env=environment(tag), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=START_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shown = " ".join(done.stdout.split())
    channels = [f"{name} · " for name in ("Instagram", "Messenger", "WhatsApp", "Correo")]
    for expected in (*channels, "clients 6 conversations 8", "a person decides", "waits for a person"):
        assert expected in shown
    assert "Traceback" not in done.stderr
    assert not list((PROJECT / ".data").glob(f"demo-{os.getpid()}*"))


def test_in_a_terminal_it_chats_and_ctrl_c_ends_everything(tag: str) -> None:
    terminal = Terminal(COMMAND, environment(tag, CHANNEL="messenger"))
    terminal.read_until("Messenger · /ayuda", START_SECONDS)
    terminal.type("hola\r")
    terminal.read_until("3 Hablar con alguien]", 20)
    terminal.type("3\r")
    terminal.read_until("persona del equipo", 20)
    terminal.type("/persona Hola, soy Ana\r")
    terminal.read_until("Persona Hola, soy Ana", 20)
    terminal.type("/nuevo\r/audio\r")
    terminal.read_until("Recibí tu audio", 20)
    terminal.type("\x03")
    assert terminal.status() == 0
    assert "Traceback" not in terminal.shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_stopped_while_it_starts_it_leaves_nothing_behind(tag: str, number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            COMMAND, cwd=PROJECT, env=environment(tag), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        deadline = time.monotonic() + 60
        while len(tagged(tag)) < 6 and time.monotonic() < deadline:  # itself, keeper, simulator, actions, bot, PostgreSQL
            time.sleep(0.1)
        assert len(tagged(tag)) >= 6, log.read_text()
        process.send_signal(number)
        status = process.wait(timeout=60)
    if number != signal.SIGKILL:
        assert status == 130
        assert "Traceback" not in log.read_text()
