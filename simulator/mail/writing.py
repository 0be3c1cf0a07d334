"""Compose a mail as a program of the sender would: headers, threading, body, attachments. Pure but for the ids given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from simulator.config import Json
from simulator.errors import ControlError
from simulator.mail.quoting import MEXICO, Body
from simulator.mail.reading import Letter

# Ids of Outlook are longer than 78 characters: the standard policy would encode them as words and break the thread.
POLICY = SMTP.clone(max_line_length=998)
_REPLY = re.compile(r"^(?:(?:re|rv|fw|fwd|res|aw|sv|tr|r|rif)(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An attachment. ``inline`` ones stand in the text; a ``cid`` makes it part of the HTML."""

    name: str | None
    mime_type: str
    content: bytes
    inline: bool = False
    cid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A mail to write. ``headers`` are set last: a list makes several of a name, None takes one away."""

    message_id: str
    sender: tuple[str, str]  # name, address
    to: str
    subject: str
    body: Body
    time: float
    cc: str | None = None
    answered: Letter | None = None
    files: Sequence[File] = ()
    headers: Mapping[str, Json] = field(default_factory=dict)
    charset: str = "utf-8"


def answer_subject(subject: str) -> str:
    """The subject of an answer: one ``Re: ``, whatever stood there."""
    return f"Re: {_REPLY.sub('', subject)}"


def compose(draft: Draft) -> bytes:
    """The mail as bytes. Raises ``ControlError`` for headers that cannot be."""
    message = EmailMessage(policy=POLICY)
    try:
        _set_headers(message, draft)
        _set_body(message, draft)
        for name, value in draft.headers.items():
            del message[name]
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    message[name] = str(one)
        return message.as_bytes()
    except (ValueError, LookupError, UnicodeError) as error:
        raise ControlError(f"this is no mail: {error}") from error


def _set_headers(message: EmailMessage, draft: Draft) -> None:
    message["MIME-Version"] = "1.0"
    message["From"] = formataddr(draft.sender)
    message["To"] = draft.to
    if draft.cc:
        message["Cc"] = draft.cc
    message["Subject"] = draft.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(draft.time, MEXICO))
    message["Message-ID"] = draft.message_id
    if draft.answered is not None and draft.answered.message_id:
        message["In-Reply-To"] = draft.answered.message_id
        message["References"] = " ".join(chain(draft.answered))


def chain(answered: Letter) -> list[str]:
    """The References of an answer (RFC 5322 3.6.4), the first and the last ten of a long thread."""
    known = list(answered.references)
    if not known and answered.in_reply_to:
        known = [answered.in_reply_to]
    thread = [*known, answered.message_id]
    return thread if len(thread) <= 11 else [thread[0], *thread[-10:]]


def _set_body(message: EmailMessage, draft: Draft) -> None:
    message.set_content(draft.body.text, charset=draft.charset)
    if draft.body.html is not None:
        message.add_alternative(draft.body.html, subtype="html", charset=draft.charset)
    for file in draft.files:
        kind, _, subtype = file.mime_type.partition(";")[0].partition("/")
        message.add_attachment(
            file.content,
            maintype=kind,
            subtype=subtype or "octet-stream",
            disposition="inline" if file.inline or file.cid else "attachment",
            filename=file.name,
            cid=f"<{file.cid}>" if file.cid else None,
        )
