"""Where a page ended, as one opaque word. It belongs to one list with one set of filters."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

from connectors.message import Json
from connectors.values import digest
from router.problem import Problem

_LONGEST = 400


def write(operation: str, filters: Mapping[str, Json], after: list[str]) -> str:
    """The cursor of what follows ``after``, the sort key of a page's last item."""
    text = json.dumps([_belongs(operation, filters), *after], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(cursor: str, operation: str, filters: Mapping[str, Json]) -> list[str]:
    """The inverse. Raises ``Problem`` for what ``write`` did not make for this list and these filters."""
    try:
        if len(cursor) > _LONGEST:
            raise ValueError
        belongs, *after = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise Problem("invalid-cursor", "This cursor cannot be read.") from None
    if belongs != _belongs(operation, filters):
        raise Problem("invalid-cursor", "This cursor belongs to another list or to other filters.")
    if not after or not all(isinstance(part, str) for part in after):
        raise Problem("invalid-cursor", "This cursor cannot be read.")
    return list(after)


def _belongs(operation: str, filters: Mapping[str, Json]) -> str:
    return digest([operation, {name: value for name, value in filters.items() if name not in ("cursor", "limit")}])[:12]
