"""The whole bot but for Rasa, in processes that start at once.

Webhook, API, database, worker and sender are the real ones. The dialogue repeats each line that the customer wrote, so that a
test can count for every message whether it was answered; its state counts the turns of every bot.

``python -m tests.support.standin_bot`` loads everything, then reads one JSON object per line: {"port", "environment"}. For
each it forks a bot and writes its process id.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import signal
import sys
from collections import Counter
from typing import Any

from sanic import Sanic, response

from connectors.http import http_client
from connectors.message import Outgoing
from connectors.registry import PLATFORMS, build
from connectors.webhook import take_webhook
from crm.connect import open_crm
from omnicrm.processes import die_with_parent
from omnicrm.settings import Settings
from router.blueprint import api_blueprint
from tests.support.crash import PAUSE_VARIABLE, Death, MortalCrm, MortalPlatform
from turns.model import Claimed, TurnInput, TurnResult
from turns.runtime import Runtime

# What a bot would import at its first request, each bot anew.
_LATER = ("anyio._backends._asyncio", "httpcore._backends.anyio", "connectors.meta.platform", "encodings.idna")
# Seconds that a turn takes. A real one waits for the action server: others get their turn meanwhile.
THINKING_VARIABLE = "OMNICRM_TEST_THINKING"
# What a customer writes that no turn survives.
FAILS = "tropieza"


class Echoing:
    """Answers every line with ``eco: <line>``. The dialogue state is {"turns": {"<process id>": count}}."""

    def __init__(self, death: Death, thinking: float) -> None:
        self._death = death
        self._thinking = thinking

    async def run(self, work: Claimed, turn: TurnInput, channel_name: str) -> TurnResult:
        """Repeat what was said."""
        self._death.passing("before dialogue")
        if turn.text == FAILS:
            raise RuntimeError("a turn that fails")
        turns = Counter((work.dialogue or {}).get("turns") or {})
        turns[str(os.getpid())] += 1
        await asyncio.sleep(self._thinking)
        self._death.passing("after dialogue")
        replies = tuple(Outgoing(text=f"eco: {line}") for line in turn.text.splitlines())
        return TurnResult(dialogue={"turns": turns}, replies=replies)

    async def consent(self, turn: TurnInput) -> str | None:
        """Understands the words themselves."""
        return {"baja": "out", "alta": "in"}.get(turn.text)

    def stumbled(self, work: Claimed) -> TurnResult:
        """Apologise and call a person, as the real one does."""
        return TurnResult(
            dialogue=work.dialogue, replies=(Outgoing(text="perdón"),), effects=({"effect": "handover", "reason": "tropiezo"},)
        )


def serve(port: int) -> None:
    """Be one bot, until killed."""
    settings = Settings.load(dotenv=None)
    death = Death.from_environment()
    app = Sanic("standin")
    platforms: list[Any] = []

    @app.before_server_start
    async def start(app: Sanic, _loop: Any) -> None:
        http = http_client(settings)
        platforms.extend(MortalPlatform(build(name, settings, http), death) for name in PLATFORMS)
        pause = float(os.environ.get(PAUSE_VARIABLE, "60"))
        app.ctx.omnicrm = Runtime(settings, MortalCrm(await open_crm(settings), death, pause), platforms)
        app.ctx.omnicrm.listen()
        app.ctx.omnicrm.start(Echoing(death, float(os.environ.get(THINKING_VARIABLE, "0.005"))))

    @app.before_server_stop
    async def stop(app: Sanic, _loop: Any) -> None:
        await app.ctx.omnicrm.stop()

    @app.route("/api/webhooks/<below:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], stream=True)
    async def webhook(request: Any, below: str) -> Any:
        platform = next(p for p in platforms if request.path.startswith(p.webhook_path))
        return await take_webhook(platform, app.ctx.omnicrm.receive, request)

    app.blueprint(api_blueprint(settings.api_requests_per_minute))

    @app.get("/")
    async def ready(_request: Any) -> Any:
        return response.text("ready")

    app.run("127.0.0.1", port, access_log=False)


def main() -> None:
    """Fork bots until the input ends; they end with this process."""
    logging.basicConfig(level=logging.WARNING)
    for name in _LATER:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    dying = die_with_parent()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if dying is not None:
                dying()
            os.dup2(2, 1)  # the parent's output carries process ids only
            os.environ.update(order["environment"])
            serve(order["port"])
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
