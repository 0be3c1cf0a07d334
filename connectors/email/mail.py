"""One mail with what its headers and its envelope say, read once."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.message import Message
from email.utils import parsedate_to_datetime

from connectors.email.address import Mailbox, mailboxes, recipients
from connectors.email.charset import words
from connectors.email.envelope import Envelope, Ours
from connectors.email.mime import Headers, headers_of, parse_bytes
from connectors.message import Address, Json

# Keys stand in an index; a longer one is replaced by its digest.
MAX_KEY = 300
# An id that is longer than any that a server accepts on one line (RFC 5322, 2.1.1) with its neighbours.
MAX_ID = 400
MAX_SUBJECT = 300
_ID = re.compile(r"<[^<>\s]+>")
_BARE_ID = re.compile(r"[^\s<>@]{1,200}@[^\s<>@]{1,200}")
_PREFIXES = re.compile(r"(?:(?:re|rv|fw|fwd|res|aw|sv|tr|r|rif|wg|enc|reenv)(?:\[\d{1,4}\])?\s{0,3}:\s*)+", re.IGNORECASE)
_FORWARD = re.compile(r"(?:re\s?:\s?)?(?:rv|fwd?|tr|wg|enc|reenv)(?:\[\d{1,4}\])?\s?:", re.IGNORECASE)
# What an event keeps of a mail's headers, to find out later why it was treated as it was.
_KEPT = (
    "from", "to", "cc", "reply-to", "subject", "date", "message-id", "in-reply-to", "return-path", "authentication-results",
    "received", "content-type", "auto-submitted", "precedence", "list-id", "x-loop", "x-autoreply", "x-auto-response-suppress",
    "x-spam-flag", "user-agent", "x-mailer",
)  # fmt: skip
_MAX_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail. ``sender``: the one mailbox of its From, None where there is not exactly one.

    ``id``: its Message-ID, else the digest of its bytes, which stands for it in keys alone. ``references``: oldest first.
    ``moment``: when it reached us; what it says itself of the time is not believed. ``is_cut``: only its beginning was read.
    """

    envelope: Envelope
    ours: Ours
    message: Message = field(repr=False)
    headers: Headers = field(repr=False)
    size: int
    sender: Mailbox | None
    message_id: str | None
    id: str
    in_reply_to: str | None
    references: tuple[str, ...]
    subject: str
    moment: datetime
    is_stale: bool
    is_cut: bool

    @property
    def ancestors(self) -> list[str]:
        """The mails that it answers, newest first."""
        newest = [self.in_reply_to] if self.in_reply_to else []
        return [*newest, *(reference for reference in reversed(self.references) if reference != self.in_reply_to)]

    @property
    def root(self) -> str:
        """The id of the mail that began the thread."""
        return next(iter((*self.references, self.in_reply_to or self.id)))

    @property
    def thread_subject(self) -> str:
        """The subject without "Re:" and its kin."""
        return _PREFIXES.sub("", self.subject, count=1).strip() if _PREFIXES.match(self.subject) else self.subject

    @property
    def is_forward(self) -> bool:
        """Whether the subject says that somebody passes on what another wrote."""
        return _FORWARD.match(self.subject) is not None

    @property
    def recipients(self) -> list[Mailbox]:
        """Whom the mail names as recipients, each once."""
        named = recipients([*self.headers.all("to"), *self.headers.all("cc"), *self.headers.all("bcc")])
        return list({mailbox.normal: mailbox for mailbox in named}.values())

    def key(self, kind: str, *parts: object) -> str:
        """A deduplication key: the same for the same mail, whichever way and however often it comes."""
        key = ":".join(map(str, ("email", self.ours.address, kind, self.id, *parts)))
        return key if len(key) <= MAX_KEY else f"{key[:80]}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"

    def address(self, user: str, context: dict[str, Json] | None = None) -> Address:
        """A conversation of our mailbox."""
        return Address(channel="EMAIL", account=self.ours.address, user=user, context=context or {})

    def raw(self, **more: Json) -> dict[str, Json]:
        """What an event keeps of the mail: not its body."""
        kept = {name: [value[:_MAX_KEPT] for value in self.headers.all(name)[:3]] for name in _KEPT if name in self.headers}
        document = {"message_id": self.message_id, "size": self.size, "source": self.envelope.source, "headers": kept, **more}
        return {**document, "cut": True} if self.is_cut else document


def read_mail(raw: bytes, envelope: Envelope, ours: Ours, now: datetime) -> Mail:
    """The mail in these bytes. Raises ``Refused`` above the limits; of a mail that is too long the beginning is read."""
    message = parse_bytes(raw[: ours.max_bytes])
    headers = headers_of(message)
    moment = _moment(headers, envelope, now)
    own = ids_in(headers.first("message-id")[:MAX_ID])
    message_id = own[0] if own else None
    return Mail(
        envelope=envelope,
        ours=ours,
        message=message,
        headers=headers,
        size=len(raw),
        sender=_sender(headers),
        message_id=message_id,
        id=message_id or f"sha256:{hashlib.sha256(raw).hexdigest()}",
        in_reply_to=next(iter(ids_in(headers.first("in-reply-to"))), None),
        references=tuple(dict.fromkeys(ids_in(headers.first("references")))),
        subject=words(headers.first("subject"))[:MAX_SUBJECT],
        moment=moment,
        is_stale=moment < now - ours.stale,
        is_cut=len(raw) > ours.max_bytes,
    )


def ids_in(value: str) -> list[str]:
    """The Message-IDs in a header: what stands in angle brackets, or one without them."""
    found = _ID.findall(value) or ([f"<{value}>"] if _BARE_ID.fullmatch(value) else [])
    return [written for written in found if len(written) <= MAX_ID]


def _sender(headers: Headers) -> Mailbox | None:
    values = headers.all("from")
    try:
        found = mailboxes(values[0]) if len(values) == 1 else []
    except ValueError:
        return None
    return found[0] if len(found) == 1 else None


def _moment(headers: Headers, envelope: Envelope, now: datetime) -> datetime:
    moment = envelope.received_at
    if moment is None:
        # Our own server's line: the topmost.
        moment = _date(headers.first("received").rpartition(";")[2]) or now
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return min(moment.astimezone(timezone.utc), now)


def _date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value.strip()[:100])
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
