"""A bot that is asked to stop stops, however early it is asked."""

from __future__ import annotations

import subprocess
import sys

from omnicrm.processes import free_ports
from simulator.bot import ForBot
from tests.support.postgres import Database
from tests.support.stack import PROJECT, bot_environment


def test_a_bot_that_is_asked_to_stop_while_it_starts_stops(platforms: ForBot, database: Database) -> None:
    environment = bot_environment(database.url, platforms, PORT=str(*free_ports(1)))
    command = [sys.executable, "-m", "tests.support.hasty_bot"]
    ended = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert ended.returncode == 0, ended.stderr
    assert "Server Stopped" in ended.stdout
