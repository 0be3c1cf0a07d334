"""The chat in a terminal ends well by Ctrl-C, at whatever moment it comes."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from simulator.app import Simulator
from tests.simulator.conftest import Recorder
from tests.support.terminal import Terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

START_SECONDS = 60


@pytest.fixture
async def terminal(simulator: Simulator) -> Terminal:
    """A chat that waits for its first line."""
    command = [sys.executable, "-m", "omnicrm", "chat", "--simulator", simulator.url, "--channel", "messenger"]
    opened = Terminal(command, os.environ)
    await asyncio.to_thread(opened.read_until, "Messenger · /ayuda", START_SECONDS)
    return opened


async def ends_well(terminal: Terminal) -> None:
    assert await asyncio.to_thread(terminal.status) == 0
    assert "Traceback" not in terminal.shown


async def test_as_a_key(terminal: Terminal):
    terminal.type("\x03")
    await ends_well(terminal)


async def test_as_a_signal_while_a_line_is_typed(terminal: Terminal):
    terminal.interrupt()
    await ends_well(terminal)


async def test_while_a_line_is_on_its_way(terminal: Terminal, bot: Recorder):
    bot.answers.append("hang")
    terminal.type("hola\r")
    await bot.wait_for(1)
    terminal.interrupt()
    await ends_well(terminal)


async def test_from_one_line_to_the_next(terminal: Terminal):
    terminal.type("/nuevo\r" * 20)
    await asyncio.to_thread(terminal.read_until, "Otro cliente", 20)
    terminal.interrupt()
    await ends_well(terminal)
