"""Rasa's input channels: one class per platform, all alike.

``credentials.yml`` names them; their settings come from the environment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any, ClassVar, cast

import httpx
from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse

from connectors.http import http_client
from connectors.platform import Platform
from connectors.registry import build
from connectors.webhook import take_webhook
from crm.connect import check_settings, open_crm
from crm.port import Crm, CrmError, CrmMisconfigured
from notify.settings import require_notify
from omnicrm.migrate import MigrationError
from omnicrm.settings import Settings, SettingsError
from omnicrm.workers import Workers
from turns.dialogue import RasaDialogue
from turns.quiet import collect_rarely
from turns.runtime import Runtime

logger = logging.getLogger(__name__)

NEXT_STEP = "`omnicrm doctor` says in Spanish what to do."


class Incomplete(InputChannel):
    """A channel that its settings do not allow. It ends the process once Rasa has built all channels and mounts them."""

    _lines: ClassVar[dict[str, str]] = {}

    def __init__(self, problems: Sequence[str]) -> None:
        for line in problems:
            # What several channels miss is said once.
            self._lines.setdefault(line.partition(":")[0], line)

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """Raise ``SystemExit`` with one line per missing or wrong setting of every channel."""
        raise SystemExit("\n".join([*self._lines.values(), NEXT_STEP]))


class PlatformInput(InputChannel):
    """Takes a platform's webhooks into the database, and hosts the worker that answers them.

    Rasa's ``on_new_message`` is not used: a webhook answers when its events are committed, and never waits for a dialogue.
    """

    platform_name: ClassVar[str]
    # All channels of the process send through one pool of connections: Instagram and Messenger talk to the same host.
    _pool: ClassVar[httpx.AsyncClient | None] = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        if PlatformInput._pool is None:
            PlatformInput._pool = http_client(settings)
        # Connections are made when the server runs; until then the platform only verifies and parses.
        self.http: httpx.AsyncClient = PlatformInput._pool
        self.platform: Platform = build(self.platform_name, settings, self.http)

    @classmethod
    def name(cls) -> str:
        """Rasa's name of the channel."""
        return cls.platform_name

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> InputChannel:
        """Build from the environment. Wrong settings stop the process here, with a line each; missing ones are gathered from
        all channels first, as is what cannot work of the database's (see ``Incomplete``)."""
        try:
            settings = Settings.load()
        except SettingsError as error:
            raise SystemExit(f"{error}\n{NEXT_STEP}") from None
        _log_at(settings.log_level)
        problems: list[str] = []
        for check in (check_settings, require_notify, cls):
            try:
                made = check(settings)
            except (CrmMisconfigured, SettingsError) as error:  # noqa: PERF203 - three times
                problems += str(error).splitlines()
        return Incomplete(problems) if problems else made

    def url_prefix(self) -> str:
        """Absolute, so that Rasa's ``/webhooks/`` is not put before it."""
        return self.platform.webhook_path

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """The webhook's route, and the start and stop of the bot around the server's life."""
        blueprint = Blueprint(f"omnicrm_{self.platform_name}")
        # All channels of an app are one bot, and Instagram and Messenger share one address. Rasa hands all of them the same
        # function: on it they find each other. The first serves the address they share, and starts the bot for all.
        channels: list[PlatformInput] = vars(on_new_message).setdefault("omnicrm_channels", [])
        if not any(other.platform.webhook_path == self.platform.webhook_path for other in channels):

            async def webhook(request: Request, below: str = "") -> HTTPResponse:
                return await take_webhook(self.platform, request.app.ctx.omnicrm.receive, request)

            methods = self.platform.webhook_methods
            blueprint.add_route(webhook, "/", methods=methods, stream=True)
            if self.platform.webhook_below:
                blueprint.add_route(webhook, "/<below:path>", methods=methods, stream=True, name="webhook_below")
        if not channels:
            workers = Workers(self.settings.sanic_workers)
            # Called as decorators: given a partial or a method directly, Sanic 21.12 drops it without a word.
            blueprint.listener("main_process_start")(partial(workers.start))
            blueprint.listener("before_server_start")(partial(workers.begin))
            blueprint.listener("before_server_start")(partial(_open, self, channels))
            blueprint.listener("after_server_start")(partial(_begin, self.settings))
            blueprint.listener("before_server_stop")(partial(_stop, self, workers))
            blueprint.listener("main_process_stop")(partial(workers.stop))
        channels.append(self)
        return blueprint

    async def open_crm(self) -> Crm:
        """Open the database that the settings name."""
        return await open_crm(self.settings)

    async def close(self) -> None:
        """Close the connections to all platforms; channels that are made afterwards get new ones."""
        PlatformInput._pool = None
        await self.http.aclose()


def _log_at(level: str) -> None:
    """Rasa takes LOG_LEVEL from the environment alone: from ``.env`` it comes this way. ``--debug`` and ``-v`` win."""
    root = logging.getLogger()
    if root.level == logging.INFO:
        root.setLevel(level)
        for handler in root.handlers:
            handler.setLevel(level)


async def _open(first: PlatformInput, channels: Sequence[PlatformInput], app: Sanic, _loop: Any) -> None:
    try:
        crm = await first.open_crm()
    except (CrmError, MigrationError) as error:
        raise SystemExit(f"the database cannot be opened: {error}. {NEXT_STEP}") from None
    app.ctx.omnicrm = Runtime(first.settings, crm, [channel.platform for channel in channels])
    app.ctx.omnicrm.listen()


async def _begin(settings: Settings, app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
    # Rasa loads the model in a listener that runs after ours: it is there once the server has started.
    agent = getattr(app.ctx, "agent", None)
    dialogue = None
    if agent is None or not agent.is_ready():
        logger.error("no model is loaded: messages are stored and wait. Run `omnicrm train`, then start again.")
    else:
        dialogue = RasaDialogue(agent, settings.action_timeout_seconds, lambda: settings.opening(datetime.now(timezone.utc)))
    listeners = cast("asyncio.Task[None]", asyncio.current_task())
    listeners.add_done_callback(lambda _: loop.call_soon(_work, app, loop, dialogue))


def _work(app: Sanic, loop: asyncio.AbstractEventLoop, dialogue: RasaDialogue | None) -> None:
    """Start working. Once the listeners are done: a stop that is asked for while they run is lost, and Sanic asks only once."""
    if app.is_stopping:
        loop.stop()
    elif dialogue is not None:
        collect_rarely()
        app.ctx.omnicrm.start(dialogue)


async def _stop(first: PlatformInput, workers: Workers, app: Sanic, _loop: Any) -> None:
    workers.leave()
    if hasattr(app.ctx, "omnicrm"):
        await app.ctx.omnicrm.stop()
        await first.close()


class InstagramInput(PlatformInput):
    """Direct messages of an Instagram professional account."""

    platform_name = "instagram"


class MessengerInput(PlatformInput):
    """Messages to a Facebook Page."""

    platform_name = "messenger"


class WhatsappInput(PlatformInput):
    """Messages to a WhatsApp number, through Whapi."""

    platform_name = "whatsapp"


class EmailInput(PlatformInput):
    """Mail to the shop's mailbox."""

    platform_name = "email"
