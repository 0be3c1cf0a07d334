"""A mail as its reader sees it: addresses, subject, the plain text, numbered choices, attachments. Pure."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses

from simulator.config import Json
from simulator.phone import Choice, Content

_ID = re.compile(rb"<[^<>\s]+>")
_NUMBERED = re.compile(r"^ {0,3}\*?(\d{1,2})[).]\s+(\S.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is read of one mail. Message ids keep their angle brackets."""

    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    subject: str
    from_name: str
    from_address: str
    reply_to: str
    to: tuple[str, ...]
    text: str
    html: str
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[dict[str, Json], ...] = field(default=())
    date: float = 0.0

    def as_json(self) -> dict[str, Json]:
        """As ``GET /sim/mails`` shows it."""
        return {
            "message_id": self.message_id,
            "in_reply_to": self.in_reply_to,
            "references": list(self.references),
            "subject": self.subject,
            "from": self.from_address,
            "from_name": self.from_name,
            "reply_to": self.reply_to,
            "to": list(self.to),
            "text": self.text,
            "html": self.html,
            "headers": [list(header) for header in self.headers],
            "attachments": list(self.attachments),
        }

    @property
    def content(self) -> Content:
        """What the reader's screen shows; a choice is answered with its number."""
        found = _NUMBERED.findall(self.text)
        return Content(
            subject=self.subject,
            text=self.text,
            choices=tuple(Choice(title=title, payload=number) for number, title in found),
            attachments=self.attachments,
        )


def read(raw: bytes, now: float) -> Letter:
    """Read a mail. Never raises: what cannot be read is empty."""
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    senders = getaddresses([_header(message, "From")])
    sender = senders[0] if senders else ("", "")
    reply_to = getaddresses([_header(message, "Reply-To")])
    return Letter(
        message_id=next(iter(ids(raw_header(message, "Message-ID"))), ""),
        in_reply_to=next(iter(ids(raw_header(message, "In-Reply-To"))), ""),
        references=tuple(ids(raw_header(message, "References"))),
        subject=_header(message, "Subject"),
        from_name=sender[0],
        from_address=sender[1],
        reply_to=reply_to[0][1] if reply_to else "",
        to=tuple(address for _, address in getaddresses([_header(message, "To"), _header(message, "Cc")]) if address),
        text=_body(message, "text/plain"),
        html=_body(message, "text/html"),
        headers=tuple((name, _decoded(value)) for name, value in message.items()),
        attachments=tuple(_attachments(message)),
        date=now,
    )


def raw_header(message: Message, name: str) -> str:
    """A header as it stands, unfolded."""
    return re.sub(r"[\r\n]+", "", str(message.get(name, "")))


def ids(header: str) -> list[str]:
    """Every message id of a header, in angle brackets. An id that was encoded as a word is none."""
    return [found.decode("latin-1") for found in _ID.findall(header.encode("latin-1", "replace"))]


def _header(message: Message, name: str) -> str:
    return _decoded(message.get(name, ""))


def _decoded(value: object) -> str:
    text = re.sub(r"[\r\n]+", "", str(value))
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, UnicodeError, LookupError, ValueError):
        return text


def parts(message: Message) -> Iterator[Message]:
    """Every leaf; a mail inside the mail is one."""
    if message.get_content_type() == "message/rfc822" or not message.is_multipart():
        yield message
        return
    for part in message.get_payload():
        if isinstance(part, Message):
            yield from parts(part)


def is_attachment(part: Message) -> bool:
    """Whether a leaf is a file and no text to read."""
    kind = part.get_content_type()
    return part.get_filename() is not None or part.get_content_disposition() == "attachment" or not kind.startswith("text/")


def decoded_text(part: Message) -> str:
    """The text of a leaf."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        text = payload.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        text = payload.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def _body(message: Message, kind: str) -> str:
    texts = [decoded_text(part) for part in parts(message) if part.get_content_type() == kind and not is_attachment(part)]
    return "\n".join(texts).rstrip("\n")


def _attachments(message: Message) -> Iterator[dict[str, Json]]:
    for part in parts(message):
        if is_attachment(part):
            payload = part.get_payload(decode=True)
            yield {
                "type": part.get_content_type(),
                "name": _decoded(part.get_filename() or ""),
                "size": len(payload) if isinstance(payload, bytes) else 0,
            }
