"""The one vocabulary between platforms and the rest: inbound events, outgoing messages, what a channel can show.

A platform package turns its webhooks into these events (``parse``) and these messages into its requests (``render``).
Everything here is plain data: frozen, comparable, JSON in and out, no Rasa and no database.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
ChannelCode = Literal["WA", "IG", "FB", "EMAIL", "TT"]

# What a customer's message can be besides text. `unknown` is the explicit "something we cannot name".
Kind = Literal[
    "text", "image", "video", "audio", "file", "sticker", "location", "share", "story_reply", "story_mention", "product",
    "contact", "unknown",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One customer on one of our accounts.

    ``account`` is our Page, Instagram account, number or mailbox; ``user`` the id that the platform gives the customer
    for that account (IGSID, PSID, phone number, mail address). ``context`` is what the platform wants back when we write
    to them, as it was with the newest thing that they did: opaque to all others, and no part of who it is.
    """

    channel: ChannelCode
    account: str
    user: str
    context: dict[str, Json] = field(default_factory=dict, compare=False, repr=False)

    @property
    def key(self) -> str:
        """Rasa's ``sender_id``: ``ig:<account>:<user>``. Two accounts with one user id never mix."""
        return f"{self.channel.lower()}:{self.account}:{self.user}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What the platform itself vouches for: its name for the customer, a phone (E.164), a mail address in lower case."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One thing that came with a message. ``url`` may be missing, relative or expired: never fetch it unchecked."""

    kind: Kind
    url: str | None = None
    title: str | None = None
    data: dict[str, Json] = field(default_factory=dict)


# --- inbound -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every inbound event carries.

    ``key`` is unique per platform event: the same delivery again has the same key.
    ``address`` is None only where the platform names no customer. ``timestamp`` is the platform's, aware UTC.
    ``raw`` is the untouched item, out of equality and repr.
    """

    key: str
    address: Address | None
    timestamp: datetime
    raw: Json = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound(Event):
    """A customer said something: the bot owes a turn.

    ``payload`` is what a tapped button or quick reply carries; ``title`` its words. ``silent``: record it and say nothing,
    for this reason (``standby``: another app holds the thread; ``stale``; ``automatic``: a machine wrote it…).
    ``sender``: whose hourly answers this counts among, where that is wider than the conversation. ``opens_window`` in
    seconds: how long the platform lets us answer freely.
    """

    platform_id: str | None
    kind: Kind = "text"
    text: str | None = None
    payload: str | None = None
    title: str | None = None
    attachments: tuple[Attachment, ...] = ()
    reply_to: str | None = None
    referral: dict[str, Json] | None = None
    contact: Contact | None = None
    sender: str | None = None
    silent: str | None = None
    opens_window: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo(Event):
    """Our account said something: we, a person on the staff, or another app.

    ``reference`` is what we passed along when we sent it (Messenger's ``metadata``), where the platform returns it;
    ``own_app`` is True/False where the platform tells which app wrote it, else None.
    """

    platform_id: str | None
    kind: Kind = "text"
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    reference: str | None = None
    own_app: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Event):
    """What we sent was delivered or read: by ids, or all up to ``watermark``."""

    status: Literal["delivered", "read", "failed"]
    platform_ids: tuple[str, ...] = ()
    watermark: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(Event):
    """A customer changed a message. Not a new turn."""

    platform_id: str
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsend(Event):
    """A customer took a message back: its stored content must go (Meta's platform terms)."""

    platform_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control(Event):
    """Who holds the thread changed: ``bot`` may speak again, or ``other`` (a person or another app) holds it."""

    holder: Literal["bot", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Event):
    """Something worth keeping that asks for no answer: reaction, referral, opt-in, policy notice, comment, test event…

    ``opens_window``: seconds, where the fact lets us write to the customer (on Meta a reaction does).
    """

    name: str
    data: dict[str, Json] = field(default_factory=dict)
    opens_window: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState(Event):
    """One of our accounts can send, or cannot until a person mends it (unlinked number, dead token): its queue waits.

    ``key`` names the observation; ``address`` is None.
    """

    channel: ChannelCode
    account: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWarning(Event):
    """What a platform tells us of one of our accounts and a person must read; ``stopped``: it sends no more.

    Nothing waits for it: whether a send may go is told by the sends. ``address`` is None.
    """

    channel: ChannelCode
    account: str
    stopped: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported(Event):
    """An item we do not understand: stored and counted, never dropped, never answered."""

    reason: str


AnyEvent: TypeAlias = Inbound | Echo | Receipt | Edit | Unsend | Control | Fact | AccountState | AccountWarning | Unsupported


def event_to_json(event: AnyEvent) -> dict[str, Json]:
    """The event as ``omnicrm_receive`` takes it: its fields plus ``type``, in lower case, and times in ISO 8601."""
    document = {name: getattr(event, name) for name in event.__dataclass_fields__}
    document["type"] = type(event).__name__.lower()
    if event.address is not None:
        address = event.address
        document["address"] = {
            "channel": address.channel, "account": address.account, "user": address.user, "key": address.key,
            **({"context": address.context} if address.context else {}),
        }
    document["attachments"] = [asdict(a) for a in document.get("attachments", ())]
    if document.get("contact") is not None:
        document["contact"] = asdict(document["contact"])
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in document.items()}


# --- outgoing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A choice. ``payload`` comes back when it is tapped; ``url`` opens instead."""

    title: str
    payload: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One card of a carousel."""

    title: str
    subtitle: str | None = None
    image_url: str | None = None
    url: str | None = None
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file by public HTTPS address."""

    kind: Literal["image", "video", "audio", "file"]
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message of ours. After ``connectors.fit.fit`` it is exactly one request of its channel.

    ``buttons`` stay in the chat, ``quick_replies`` go with the next message. ``choices`` are the buttons that had to be
    written as numbered lines: the customer answers with the number or the words.
    """

    text: str | None = None
    buttons: tuple[Button, ...] = ()
    quick_replies: tuple[Button, ...] = ()
    cards: tuple[Card, ...] = ()
    media: Media | None = None
    choices: tuple[Button, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """A JSON object without empty fields."""
        if self == Outgoing(text=self.text):
            # Most are: `asdict` looks into everything there is.
            return {"text": self.text} if self.text else {}
        return {k: v for k, v in asdict(self).items() if v}

    @staticmethod
    def from_json(document: dict[str, Json]) -> Outgoing:
        """The inverse of ``to_json``."""

        def buttons(items: list[Json] | None) -> tuple[Button, ...]:
            return tuple(Button(**item) for item in items or ())

        return Outgoing(
            text=document.get("text"),
            buttons=buttons(document.get("buttons")),
            quick_replies=buttons(document.get("quick_replies")),
            cards=tuple(Card(**{**c, "buttons": buttons(c.get("buttons"))}) for c in document.get("cards") or ()),
            media=Media(**document["media"]) if document.get("media") else None,
            choices=buttons(document.get("choices")),
        )

    def payloads(self) -> list[str]:
        """Every payload that this message lets the customer send back."""
        buttons = [*self.buttons, *self.quick_replies, *self.choices, *(b for c in self.cards for b in c.buttons)]
        return [b.payload for b in buttons if b.payload is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a channel can show and carry; 0 means "not at all". Sources stand where a platform fills it in.

    ``media``: kinds (``image``), or kinds with an ending of the file's name: ``file:pdf``; ``image:`` for a name without one.
    ``one_message``: all that we say in a turn goes out as one (a mail, not five). ``lookups_per_second``: how fast many
    customers' profiles are asked for, while nobody waits for them. ``media_per_second``: where audio and video must be slower
    than the rest.
    """

    text_limit: int
    text_unit: Literal["characters", "bytes"] = "characters"
    buttons: int = 0
    button_text_limit: int = 640
    button_title: int = 20
    button_urls: bool = True
    quick_replies: int = 0
    quick_reply_title: int = 20
    payload_limit: int = 1000
    cards: int = 0
    card_title: int = 80
    card_subtitle: int = 80
    card_buttons: int = 0
    media: frozenset[str] = frozenset()
    one_message: bool = False
    sends_per_second: float = 10.0
    media_per_second: float | None = None
    lookups_per_second: float = 1.0


# --- what a send can come to -------------------------------------------------------------------------------------------


@dataclass(eq=False)
class SendError(Exception):
    """A send that did not succeed; each kind says by itself what to do next. ``detail`` is safe to store and show."""

    detail: str
    code: str | None = None

    def __str__(self) -> str:
        return f"{self.detail} [{self.code}]" if self.code else self.detail


@dataclass(eq=False)
class Retry(SendError):
    """Certainly not sent; try again, not before ``after`` seconds where the platform said so."""

    after: float | None = None


@dataclass(eq=False)
class WindowClosed(SendError):
    """The platform takes no free message now: keep the text for the staff."""


@dataclass(eq=False)
class Unreachable(SendError):
    """This customer cannot be written to: blocked us, gone, unknown id."""


@dataclass(eq=False)
class NotOurThread(SendError):
    """Another app or a person holds the conversation."""


@dataclass(eq=False)
class BadPayload(SendError):
    """The platform refuses this message as it is: repeating it is useless, we have a bug or a bad image."""


@dataclass(eq=False)
class NeedsOperator(SendError):
    """Token, permission or enforcement: nothing of this account can be sent until a person mends it."""


@dataclass(eq=False)
class OutcomeUnknown(SendError):
    """It may have been sent. Never repeated; an echo or a receipt settles it, or a person looks."""
