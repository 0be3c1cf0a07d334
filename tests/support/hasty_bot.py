"""A bot without a model whose server is asked to stop at the worst moment: its listeners still run."""

from __future__ import annotations

import os
import signal
from typing import Any

from sanic import Sanic

from connectors.channel import InstagramInput


async def never(_message: Any) -> None:
    """What Rasa would give a channel."""


async def ask_to_stop(_app: Sanic, _loop: Any) -> None:
    """As systemd does."""
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    bot = Sanic("hasty")
    channel = InstagramInput.from_credentials(None)
    bot.blueprint(channel.blueprint(never), url_prefix=channel.url_prefix())
    bot.register_listener(ask_to_stop, "after_server_start")
    bot.run(host="127.0.0.1", port=int(os.environ["PORT"]))
