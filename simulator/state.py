"""All that the simulated platforms know: customers and their phones, tokens, subscriptions, mailboxes, what was counted."""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from string import ascii_letters, digits

from simulator.clock import Clock
from simulator.config import CHANNELS, META_CHANNELS, Channel, Config, Json, Knobs
from simulator.errors import ControlError
from simulator.faults import Faults
from simulator.mail.post import Post
from simulator.phone import Author, Bubble, Content, Phone
from simulator.rates import Meter
from simulator.whapi.account import Account

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
    whapi: Account = field(init=False)
    mail: Post = field(init=False)

    def __post_init__(self) -> None:
        self.whapi = Account(self.config)
        self.mail = Post(self.config, self._now)
        self.knobs = Knobs(require_proof=self.config.require_proof)
        self.sends = {channel: Meter(self.monotonic) for channel in CHANNELS}
        self.media = {channel: Meter(self.monotonic) for channel in CHANNELS}

    def _now(self) -> float:
        return self.clock.now()  # of the clock that is there: a reset brings another

    def reset(self) -> None:
        """Forget everything but the configuration."""
        for phone in self.phones.values():
            phone.forgotten = True
            phone.changed()
        mail = self.mail
        mail.forget()  # its folders stay: clients are connected to them
        fresh = World(self.config, self.monotonic)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
        self.mail = mail

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
        id alone, and Meta's ids never collide. On WhatsApp ids are phone numbers, for email they are addresses.
        """
        user = checked_user(channel, user)
        phone = self.phone(channel, user)
        if channel in META_CHANNELS and (phone is None or phone.stranger):
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
        """The customer of this id on either of Meta's channels, as Graph knows it: strangers are nobody."""
        found = (self.phone(channel, user) for channel in META_CHANNELS)
        return next((phone for phone in found if phone is not None and not phone.stranger), None)

    # --- messages ----------------------------------------------------------------------------------------------------

    def new_mid(self, channel: Channel) -> str:
        """A message id as long and as opaque as the channel's real ones."""
        if channel == "whatsapp":
            return f"{_letters(19)}-{_letters(10)}"
        if channel == "email":
            return f"<{_letters(28)}@mail.gmail.com>"
        return "aWdf" + secrets.token_urlsafe(96) if channel == "instagram" else "m_" + secrets.token_urlsafe(64)

    def write(
        self,
        phone: Phone,
        author: Author,
        content: Content,
        *,
        mid: str | None = None,
        metadata: str | None = None,
        status: str | None = None,
    ) -> Bubble:
        """Put a message into the chat."""
        bubble = Bubble(
            mid=mid or self.new_mid(phone.channel),
            author=author,
            time=self.clock.now_ms(),
            content=content,
            metadata=metadata,
            status=status,
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
        """Keep a request for ``GET /sim/requests``; ``api`` says of whom it was asked: graph, whapi or smtp."""
        self.request_count += 1
        self.counts["requests", request["api"]] += 1
        request = {"n": self.request_count, "time": self.clock.now_ms(), **request}
        self.requests.append(request)
        return request

    def stats(self) -> dict[str, Json]:
        """Counts so far."""
        accepted: dict[str, dict[str, int]] = {channel: {} for channel in META_CHANNELS}
        for (channel, user), count in self.accepted.items():
            accepted.setdefault(channel, {})[user] = count
        return {
            "messages": {author: self.counts["messages", author] for author in ("customer", "bot", "agent")},
            "accepted_by_user": accepted,
            "graph": {
                "requests": self.counts["requests", "graph"],
                "by_status": self._counted("graph_status"),
                "by_error": self._counted("graph_error"),
            },
            "whapi": {
                "requests": self.counts["requests", "whapi"],
                "by_status": self._counted("whapi_status"),
                "wakeups": self.whapi.wakeups,
            },
            "smtp": {"by_reply": self._counted("smtp_reply"), **{name: self.counts["smtp", name] for name in _SMTP}},
            "imap": {name: self.counts["imap", name] for name in _IMAP},
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


_SMTP = ("connections", "logins", "mails", "duplicates")
_IMAP = ("connections", "ended", "logins", "commands", "peak")


def checked_user(channel: Channel, user: str) -> str:
    """A customer's id as the channel writes it. Raises ``ControlError``."""
    if channel == "whatsapp" and not re.fullmatch(r"\d{7,15}|[\d-]{9,31}@(g\.us|newsletter|broadcast)", user):
        raise ControlError("on WhatsApp a user is the phone number in digits, e.g. 525512345678 (or a group, 120363…@g.us)")
    if channel == "email":
        if not re.fullmatch(r"[^@\s<>\",;]+@[^@\s<>\",;]+", user):
            raise ControlError("in email a user is an address, e.g. ana@example.com")
        return user.lower()
    return user


def _letters(count: int) -> str:
    return "".join(secrets.choice(ascii_letters + digits) for _ in range(count))
