"""The checks that all of Whapi's parameters share; each raises ``WhapiError`` (400)."""

from __future__ import annotations

from simulator.config import Json
from simulator.whapi.errors import wrong

TEXT_LIMIT = 65_536  # WhatsApp's own; Whapi publishes none


def text_of(body: dict[str, Json], name: str) -> str:
    """A string, perhaps empty; half of a surrogate pair is no text."""
    value = body.get(name)
    if not isinstance(value, str):
        raise wrong(f"{name} must be a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise wrong(f"{name} is not valid Unicode") from error
    return value


def check_text(body: dict[str, Json], name: str, limit: int = TEXT_LIMIT) -> str:
    """A string that is required."""
    if not body.get(name):
        raise wrong(f"{name} is required")
    value = text_of(body, name)
    if len(value) > limit:
        raise wrong(f"{name} must not be longer than {limit} characters")
    return value


def optional_text(body: dict[str, Json], name: str, limit: int = TEXT_LIMIT) -> str | None:
    """A string that may be missing, null or empty."""
    return check_text(body, name, limit) if body.get(name) else None


def number_between(body: dict[str, Json], name: str, least: float, most: float) -> float:
    """A number in these bounds; 0 where it is missing."""
    value = body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise wrong(f"{name} must be a number from {least} to {most}")
    return value


def object_of(body: dict[str, Json], name: str) -> dict[str, Json]:
    """An object that is required."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise wrong(f"{name} must be an object")
    return value


def list_of(body: dict[str, Json], name: str, most: int) -> list[dict[str, Json]]:
    """A list of objects, neither empty nor longer than ``most``."""
    value = body.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise wrong(f"{name} must be a list of objects that is not empty")
    if len(value) > most:
        raise wrong(f"{name} must not hold more than {most}")
    return value
