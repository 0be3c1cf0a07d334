"""Mail addresses: who wrote, read strictly, and who we are ourselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from connectors.email.charset import composed, words
from connectors.email.envelope import Ours
from connectors.email.tokens import without_token

# RFC 5321 allows 254; the user of an unverified conversation holds more than the address, and the database keeps 255 of it.
MAX_ADDRESS = 200
MAX_NAME = 120
# RFC 5322, 2.1.1: a line has at most 998 characters; ten of them hold the longest list of recipients that we look at.
_MAX_HEADER = 10_000
_LOCAL = re.compile(r"[^\s@<>()\[\],;:\"\\\x00-\x20\x7f]{1,64}")
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_PLAIN = re.compile(r"[^\"(<>),;:\\]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address as it was written, the same as it is compared, and the name that stands with it."""

    address: str
    normal: str
    name: str = ""

    @property
    def domain(self) -> str:
        """The domain, as DNS has it."""
        return self.normal.rpartition("@")[2]


def normalise(address: str) -> str | None:
    """An address as it is compared: lower case, the domain as DNS has it (IDNA). None for what is none.

    Quoted local parts and address literals are allowed by RFC 5321, and used only to deceive.
    """
    local, _, domain = composed(address.strip()).lower().rpartition("@")
    try:
        domain = domain.rstrip(".").encode("idna").decode() if not domain.isascii() else domain.rstrip(".")
    except UnicodeError:
        return None
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain) or len(local) + len(domain) >= MAX_ADDRESS:
        return None
    return f"{local}@{domain}"


def mailboxes(value: str) -> list[Mailbox]:
    """The mailboxes of an address header on one line. Raises ``ValueError`` where two readers could see different people."""
    found = []
    name = ""
    for piece in _pieces(value[:_MAX_HEADER]):
        if piece.angle is None and "@" not in piece.words:
            # An unquoted comma in a name: "Pérez, Ana <ana@example.com>".
            name += f"{piece.words}, " if piece.words else ""
            continue
        written = piece.words if piece.angle is None else piece.angle
        normal = normalise(written)
        if normal is None:
            raise ValueError("not an address")
        shown = words(name + (piece.comment if piece.angle is None else piece.words or piece.comment))
        # A name that is an address is there to be taken for the sender's.
        found.append(Mailbox(written.strip(), normal, "" if "@" in shown else shown[:MAX_NAME]))
        name = ""
    return found


@dataclass(slots=True)
class _Piece:
    """What stands between two commas."""

    words: str = ""
    comment: str = ""
    angle: str | None = None


def _pieces(value: str) -> Iterator[_Piece]:
    piece = _Piece()
    at = 0
    while at < len(value):
        sign = value[at]
        plain = _PLAIN.match(value, at)
        quoted = _QUOTED.match(value, at)
        if plain:
            piece.words = f"{piece.words} {plain[0].strip()}".strip()
            at = plain.end()
        elif quoted:
            piece.words = f"{piece.words} {_ESCAPED.sub(_unescaped, quoted[1])}".strip()
            at = quoted.end()
        elif sign == "(":
            end = _comment_end(value, at)
            piece.comment = value[at + 1 : end - 1]
            at = end
        elif sign == "<" and piece.angle is None:
            end = value.index(">", at)
            piece.angle = value[at + 1 : end]
            at = end + 1
        elif sign in ",;":
            yield piece
            piece = _Piece()
            at += 1
        elif sign == ":" and piece.angle is None:
            # The name of a group: "undisclosed-recipients:;"
            piece = _Piece()
            at += 1
        else:
            raise ValueError("not a list of addresses")
    yield piece


def _unescaped(found: re.Match[str]) -> str:
    return found[1]


def _comment_end(value: str, start: int) -> int:
    depth = 0
    at = start
    while at < len(value):
        if value[at] == "\\":
            at += 1
        elif value[at] in "()":
            depth += 1 if value[at] == "(" else -1
            if depth == 0:
                return at + 1
        at += 1
    raise ValueError("a comment without an end")


def recipients(values: Iterable[str]) -> list[Mailbox]:
    """Who stands in headers of recipients; what cannot be read is left out."""
    return [mailbox for value in values for mailbox in _readable(value)]


def _readable(value: str) -> list[Mailbox]:
    try:
        return mailboxes(value)
    except ValueError:
        return []


def is_ours(normal: str, ours: Ours) -> bool:
    """Whether a normalised address is one of our own, with or without what we put behind its local part."""
    local, _, domain = normal.rpartition("@")
    bases = (local, local.partition("+")[0], without_token(local, ours.separator))
    spellings = {f"{base}@{domain}" for base in bases}
    return any(normalise(own) in spellings for own in (ours.address, *ours.aliases))


# --- domains -------------------------------------------------------------------------------------------------------------

# Below the top level of countries, these are public as the top level is (com.mx, gob.mx, co.uk).
_PUBLIC_SECOND = frozenset({
    "ac", "co", "com", "edu", "firm", "gob", "go", "gov", "gouv", "info", "ltd", "mil", "ne", "net", "nom", "or", "org", "plc",
    "web",
})  # fmt: skip
_COUNTRY_LENGTH = 2


def is_public(domain: str) -> bool:
    """Whether everybody can have a name below this domain, as far as one can tell without a list."""
    labels = domain.split(".")
    return len(labels) == 1 or (len(labels) == 2 and len(labels[1]) == _COUNTRY_LENGTH and labels[0] in _PUBLIC_SECOND)


def aligned(one: str, other: str) -> bool:
    """Whether two domains are of one owner: the same, or one below the other.

    DMARC's relaxed alignment (RFC 7489, 3.1) also accepts two names below one registered domain. Where those begin only a
    list of all public suffixes knows; without it, names below somebody's onmicrosoft.com would all be one owner.
    """
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    upper, lower = sorted((one, other), key=len)
    return bool(upper) and (one == other or (lower.endswith(f".{upper}") and not is_public(upper)))


def organisation(domain: str) -> str:
    """The shortest domain above this one that is not public: of our own hosts, where nobody deceives us."""
    labels = domain.lower().rstrip(".").split(".")
    tails = [".".join(labels[-length:]) for length in range(2, len(labels) + 1)]
    return next((tail for tail in tails if not is_public(tail)), domain)
