"""Single values as Meta writes them; what any platform writes is in ``connectors/values.py``."""

from __future__ import annotations

import re

from connectors.message import Json
from connectors.values import as_id, as_text, storable_text

# Instagram's message ids have about 200 characters; an index entry in PostgreSQL holds some 2,700 bytes.
MAX_MID = 512
_ES6_ESCAPE = re.compile(r"\\u\{([0-9A-Fa-f]{1,6})\}")
_LAST_CODE_POINT = 0x10FFFF


def as_mid(value: Json) -> str | None:
    """A message id. They are opaque: never parsed."""
    return as_id(value, MAX_MID)


def as_emoji(value: Json) -> str | None:
    """An emoji; Messenger may write it as the literal text ``\\u{2764}\\u{FE0F}``."""
    text = as_text(value)
    return text and storable_text(_ES6_ESCAPE.sub(_sign, text))


def _sign(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code <= _LAST_CODE_POINT else match[0]
