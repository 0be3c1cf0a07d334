"""FETCH (RFC 3501 section 6.4.5): which parts of a message a client wants, and how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from simulator.mail.folders import Message
from simulator.mail.imap_syntax import BadCommand, Token, text_of

_MACROS = {"FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"), "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE")}
_OLD = {"RFC822": "BODY[]", "RFC822.HEADER": "BODY.PEEK[HEADER]", "RFC822.TEXT": "BODY[TEXT]"}
_SECTION = re.compile(r"BODY(\.PEEK)?\[(.*?)\](?:<(\d+)\.(\d+)>)?", re.IGNORECASE | re.DOTALL)
_FIELDS = re.compile(r"HEADER\.FIELDS(\.NOT)? \((.*)\)", re.IGNORECASE)
_SIMPLE = ("UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to fetch; ``label`` is how the answer names it."""

    label: str
    section: str | None = None
    peek: bool = True
    start: int | None = None
    length: int = 0

    @property
    def sets_seen(self) -> bool:
        """Whether fetching it marks the message as read."""
        return self.section is not None and not self.peek


def items(tokens: list[Token], *, uid: bool) -> list[Item]:
    """What a FETCH asks for; with UID FETCH the UID is always among it. Raises ``BadCommand``."""
    wanted = tokens[0] if len(tokens) == 1 and isinstance(tokens[0], list) else tokens
    found: list[Item] = []
    for token in wanted:
        word = text_of(token).upper() if "[" not in text_of(token) else text_of(token)
        found += [_item(part) for part in _MACROS.get(word, (_OLD.get(word, word),))]
        if word in _OLD:
            found[-1] = Item(word, found[-1].section, found[-1].peek)
    if not found:
        raise BadCommand("FETCH needs items")
    if uid and all(item.label != "UID" for item in found):
        found.insert(0, Item("UID"))
    return found


def _item(word: str) -> Item:
    if word in _SIMPLE:
        return Item(word)
    found = _SECTION.fullmatch(word)
    if found is None:
        raise BadCommand(f"FETCH {word} does not exist here")
    section = found[2].upper() if not _FIELDS.match(found[2]) else found[2]
    if section not in ("", "HEADER", "TEXT") and not _FIELDS.fullmatch(section):
        raise BadCommand(f"FETCH BODY[{section}] does not exist here")
    start = int(found[3]) if found[3] else None
    label = f"BODY[{section}]" + (f"<{start}>" if start is not None else "")
    return Item(label, section, bool(found[1]), start, int(found[4] or 0))


def answer(number: int, message: Message, wanted: list[Item]) -> bytes:
    """One untagged FETCH."""
    return f"* {number} FETCH (".encode() + b" ".join(_written(item, message) for item in wanted) + b")\r\n"


def _written(item: Item, message: Message) -> bytes:
    if item.section is not None:
        content = _section(item.section, message.raw)
        if item.start is not None:
            content = content[item.start : item.start + item.length]
        return f"{item.label} {{{len(content)}}}\r\n".encode() + content
    value = {
        "UID": str(message.uid),
        "FLAGS": f"({' '.join(sorted(message.flags))})",
        "INTERNALDATE": f'"{internal_date(message.received)}"',
        "RFC822.SIZE": str(len(message.raw)),
    }[item.label]
    return f"{item.label} {value}".encode()


def _section(section: str, raw: bytes) -> bytes:
    if not section:
        return raw
    ended = re.search(rb"\r?\n\r?\n", raw)
    head, body = (raw[: ended.end()], raw[ended.end() :]) if ended else (raw, b"")
    if section == "HEADER":
        return head
    if section == "TEXT":
        return body
    fields = _FIELDS.fullmatch(section)
    if fields is None:  # the items were checked when they were read
        raise BadCommand(section)
    names = {name.strip('"').lower() for name in fields[2].split()}
    chosen = [
        header for header in _headers(head) if (header.partition(b":")[0].decode("latin-1").lower() in names) != bool(fields[1])
    ]
    return b"".join(chosen) + b"\r\n"


def _headers(head: bytes) -> list[bytes]:
    """Every header with its folded lines."""
    found: list[bytes] = []
    for line in head.splitlines(keepends=True):
        if line[:1] in (b" ", b"\t") and found:
            found[-1] += line
        elif line.strip():
            found.append(line)
    return found


def moment_of(text: str) -> float:
    """The inverse of ``internal_date``, in any time zone. Raises ``BadCommand``."""
    day, _, rest = text.strip().partition("-")
    month, _, rest = rest.partition("-")
    if month.title() not in _MONTHS:
        raise BadCommand(f"{text!r} is no date")
    try:
        return datetime.strptime(f"{day} {_MONTHS.index(month.title()) + 1} {rest}", "%d %m %Y %H:%M:%S %z").timestamp()
    except ValueError as error:
        raise BadCommand(f"{text!r} is no date") from error


def internal_date(moment: float) -> str:
    """``22-Nov-2026 15:15:03 +0000``."""
    when = datetime.fromtimestamp(moment, timezone.utc)
    return f"{when.day:2d}-{_MONTHS[when.month - 1]}-{when:%Y %H:%M:%S} +0000"
