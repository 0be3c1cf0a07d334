"""Instagram and Messenger as platforms: one webhook address, one Page token, two channels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Literal

import httpx

from connectors.message import Address, Capabilities, ChannelCode, Outgoing, SendError
from connectors.meta import capabilities, health, webhook
from connectors.meta.client import GraphClient
from connectors.meta.item import Ours
from connectors.platform import Answer, Finding, Profile, Request
from omnicrm.setting import SettingsError, require
from omnicrm.settings import Settings

_SIGNALS: dict[str, Literal["mark_seen", "typing_on"]] = {"seen": "mark_seen", "typing": "typing_on"}
_NEEDED = ("meta_access_token", "meta_page_id", "meta_app_secret", "meta_verify_token")

Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class MetaPlatform(ABC):
    """One of Meta's two channels. Both read deliveries for both, because both share one address."""

    webhook_path = webhook.PATH
    webhook_methods = webhook.METHODS
    webhook_below = False
    max_body = webhook.MAX_BODY
    name: Literal["instagram", "messenger"]
    channel: ChannelCode
    account: str
    capabilities: Capabilities

    def __init__(self, settings: Settings, http: httpx.AsyncClient, clock: Clock) -> None:
        ours = Ours(instagram=settings.meta_ig_account_id, page=settings.meta_page_id, app=settings.meta_app_id)
        self._webhook = webhook.Webhook(ours=ours, secrets=settings.meta_app_secret, verify_token=settings.meta_verify_token)
        self._ours = ours
        self._clock = clock
        self.graph = GraphClient(
            http,
            base_url=settings.meta_graph_url,
            version=settings.meta_graph_version,
            page_id=settings.meta_page_id,
            token=settings.meta_access_token,
            # During a rotation several secrets sign webhooks; calls are made with the first.
            app_secret=settings.meta_app_secret[0],
            app_id=settings.meta_app_id,
            timeout=settings.send_timeout_seconds,
        )

    def webhook(self, request: Request) -> Answer:
        """Verify and parse one call for either channel."""
        return self._webhook.answer(request, self._clock())

    @abstractmethod
    async def send(self, to: Address, message: Outgoing, reference: str) -> str:
        """Send one fitted message; return Meta's message id. Raises ``SendError``."""

    async def signal(self, to: Address, signal: Literal["seen", "typing"]) -> None:
        """Show the customer that we read or write; what goes wrong is of no consequence."""
        try:
            await self.graph.send_action(to.user, _SIGNALS[signal])
        except SendError:
            # The answer that follows meets the same trouble and reports it.
            return

    async def profile(self, of: Address) -> Profile | None:
        """Look the customer up. Raises ``NeedsOperator`` for a dead token."""
        return await self.graph.get_user_profile(of.user, self.name)

    async def check(self) -> list[Finding]:
        """Token, permissions, subscription and link, in Spanish."""
        account = health.Account(
            platform=self.name, page_id=self._ours.page, instagram_id=self._ours.instagram, app_id=self._ours.app
        )
        return await health.check(self.graph, account, self._clock())


class Instagram(MetaPlatform):
    """Direct messages of the Instagram account that is linked to the Page."""

    name = "instagram"
    channel = "IG"
    capabilities = capabilities.INSTAGRAM

    def __init__(self, settings: Settings, http: httpx.AsyncClient, clock: Clock = _utc_now) -> None:
        _require(settings, "instagram", (*_NEEDED, "meta_ig_account_id"))
        super().__init__(settings, http, clock)
        self.account = settings.meta_ig_account_id

    async def send(self, to: Address, message: Outgoing, reference: str) -> str:
        """Send one fitted message; return Meta's message id. Raises ``SendError``."""
        return await self.graph.send_instagram_message(to.user, message)


class Messenger(MetaPlatform):
    """Messages to the Page."""

    name = "messenger"
    channel = "FB"
    capabilities = capabilities.MESSENGER

    def __init__(self, settings: Settings, http: httpx.AsyncClient, clock: Clock = _utc_now) -> None:
        _require(settings, "messenger", _NEEDED)
        super().__init__(settings, http, clock)
        self.account = settings.meta_page_id

    async def send(self, to: Address, message: Outgoing, reference: str) -> str:
        """Send one fitted message with our reference, which its echo brings back; return Meta's message id."""
        return await self.graph.send_messenger_message(to.user, message, metadata=reference)


def _require(settings: Settings, channel: str, names: tuple[str, ...]) -> None:
    """Refuse to start without what the channel needs."""
    require(settings, channel, names)
    # HTTP headers are ASCII; an example copied from the documentation ends in "…".
    if not (settings.meta_access_token.isascii() and settings.meta_access_token.isprintable()):
        raise SettingsError(
            "META_ACCESS_TOKEN: the value is wrong: it holds characters that no token has. Copy it again from Meta"
        )
