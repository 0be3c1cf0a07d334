"""Rasa's input channels: one class per platform, all alike.

``credentials.yml`` names them; their settings come from the environment.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import httpx
from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse

from connectors.platform import Platform
from connectors.registry import build
from connectors.webhook import take_webhook
from crm.connect import open_crm
from omnicrm.settings import Settings, SettingsError
from turns.dialogue import RasaDialogue
from turns.runtime import Runtime, http_client

logger = logging.getLogger(__name__)


class PlatformInput(InputChannel):
    """Takes a platform's webhooks into the database, and hosts the worker that answers them.

    Rasa's ``on_new_message`` is not used: a webhook answers when its events are committed, and never waits for a dialogue.
    """

    platform_name: ClassVar[str]

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Connections are made when the server runs; until then the platform only verifies and parses.
        self._http: httpx.AsyncClient = http_client(settings)
        self.platform: Platform = build(self.platform_name, settings, self._http)

    @classmethod
    def name(cls) -> str:
        """Rasa's name of the channel."""
        return cls.platform_name

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> PlatformInput:
        """Build from the environment; stops the process with one clear line per missing or wrong setting."""
        try:
            return cls(Settings.load())
        except SettingsError as error:
            raise SystemExit(str(error)) from None

    def url_prefix(self) -> str:
        """Absolute, so that Rasa's ``/webhooks/`` is not put before it."""
        return self.platform.webhook_path

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """The webhook's route, and the start and stop of the bot around the server's life."""
        blueprint = Blueprint(f"omnicrm_{self.platform_name}")
        # Instagram and Messenger share one address, and Rasa hands all channels of an app the same function: whoever comes
        # first serves it, for both.
        served: set[str] = vars(on_new_message).setdefault("omnicrm_paths", set())
        if self.platform.webhook_path not in served:
            served.add(self.platform.webhook_path)
            blueprint.add_route(self._webhook, "/", methods=self.platform.webhook_methods)
        blueprint.register_listener(self._join, "before_server_start")
        blueprint.register_listener(self._start, "after_server_start")
        blueprint.register_listener(self._stop, "before_server_stop")
        blueprint.register_listener(self._close, "after_server_stop")
        return blueprint

    async def _webhook(self, request: Request) -> HTTPResponse:
        return await take_webhook(self.platform, request.app.ctx.omnicrm.receive, request)

    async def _join(self, app: Sanic, _loop: Any) -> None:
        if not hasattr(app.ctx, "omnicrm_platforms"):
            app.ctx.omnicrm_platforms = []
        app.ctx.omnicrm_platforms.append(self.platform)
        app.config.REQUEST_MAX_SIZE = max(p.max_body for p in app.ctx.omnicrm_platforms)

    async def _start(self, app: Sanic, _loop: Any) -> None:
        # The last channel to join starts the one bot of this process.
        if hasattr(app.ctx, "omnicrm") or app.ctx.omnicrm_platforms[-1] is not self.platform:
            return
        crm = await open_crm(self._settings)
        app.ctx.omnicrm = Runtime(self._settings, crm, app.ctx.omnicrm_platforms)
        agent = getattr(app.ctx, "agent", None)
        if agent is None or not agent.is_ready():
            logger.error("no model is loaded: messages are stored and wait. Run `omnicrm train`, then start again.")
            return
        app.ctx.omnicrm.start(RasaDialogue(agent, self._settings.action_timeout_seconds))

    async def _stop(self, app: Sanic, _loop: Any) -> None:
        runtime: Runtime | None = getattr(app.ctx, "omnicrm", None)
        if runtime is not None:
            await runtime.stop()

    async def _close(self, _app: Sanic, _loop: Any) -> None:
        await self._http.aclose()


class InstagramInput(PlatformInput):
    """Direct messages of an Instagram professional account."""

    platform_name = "instagram"


class MessengerInput(PlatformInput):
    """Messages to a Facebook Page."""

    platform_name = "messenger"
