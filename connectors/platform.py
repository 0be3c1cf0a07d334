"""What a platform package offers to the rest: the only surface that ``connectors/channel.py`` and ``turns/`` use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from connectors.message import Address, AnyEvent, Capabilities, ChannelCode, Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One webhook call, as it came: ``body`` are the raw bytes that signatures cover; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to answer. A 200 with events is sent only after they are committed; other statuses carry no events."""

    status: int = 200
    text: str = ""
    events: tuple[AnyEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a platform tells about a customer; each may be missing."""

    name: str | None = None
    username: str | None = None
    picture_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of ``omnicrm doctor``, in Spanish, with what to do next."""

    level: Literal["ok", "warning", "error"]
    text: str


class Platform(Protocol):
    """One channel of one account (for Meta: Instagram, or Messenger)."""

    name: str
    channel: ChannelCode
    account: str
    webhook_path: str
    webhook_methods: tuple[str, ...]
    max_body: int
    capabilities: Capabilities

    def webhook(self, request: Request) -> Answer:
        """Verify and parse one call. Pure; never raises on content."""

    async def send(self, to: Address, message: Outgoing, reference: str) -> str:
        """Send one message that ``fit`` made for this channel; return the platform's id. Raises ``SendError``."""

    async def signal(self, to: Address, signal: Literal["seen", "typing"]) -> None:
        """Tell the customer that we read, or write. Never raises."""

    async def profile(self, of: Address) -> Profile | None:
        """Look the customer up; None when the platform will not say. Raises ``SendError`` only for ``NeedsOperator``."""

    async def check(self) -> list[Finding]:
        """Look at token, permissions and subscription."""
