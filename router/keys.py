"""API keys: ``ocrm_<id>_<secret>``. The database holds the id and a digest; the key itself is shown once, when it is made."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from connectors.message import Json

Scope = Literal["read", "send", "manage"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_ID_BYTES = 6
# 256 random bits: nobody guesses them, so a fast digest keeps them as well as a slow one.
_SECRET_BYTES = 32
_FORM = re.compile(rf"ocrm_([0-9a-f]{{{_ID_BYTES * 2}}})_([0-9a-f]{{{_SECRET_BYTES * 2}}})")
_NOBODYS = hashlib.sha256(b"no key has this digest").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made. ``text`` is for its holder alone."""

    id: str
    text: str
    digest: str

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Who calls."""

    id: str
    name: str
    scopes: frozenset[str]


def new_key(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> NewKey:
    """Make a key."""
    key_id, secret = random_bytes(_ID_BYTES).hex(), random_bytes(_SECRET_BYTES).hex()
    text = f"ocrm_{key_id}_{secret}"
    return NewKey(id=key_id, text=text, digest=digest(text))


def digest(text: str) -> str:
    """What the database keeps of a key: SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def presented(authorization: str | None) -> tuple[str, str] | None:
    """Id and text of the key in an ``Authorization`` header; None for anything that is not shaped like one of ours."""
    scheme, _, text = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    match = _FORM.fullmatch(text.strip())
    return (match[1], match[0]) if match else None


def matches(text: str, row: Json) -> bool:
    """Whether this key is the one of the row, and still good. Takes the same time for every wrong key."""
    same = hmac.compare_digest(digest(text), row["hash"] if row else _NOBODYS)
    return bool(row) and same and row["state"] == "good"
