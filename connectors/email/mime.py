"""The bytes of a mail to its headers and parts, within limits that keep a hostile mail cheap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32

from connectors.email.charset import decode, unfolded

# Real mails stay far below all of these.
MAX_PARTS = 200
MAX_DEPTH = 20
MAX_FIELDS = 1000
# Every line is compared with the boundaries of all multiparts around it. 25 MB of attachments are 330,000 lines.
MAX_CONTAINERS = 60
MAX_LINES = 600_000
# References hold the most: some 300 ids. Parameters are read in quadratic time.
_MAX_FIELD = 32_000
_MAX_PARAMETERS = 2_000
# What we read of one text part: many times what anybody writes.
MAX_BODY = 512 * 1024

_CONTAINER = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)
_ENCRYPTED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
# Beside the plain text and the HTML of a mail: the same once more, for few readers.
_OTHER_ALTERNATIVES = frozenset({"text/x-amp-html", "text/watch-html", "text/enriched", "text/richtext"})
# An invitation or the answer to one (RFC 5546); PUBLISH is a calendar that somebody sends along.
_SCHEDULING = frozenset({"REQUEST", "REPLY", "CANCEL", "COUNTER", "DECLINECOUNTER", "REFRESH", "ADD"})
_METHOD = re.compile(r"^METHOD:([A-Z]+)", re.IGNORECASE | re.MULTILINE)


class Refused(ValueError):
    """A mail that is built to harm, or broken beyond reading; the message says how."""


class Headers:
    """The fields of a mail, on one line each, as they stand (newest first where servers add their own)."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = [(name.lower(), unfolded(value)) for name, value in fields]
        self._by_name: dict[str, list[str]] = {}
        for name, value in self.fields:
            self._by_name.setdefault(name, []).append(value)

    def all(self, name: str) -> list[str]:
        """Every value of a field, from the top."""
        return self._by_name.get(name, [])

    def first(self, name: str) -> str:
        """The topmost value of a field; "" where it is missing."""
        return next(iter(self.all(name)), "")

    def __contains__(self, name: object) -> bool:
        return name in self._by_name


@dataclass(frozen=True, slots=True)
class Body:
    """One stretch of what the mail says: as plain text, as HTML, or the same in both."""

    plain: str | None = None
    html: str | None = None


@dataclass(slots=True)
class Contents:
    """What a mail holds. ``scheduling``: it is an invitation or the answer to one. ``encrypted``: the type that hides it."""

    bodies: list[Body] = field(default_factory=list)
    files: list[Message] = field(default_factory=list)
    scheduling: bool = False
    encrypted: str | None = None


class _Bounded(Compat32):
    """The standard parser's policy, with fields of bounded length and number, and values as they came."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[: _MAX_PARAMETERS if name.lower().startswith("content-") else _MAX_FIELD]

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value


def parse_bytes(raw: bytes) -> Message:
    """The tree of a mail. Raises ``Refused`` above the limits."""
    if sum(1 for _ in _CONTAINER.finditer(raw)) > MAX_CONTAINERS:
        raise Refused("too many containers")
    if max(raw.count(b"\n"), raw.count(b"\r")) > MAX_LINES:
        raise Refused("too many lines")
    bounded = _Bounded()
    made = 0

    class Counted(Message):
        def __init__(self, policy: Compat32 = bounded) -> None:
            nonlocal made
            made += 1
            if made > MAX_PARTS:
                raise Refused("too many parts")
            super().__init__(policy)

    message = BytesParser(Counted, policy=bounded).parsebytes(raw)
    if len(message) > MAX_FIELDS:
        raise Refused("too many header fields")
    return message


def headers_of(message: Message) -> Headers:
    """The header fields of a mail or a part."""
    return Headers(list(message.raw_items()))


def type_of(part: Message) -> str:
    """A part's declared type, in lower case."""
    return decode(part.get_content_type().encode("utf-8", "surrogateescape"))


def parameter(part: Message, name: str) -> str | None:
    """A parameter of the Content-Type, or None."""
    value = part.get_param(name)
    if isinstance(value, tuple):
        value = value[2]
    return None if value is None else str(value)


def filename_of(part: Message) -> str | None:
    """The name that a part gives itself, as it stands; None where it is no file."""
    try:
        return part.get_filename()
    except ValueError:
        # A charset that is no name (RFC 2231): it is a file all the same.
        return ""


def children_of(part: Message) -> list[Message]:
    """The parts of a container."""
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def payload_of(part: Message) -> bytes:
    """A leaf's decoded bytes; what is broken in its encoding is read as far as it goes."""
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def text_of(part: Message) -> str:
    """A leaf's text."""
    return decode(payload_of(part)[:MAX_BODY], parameter(part, "charset"))


def contents_of(message: Message) -> Contents:
    """What a mail says, and what comes with it. Raises ``Refused`` for a tree that is too deep."""
    contents = Contents()
    contents.bodies = list(_bodies(message, contents, 0))
    return contents


def _bodies(part: Message, contents: Contents, depth: int, alternative: bool = False) -> Iterator[Body]:
    if depth > MAX_DEPTH:
        raise Refused("nested too deeply")
    kind = type_of(part)
    if kind == "multipart/encrypted" or kind in _ENCRYPTED:
        contents.encrypted = kind
    elif part.is_multipart() and part.get_content_maintype() != "message":
        inner = [
            body
            for child in children_of(part)
            for body in _bodies(child, contents, depth + 1, kind == "multipart/alternative")
        ]
        yield from _merged(inner) if kind == "multipart/alternative" else inner
    elif part.is_multipart():
        contents.files.append(part)
    else:
        yield from _leaf(part, kind, contents, alternative)


def _leaf(part: Message, kind: str, contents: Contents, alternative: bool) -> Iterator[Body]:
    attached = part.get_content_disposition() == "attachment" or filename_of(part) is not None
    if kind == "text/calendar" and _schedules(part):
        contents.scheduling = True
    if kind.startswith("multipart/"):
        # A multipart without a single part: its boundary is wrong. What stands in it may still be read.
        kind = "text/plain"
    if kind in _SIGNATURES or (alternative and kind in _OTHER_ALTERNATIVES):
        return
    if attached or kind not in ("text/plain", "text/html"):
        contents.files.append(part)
    elif kind == "text/html":
        yield Body(html=text_of(part))
    else:
        yield Body(plain=_plain(part))


def _merged(bodies: list[Body]) -> list[Body]:
    """The alternatives as one: what is plain in them, and what is HTML (Apple Mail writes several pieces of it)."""
    plain = [body.plain for body in bodies if body.plain is not None]
    html = [body.html for body in bodies if body.html is not None]
    return [Body(plain="\n".join(plain) if plain else None, html="\n".join(html) if html else None)] if bodies else []


def _schedules(part: Message) -> bool:
    method = parameter(part, "method")
    if method is None:
        found = _METHOD.search(text_of(part))
        method = found[1] if found else ""
    return method.upper() in _SCHEDULING


def _plain(part: Message) -> str:
    text = text_of(part)
    if (parameter(part, "format") or "").lower() != "flowed":
        return text
    return reflowed(text, delete_space=(parameter(part, "delsp") or "").lower() == "yes")


def reflowed(text: str, *, delete_space: bool = False) -> str:
    """Soft line ends taken out of ``format=flowed`` (RFC 3676): a line that ends in a space goes on in the next one."""
    lines: list[list[str]] = []
    depth_before, soft = 0, False
    for line in text.replace("\r\n", "\n").split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        goes_on = content.endswith(" ") and content != "-- "
        if goes_on and delete_space:
            content = content[:-1]
        if soft and depth == depth_before and content != "-- ":
            lines[-1].append(content)
        else:
            lines.append(["> " if depth else "", content])
        depth_before, soft = depth, goes_on
    return "\n".join("".join(pieces) for pieces in lines)
