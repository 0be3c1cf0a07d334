"""``rasa shell`` as a designer uses it: the same model, the actions in another terminal, no channel and no key."""

from __future__ import annotations

import sys

from tests.support.real_bot import START_SECONDS, RealBot
from tests.support.terminal import Terminal

# To the last of the choices, which is to type.
UP = "\x1b[A"


def test_it_answers_from_the_knowledge_and_ends(bot: RealBot) -> None:
    options = ["-m", str(bot.model_file), "--endpoints", str(bot.folder / "bot-endpoints.yml")]
    shell = Terminal([sys.executable, "-m", "rasa", "shell", *options], bot.environment)
    shell.read_until("Your input", START_SECONDS)
    shell.type("cuánto cuesta el extracto de árnica?\r")
    shell.read_until("$120", 60)
    shell.read_until("Type out your own message", 60)
    shell.type(f"{UP}\r")
    shell.read_until("Your input", 60)
    shell.type("/stop\r")
    assert shell.status() == 0
    assert "Traceback" not in shell.shown
