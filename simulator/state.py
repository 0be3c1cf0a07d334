"""All that the simulated Meta knows: its customers, their phones, the token, the subscriptions, what was counted."""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from simulator.clock import Clock
from simulator.config import CHANNELS, Channel, Config, Json, Knobs
from simulator.errors import ControlError
from simulator.faults import Faults
from simulator.phone import Author, Bubble, Content, Phone
from simulator.rates import Meter

SCOPES = ("pages_messaging", "pages_manage_metadata", "pages_read_engagement", "instagram_basic", "instagram_manage_messages")
# Every field that a Page or an Instagram account can be subscribed to for messaging.
PAGE_FIELDS = (
    "messages",
    "messaging_postbacks",
    "messaging_optins",
    "messaging_referrals",
    "message_reads",
    "message_deliveries",
    "message_echoes",
    "message_reactions",
    "message_edits",
    "messaging_handovers",
    "standby",
    "messaging_policy_enforcement",
    "messaging_account_linking",
    "response_feedback",
    "feed",
)
REMEMBERED_REQUESTS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The one access token and what Graph thinks of it; times are seconds since 1970, 0 is never."""

    valid: bool = True
    subcode: int | None = None
    expires_at: int = 0
    data_access_expires_at: int = 0
    scopes: tuple[str, ...] = SCOPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment on a post: it allows one private reply within 7 days."""

    id: str
    channel: Channel
    user: str
    time: int


@dataclass(slots=True)
class World:
    """The state; everything that changes it runs on one event loop."""

    config: Config
    monotonic: Callable[[], float] = time.monotonic
    clock: Clock = field(default_factory=Clock)
    knobs: Knobs = field(init=False)
    token: Token = field(default_factory=Token)
    faults: Faults = field(default_factory=Faults)
    phones: dict[tuple[Channel, str], Phone] = field(default_factory=dict)
    attachments: dict[str, str] = field(default_factory=dict)
    comments: dict[str, Comment] = field(default_factory=dict)
    replied_comments: set[str] = field(default_factory=set)
    references: dict[str, Phone] = field(default_factory=dict)  # user_ref and notification tokens of opt-ins
    subscribed: list[str] = field(default_factory=lambda: list(PAGE_FIELDS))
    messenger_profile: dict[str, dict[str, Json]] = field(default_factory=lambda: {"messenger": {}, "instagram": {}})
    requests: deque[dict[str, Json]] = field(default_factory=lambda: deque(maxlen=REMEMBERED_REQUESTS))
    request_count: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    accepted: Counter[tuple[Channel, str]] = field(default_factory=Counter)
    sends: dict[Channel, Meter] = field(init=False)
    media: dict[Channel, Meter] = field(init=False)

    def __post_init__(self) -> None:
        self.knobs = Knobs(require_proof=self.config.require_proof)
        self.sends = {channel: Meter(self.monotonic) for channel in CHANNELS}
        self.media = {channel: Meter(self.monotonic) for channel in CHANNELS}

    def reset(self) -> None:
        """Forget everything but the configuration."""
        for phone in self.phones.values():
            phone.forgotten = True
            phone.changed()
        fresh = World(self.config, self.monotonic)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def change_token(self, **changes: Json) -> None:
        """Change what Graph thinks of the token."""
        self.token = replace(self.token, **changes)

    # --- customers ---------------------------------------------------------------------------------------------------

    def phone(self, channel: Channel, user: str) -> Phone | None:
        """The phone of this customer, if anybody has asked for it yet."""
        return self.phones.get((channel, user))

    def meet(self, channel: Channel, user: str, name: str | None = None) -> Phone:
        """The customer's phone, a new one if need be; Graph knows its owner from the first act on.

        Raises ``ControlError`` when the other channel has a customer of this id: a Page token sends for both channels by
        id alone, and Meta's ids never collide.
        """
        phone = self.phone(channel, user)
        if phone is None or phone.stranger:
            taken = self.recipient(user)
            if taken is not None:
                raise ControlError(
                    f"{user!r} is a customer on {taken.channel} already: ids are never equal across channels, choose another"
                )
            if user in (self.config.page_id, self.config.ig_id):
                raise ControlError(f"{user!r} is the shop's own id")
        if phone is None:
            phone = self.phones[channel, user] = Phone(channel=channel, user=user)
        if name is not None:
            phone.name = name
        return phone

    def recipient(self, user: str) -> Phone | None:
        """The customer of this id on either channel, as Graph knows it: strangers are nobody."""
        found = (self.phone(channel, user) for channel in CHANNELS)
        return next((phone for phone in found if phone is not None and not phone.stranger), None)

    # --- messages ----------------------------------------------------------------------------------------------------

    def new_mid(self, channel: Channel) -> str:
        """A message id as long and as opaque as the channel's real ones."""
        return "aWdf" + secrets.token_urlsafe(96) if channel == "instagram" else "m_" + secrets.token_urlsafe(64)

    def write(
        self, phone: Phone, author: Author, content: Content, *, mid: str | None = None, metadata: str | None = None
    ) -> Bubble:
        """Put a message into the chat."""
        bubble = Bubble(
            mid=mid or self.new_mid(phone.channel), author=author, time=self.clock.now_ms(), content=content, metadata=metadata
        )
        phone.stranger = False
        self.counts["messages", author] += 1
        phone.show(bubble)
        return bubble

    def act(self, phone: Phone) -> None:
        """Note an action of the customer that opens the window."""
        phone.stranger = False
        phone.last_action = self.clock.now_ms()

    # --- what is told about it ---------------------------------------------------------------------------------------

    def remember(self, request: dict[str, Json]) -> dict[str, Json]:
        """Keep a Graph request for ``GET /sim/requests``."""
        self.request_count += 1
        request = {"n": self.request_count, "time": self.clock.now_ms(), **request}
        self.requests.append(request)
        return request

    def stats(self) -> dict[str, Json]:
        """Counts so far."""
        accepted: dict[str, dict[str, int]] = {channel: {} for channel in CHANNELS}
        for (channel, user), count in self.accepted.items():
            accepted[channel][user] = count
        return {
            "messages": {author: self.counts["messages", author] for author in ("customer", "bot", "agent")},
            "accepted_by_user": accepted,
            "graph": {
                "requests": self.request_count,
                "by_status": self._counted("graph_status"),
                "by_error": self._counted("graph_error"),
            },
            "webhooks": {
                **{
                    name: self.counts["webhook", name]
                    for name in ("events", "sent", "redeliveries", "given_up", "unsubscribed")
                },
                "by_status": self._counted("webhook_status"),
            },
            "rates": {
                channel: {
                    "taken": self.sends[channel].taken,
                    "refused": self.sends[channel].refused + self.media[channel].refused,
                    "peak_per_second": self.sends[channel].peak,
                }
                for channel in CHANNELS
            },
        }

    def _counted(self, group: str) -> dict[str, int]:
        return {name: count for (kind, name), count in self.counts.items() if kind == group}
