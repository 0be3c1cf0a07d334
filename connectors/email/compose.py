"""One message of ours to the bytes of a mail. Pure: the same message, reference and time give the same bytes.

Written by hand because the standard library gets two things wrong (Python 3.10 to 3.13): at its usual line length it encodes
a Message-ID of more than 78 characters, as Outlook's are, which breaks the thread; with longer lines it also makes longer
encoded words and quoted-printable lines than RFC 2047 and RFC 2045 allow.
"""

from __future__ import annotations

import binascii
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from unicodedata import category

from connectors.email.envelope import Ours
from connectors.email.tokens import message_id, thread_of, token
from connectors.message import Address, Json, Outgoing, Unreachable

# A subject is the customer's own: long enough to be told again in full, short enough to be no attack.
SUBJECT_LIMIT = 400
NAME_LIMIT = 100
# A longer word is folded as encoded words; the header would begin with an empty line.
WORD_LIMIT = 60
# RFC 5322 2.1.1: at most 998 characters in a line. A server may unfold what we folded.
LINE_LIMIT = 998
KEPT_REFERENCES = 10
LOCAL_PART_LIMIT = 64

_REPLY_MARKS = re.compile(r"(?:(?:re|rv|fw|fwd|res|aw|sv|tr|r|rif)(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_THREAD = re.compile(r"[a-z2-7]{8}")
_ID = re.compile(r"<[!-;=?-~]+>")
# Quoted local parts exist in theory; what stands here goes into a header and an SMTP command as it is.
_RECIPIENT = re.compile(r"[^\s\x00-\x20\x7f-\x9f<>()\[\],:;@\\\"]{1,64}@[^\s\x00-\x20\x7f-\x9f<>()\[\],:;@\\\"]{1,253}")
# Control characters, halves of surrogate pairs, line and paragraph separators.
_UNWRITABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_NO_ADDRESS = "La dirección de este cliente no es una a la que se pueda escribir"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail that is ready to go. ``utf8``: the recipient's local part is not ASCII, so the server must know SMTPUTF8."""

    recipient: str
    message_id: str
    content: bytes
    utf8: bool = False


def compose(to: Address, message: Outgoing, reference: str, ours: Ours, name: str, now: datetime) -> Mail:
    """Write one fitted message as a mail: an answer to the newest mail in ``to.context``, or the first of a thread.

    ``reference`` is ``omnicrm:<number>``; ``name`` is what customers see beside our address. Raises ``Unreachable`` where
    the customer's address is none.
    """
    context = to.context
    recipient = _recipient(one_line(context.get("to")) or _address_of(to.user))
    thread = one_line(context.get("thread"))
    if not _THREAD.fullmatch(thread):
        thread = thread_of(reference, to.user)
    own_id = message_id(ours.secret, reference, thread, to.user, ours.domain)
    answered = _ids([context.get("message_id")])
    headers = [
        ("From", mailbox(name, ours.address)),
        ("To", mailbox(one_line(context.get("name")), recipient)),
        ("Subject", encoded(_subject(context, name or ours.address))),
        ("Date", format_datetime(now)),
        ("Message-ID", own_id),
    ]
    reply_to = _with_token(ours, token(ours.secret, thread, to.user))
    if reply_to:
        headers.append(("Reply-To", mailbox(name, reply_to)))
    if answered:
        headers.append(("In-Reply-To", answered[0]))
        headers.append(("References", "\r\n ".join(_references(context, answered[0]))))
    headers += [
        # RFC 3834: tells other machines that one wrote this, so that they do not answer.
        ("Auto-Submitted", "auto-replied" if context else "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("X-Loop", ours.address),
        ("MIME-Version", "1.0"),
    ]
    content = _headers(headers) + _body(message.text or "", boundary=f"=_{own_id[1:].partition('@')[0]}")
    return Mail(recipient=recipient, message_id=own_id, content=content, utf8=not recipient.isascii())


# --- headers -----------------------------------------------------------------------------------------------------------


def _headers(headers: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode()


def one_line(value: Json) -> str:
    """A value out of a context without line breaks, control characters and halves of pairs; "" for anything but text."""
    if not isinstance(value, str):
        return ""
    return " ".join("".join(" " if category(c) in _UNWRITABLE else c for c in value).split())


def encoded(text: str) -> str:
    """One line as RFC 2047 and RFC 5322 want it in a header, folded."""
    plain = text.isascii() and "=?" not in text and all(len(word) <= WORD_LIMIT for word in text.split())
    charset = "us-ascii" if plain else "utf-8"
    return Header(text, charset, header_name="Subject", maxlinelen=75).encode(linesep="\r\n")


def mailbox(name: str, address: str) -> str:
    """``Name <address>``, the name quoted or encoded."""
    shown = one_line(name)[:NAME_LIMIT]
    if not shown:
        return address
    if shown.isascii() and "=?" not in shown:
        escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{encoded(shown)}\r\n <{address}>"


def _recipient(address: str) -> str:
    """The address as SMTP takes it: an international domain in its ASCII form."""
    local, _, domain = address.rpartition("@")
    try:
        whole = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise Unreachable(_NO_ADDRESS) from None
    if not _RECIPIENT.fullmatch(whole):
        raise Unreachable(_NO_ADDRESS)
    return whole


def _address_of(user: str) -> str:
    """The address in ``Address.user``: all of it, or the middle of ``unverified:<address>:<thread>``."""
    return user.removeprefix("unverified:").rpartition(":")[0] if user.startswith("unverified:") else user


def _with_token(ours: Ours, reply_token: str) -> str | None:
    """Our address with a reply token; None where the server takes no such addresses."""
    local, _, domain = ours.address.rpartition("@")
    whole = f"{local}{ours.separator}{reply_token}"
    return f"{whole}@{domain}" if ours.separator and len(whole) <= LOCAL_PART_LIMIT else None


def _subject(context: dict[str, Json], name: str) -> str:
    """The thread's subject with one "Re: " (RFC 5322 3.6.5): mail programs group by it."""
    if not context:
        return f"Mensaje de {name}"
    bare = _REPLY_MARKS.sub("", one_line(context.get("subject")), count=1)
    return f"Re: {bare[:SUBJECT_LIMIT].rstrip() or 'tu mensaje'}"


def _references(context: dict[str, Json], answered: str) -> list[str]:
    """The thread's ids as RFC 5322 3.6.4 says, without its middle where they are too many: the first, and the newest."""
    earlier = context.get("references")
    ids = [found for found in _ids(earlier if isinstance(earlier, list) else []) if found != answered]
    ids = [*dict.fromkeys(ids), answered]
    room = LINE_LIMIT - len("References:")
    while len(ids) > 1 and (len(ids) > KEPT_REFERENCES or sum(len(one) + 1 for one in ids) > room):
        del ids[1 if len(ids) > 2 else 0]
    return ids


def _ids(values: Iterable[Json]) -> list[str]:
    """Those that are Message-IDs and fit a line."""
    return [v for v in values if isinstance(v, str) and _ID.fullmatch(v) and len(v) < LINE_LIMIT - len("In-Reply-To: ")]


# --- body --------------------------------------------------------------------------------------------------------------


def _body(text: str, boundary: str) -> bytes:
    """The text twice, plain first (RFC 2046 5.1.4): the best that a program can show comes last."""
    lines = re.sub(r"\r\n?|\n", "\n", text)
    written = html.escape(lines, quote=False).replace("\n", "<br>\n")
    page = f'<!doctype html>\n<html lang="es"><body><div>{written}</div></body></html>\n'
    parts = _part("text/plain", lines + "\n", boundary) + _part("text/html", page, boundary)
    head = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
    return head.encode() + parts + f"--{boundary}--\r\n".encode()


def _part(kind: str, text: str, boundary: str) -> bytes:
    # Quoted-printable is ASCII in lines of 76 at most: no server on the way has to know anything.
    head = f"--{boundary}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    encoded = binascii.b2a_qp(text.replace("\n", "\r\n").encode("utf-8", "replace"), istext=True)
    return head.encode() + encoded + b"\r\n"
