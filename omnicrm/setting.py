"""What one setting is: its default, its meaning, how its text is read. The tables of settings are made of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, fields
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

CHANNELS = ("WA", "IG", "FB", "EMAIL", "TT")


class SettingsError(Exception):
    """One line per wrong setting: its name, what is wrong, what is expected."""


def text(value: str) -> str:
    """Any text that can be seen, on one line: much of it becomes part of an address or a header."""
    if not value.isprintable():
        raise ValueError("holds a tab, a line break or a character that cannot be seen")
    return value


def listed(value: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def number(low: float, high: float) -> Callable[[str], float]:
    """A number within bounds."""

    def read(value: str) -> float:
        found = float(value)
        if not low <= found <= high:
            raise ValueError(f"must be between {low:g} and {high:g}")
        return found

    return read


def integer(low: int, high: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def read(value: str) -> int:
        return int(number(low, high)(str(int(value))))

    return read


def url(value: str) -> str:
    """An HTTP address, without its last slash."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with https:// (or http:// on this machine)")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("must be written in plain characters, without spaces")
    port = urlsplit(value).port  # raises ValueError where it is none
    try:
        # Whoever calls the address reads it with httpx, and more strictly.
        host = httpx.URL(value).host
    except (httpx.InvalidURL, UnicodeError):
        host = ""
    if not host or port == 0:
        raise ValueError("must name a host")
    return value.rstrip("/")


def setting(default: Any, meaning: str, read: Callable[[str], Any] = text, *, example: str = "", secret: bool = False) -> Any:
    """A setting as a dataclass field. ``read`` raises ``ValueError`` with what is expected; secrets are never shown."""
    metadata = {"meaning": meaning, "read": read, "example": example, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


def one_of(value: str, *allowed: str) -> str:
    """One of the allowed words, in capitals."""
    if value.upper() not in allowed:
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return value.upper()


def time_zone(value: str) -> str:
    """A time zone's name in the IANA database."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as America/Mexico_City") from None
    return value


def per_channel(low: float, high: float) -> Callable[[str], tuple[str, ...]]:
    """``WA=72,EMAIL=240``: a number in these limits for each channel that is named."""

    def read(value: str) -> tuple[str, ...]:
        found = []
        for part in listed(value):
            channel, _, amount = (piece.strip() for piece in part.partition("="))
            if channel.upper() not in CHANNELS:
                raise ValueError(f"{part!r} must be like WA=72, with one of {', '.join(CHANNELS)}")
            found.append(f"{channel.upper()}={number(low, high)(amount):g}")
        return tuple(found)

    return read


def by_channel(pairs: Sequence[str]) -> dict[str, float]:
    """What ``per_channel`` read, by channel."""
    return {channel: float(amount) for channel, _, amount in (pair.partition("=") for pair in pairs)}


def require(settings: Any, channel: str, names: Sequence[str]) -> None:
    """Refuse to start without what a channel needs. Raises ``SettingsError`` with one line per missing setting."""
    specs = {spec.name: spec for spec in fields(settings)}
    missing = [
        f"{name.upper()}: missing, {channel} needs it ({specs[name].metadata['meaning']}). "
        f"Example: {specs[name].metadata['example']}"
        for name in names
        if not getattr(settings, name)
    ]
    if missing:
        raise SettingsError("\n".join(missing))
