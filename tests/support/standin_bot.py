"""The whole bot but for Rasa, in a process that starts within a second: ``python -m tests.support.standin_bot PORT``.

Webhook, database, worker and sender are the real ones. The dialogue repeats each line that the customer wrote, so that a test
can count for every message whether it was answered.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from sanic import Sanic, response

from connectors.message import Outgoing
from connectors.registry import PLATFORMS, build
from connectors.webhook import take_webhook
from crm.connect import open_crm
from omnicrm.settings import Settings
from tests.support.crash import Death, MortalCrm, MortalPlatform
from turns.model import Claimed, TurnInput, TurnResult
from turns.runtime import Runtime, http_client


class Echoing:
    """Answers every line with ``eco: <line>`` and counts the turns in the dialogue state."""

    def __init__(self, death: Death) -> None:
        self._death = death

    async def run(self, work: Claimed, turn: TurnInput, channel_name: str) -> TurnResult:
        """Repeat what was said."""
        self._death.passing("before dialogue")
        turns = ((work.dialogue or {}).get("turns") or 0) + 1
        # A real turn waits for the action server: others get their turn meanwhile.
        await asyncio.sleep(0.005)
        self._death.passing("after dialogue")
        replies = tuple(Outgoing(text=f"eco: {line}") for line in turn.text.splitlines())
        return TurnResult(dialogue={"turns": turns}, replies=replies)

    def stumbled(self, work: Claimed) -> TurnResult:
        """Apologise and call a person, as the real one does."""
        return TurnResult(
            dialogue=work.dialogue, replies=(Outgoing(text="perdón"),), effects=({"effect": "handover", "reason": "tropiezo"},)
        )


def main() -> None:
    """Serve until killed."""
    logging.basicConfig(level=logging.WARNING)
    settings = Settings.load(dotenv=None)
    death = Death.from_environment()
    app = Sanic("standin")
    platforms: list[Any] = []

    @app.before_server_start
    async def start(app: Sanic, _loop: Any) -> None:
        http = http_client(settings)
        platforms.extend(MortalPlatform(build(name, settings, http), death) for name in PLATFORMS)
        app.ctx.omnicrm = Runtime(settings, MortalCrm(await open_crm(settings), death), platforms)
        app.ctx.omnicrm.start(Echoing(death))

    @app.before_server_stop
    async def stop(app: Sanic, _loop: Any) -> None:
        await app.ctx.omnicrm.stop()

    @app.route("/api/webhooks/meta", methods=["GET", "POST"])
    async def webhook(request: Any) -> Any:
        return await take_webhook(platforms[0], app.ctx.omnicrm.receive, request)

    @app.get("/")
    async def ready(_request: Any) -> Any:
        return response.text("ready")

    app.run("127.0.0.1", int(sys.argv[1]), access_log=False)


if __name__ == "__main__":
    main()
