"""What a platform package offers to the rest: the only surface that ``connectors/channel.py`` and ``turns/`` use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from connectors.message import Address, AnyEvent, Capabilities, ChannelCode, Json, Outgoing


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
    """One line of ``omnicrm doctor``, in Spanish, with what to do next. ``token``: our access ends soon; the staff is told."""

    level: Literal["ok", "warning", "error"]
    text: str
    token: bool = False


class Desk(Protocol):
    """What a platform that fetches by itself (a mailbox, a health check) asks of the rest. All raise ``CrmError``."""

    async def receive(self, events: Sequence[AnyEvent]) -> None:
        """Commit events; returns when they are durable. Known ones change nothing."""

    async def recall(self, name: str) -> Json:
        """What was last remembered under this name; None for nothing."""

    async def remember(self, name: str, value: Json) -> None:
        """Keep a small document, over restarts and for all processes."""

    async def lease(self, name: str, seconds: float) -> bool:
        """Be the one process that does this for so long; call again to go on. False: another one has it."""


@runtime_checkable
class Listener(Protocol):
    """A platform that does something of its own while the bot runs."""

    async def listen(self, desk: Desk) -> None:
        """Run until cancelled. Survives an absent database and an absent platform."""


class Platform(Protocol):
    """One channel of one account (for Meta: Instagram, or Messenger).

    ``webhook_path``: the address; with ``webhook_below`` also everything below it.
    """

    name: str
    channel: ChannelCode
    account: str
    webhook_path: str
    webhook_methods: tuple[str, ...]
    webhook_below: bool
    max_body: int
    capabilities: Capabilities

    def webhook(self, request: Request) -> Answer:
        """Verify and parse one call. Pure; never raises on content."""

    async def send(self, to: Address, message: Outgoing, reference: str) -> str:
        """Send one message that ``fit`` made for this channel; return the platform's id. Raises ``SendError``."""

    async def signal(self, to: Address, signal: Literal["seen", "typing"]) -> None:
        """Tell the customer that we read, or write. Never raises."""

    async def profile(self, of: Address) -> Profile | None:
        """Look the customer up; None when the platform will not say.

        Raises ``NeedsOperator``, and ``Retry`` with the seconds that the platform wants us to wait; no other ``SendError``.
        """

    async def check(self) -> list[Finding]:
        """Look at token, permissions and subscription."""
