"""Reading single values out of JSON that nobody vouches for: each reader returns a good value or None, and never raises."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime, timezone

from connectors.message import Json

# Deeper than any real webhook by far, and shallow enough for every JSON writer and for PostgreSQL.
MAX_DEPTH = 64
# The widest id that the database keeps; platforms' have 15 to 40 characters.
MAX_ID = 255
# Keys stand in an index; a longer one is replaced by its digest.
MAX_KEY = 300
_MAX_DIGITS = 64
_SECONDS_BELOW = 10**11
_LAST_MILLISECOND = 253_402_300_799_999


def decode(body: bytes) -> Json:
    """Read a webhook's JSON. Raises ``ValueError`` for what is not JSON.

    Numbers of absurd length stay text: Python refuses to convert them, but they harm nothing else in the delivery.
    """
    try:
        return _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except RecursionError:
        return {"object": "unreadable", "reason": "nested too deeply", "start": body[:200].decode("utf-8", "replace")}


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _decimal(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _refuse(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_refuse)


def storable(value: Json, depth: int = 0) -> Json:
    """A copy that PostgreSQL can store as it is: no NUL, no half of a surrogate pair, no infinite number, bounded depth."""
    if depth >= MAX_DEPTH and isinstance(value, (dict, list, tuple)):
        return "nested too deeply"
    if isinstance(value, dict):
        return {storable_text(str(key)): storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(item, depth + 1) for item in value]
    return _storable_scalar(value)


def _storable_scalar(value: Json) -> Json:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -(10**_MAX_DIGITS) < value < 10**_MAX_DIGITS else "number too long"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, bool) else storable_text(str(value))


def storable_text(text: str) -> str:
    """The text with U+FFFD in place of NUL and of lone surrogates."""
    if text.isascii():
        return text.replace("\x00", "\ufffd")
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def object_of(body: bytes) -> dict[str, Json] | None:
    """The JSON object of an answer, fit to be stored; None where it is none."""
    try:
        document = storable(decode(body))
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def as_object(value: Json) -> dict[str, Json]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Json) -> list[Json]:
    """The items; a lone object counts as a list of one, nothing as none."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def as_text(value: Json) -> str | None:
    """A text with something in it."""
    return value if isinstance(value, str) and value.strip() else None


def as_id(value: Json, longest: int = MAX_ID) -> str | None:
    """An id as text: strings on the wire today, numbers in older payloads."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= longest else None


def as_milliseconds(value: Json) -> int | None:
    """A time in milliseconds since 1970; seconds and digits in text occur too."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) <= _MAX_DIGITS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    milliseconds = int(value * 1000 if value < _SECONDS_BELOW else value)
    return milliseconds if 0 < milliseconds <= _LAST_MILLISECOND else None


def as_moment(value: Json) -> datetime | None:
    """The same as an aware UTC time."""
    milliseconds = as_milliseconds(value)
    if milliseconds is None:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest * 1000)


def digest(value: Json) -> str:
    """A short name for a JSON value: the same for the same content, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def make_key(*parts: object) -> str:
    """One key from its parts, bounded."""
    key = ":".join(str(part) for part in parts)
    return key if len(key) <= MAX_KEY else f"{key[:80]}:{digest(key)}"
