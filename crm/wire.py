"""What the adapters share: checked names, arguments as text, and what each SQLSTATE means for the caller."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from crm.port import JSON, CrmError, CrmMisconfigured, CrmRejected, CrmUnavailable

_FUNCTION = re.compile(r"omnicrm_[a-z]+(?:_[a-z]+)*")
_ARGUMENT = re.compile(r"p_[a-z]+(?:_[a-z]+)*")

# Appendix A of PostgreSQL's manual, by the first two characters of the SQLSTATE.
_TRY_LATER = {
    "08": "connection",
    "25": "read-only or idle too long, as during a failover",
    "40": "serialization or deadlock",
    "53": "out of connections, memory or disk",
    "55": "lock not available",
    "57": "operator intervention, shutdown, statement timeout",
    "58": "system error",
    "XX": "internal error",
}
_OPERATOR = {
    "0A": "feature not supported",
    "26": "prepared statement lost: a transaction pooler that was not announced",
    "28": "authorization",
    "3D": "no such database",
    "3F": "no such schema",
    # The statement is fixed, so data cannot cause these: a function or a right is missing.
    "42": "undefined function, missing privilege",
}
_ROLLED_BACK = {"40001", "40P01"}
_WRITER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def check_names(function: str, arguments: Iterable[str]) -> None:
    """Refuse names that could not be ours. Raises ``ValueError``."""
    if not _FUNCTION.fullmatch(function):
        raise ValueError(f"not a function of this project: {function!r}")
    for name in arguments:
        if not _ARGUMENT.fullmatch(name):
            raise ValueError(f"not an argument of this project's functions: {name!r}")


def encode(arguments: Mapping[str, JSON]) -> dict[str, str | None]:
    """Write each argument as the text that PostgreSQL reads: objects and lists as JSON, None as NULL.

    Raises ``CrmRejected`` for what a database text cannot hold: NUL, half a surrogate pair, NaN, endless nesting.
    """
    return {name: _encode(value) for name, value in arguments.items()}


def _encode(value: JSON) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        if "\0" in value:
            raise CrmRejected("22P05", "text contains the character NUL")
        text = value
    else:
        try:
            text = _WRITER.encode(value)
        except ValueError as error:
            raise CrmRejected("22P02", f"not JSON: {error}") from None
        except RecursionError:
            raise CrmRejected("54001", "JSON is nested too deeply") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CrmRejected("22P02", "text contains half of a surrogate pair") from None
    return text


def error_for(sqlstate: str, message: str) -> CrmError:
    """Tell what the caller can do about a SQLSTATE."""
    kind = sqlstate[:2]
    if kind in _TRY_LATER:
        return CrmUnavailable(f"{message} ({sqlstate})")
    if kind in _OPERATOR:
        return CrmMisconfigured(f"{message} ({sqlstate})")
    return CrmRejected(sqlstate, message)


def was_rolled_back(sqlstate: str | None) -> bool:
    """Tell whether the same call may simply run again: it lost against another and left nothing behind."""
    return sqlstate in _ROLLED_BACK
