"""Names, phones, mail addresses and cities as customers write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ara.text import clean, fold

_PHONE = re.compile(r"(?<![\d$])\+?\(?\d(?:[\s().-]{0,2}\d){7,14}(?!\d)")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(
    rf"(?<![\w.+-])[A-Za-z0-9](?:[A-Za-z0-9._%+-]{{0,62}}[A-Za-z0-9])?@(?:{_LABEL}\.)+[A-Za-z]{{2,24}}(?![\w@])"
)
_SAYS_NAME = re.compile(r"(?i:me llamo|mi nombre(?: completo)? es|a nombre de|nombre\s*:)\s*([^\d,;:.\n@()]{2,80})")
_AFTER_NAME = re.compile(
    r"(?i)\s+(?:y|mi|mis|con|tel|cel|correo|telefono|teléfono|vivo|soy|de\s+la\s+ciudad|para|quiero|gracias)\b.*$"
)
_NAME = re.compile(r"[^\W\d_]+(?:[ '’.-]{1,2}[^\W\d_]+){0,6}\.?")
_PARTICLES = {"de", "del", "la", "las", "los", "y", "e", "da", "di", "van", "von"}


def read_phone(text: str) -> str | None:
    """The first phone of a text in E.164: ten digits are Mexican (+52…); others need their "+" and country."""
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        if match.group().startswith("+") and not digits.startswith("52"):
            if 8 <= len(digits) <= 15 and not digits.startswith("0"):
                return f"+{digits}"
            continue
        # 52 1 55… is how Mexican mobiles were written until 2019.
        national = (
            digits[3:]
            if len(digits) == 13 and digits.startswith("521")
            else digits[2:]
            if len(digits) == 12 and digits.startswith("52")
            else digits
        )
        national = national[3:] if len(national) == 13 and national[:3] in ("044", "045") else national
        if len(national) == 10 and national[0] in "23456789" and len(set(national)) > 1:
            return f"+52{national}"
    return None


def read_email(text: str) -> str | None:
    """The first mail address of a text, in lower case, at most 254 characters."""
    for match in _EMAIL.finditer(text):
        address = match.group().lower()
        if len(address) <= 254 and ".." not in address:
            return address
    return None


def read_name(entities: Iterable[str], text: str) -> str | None:
    """A person's name: what was recognised as one, else what follows "me llamo"."""
    said = _SAYS_NAME.search(text)
    recognised = [value for value in entities if value.strip()]
    for candidate in (" ".join(recognised), *recognised, _AFTER_NAME.sub("", said[1]) if said else ""):
        name = _person(candidate)
        if name:
            return name
    return None


def read_city(entities: Iterable[str]) -> str | None:
    """A city, as recognised."""
    return next((city for city in (_person(value, particles=7) for value in entities) if city), None)


def _person(candidate: str, *, particles: int = 7) -> str | None:
    name = clean(candidate, 81).strip(" .,;:!¡¿?\"'")
    if not 2 <= len(name) <= 80 or not _NAME.fullmatch(name) or len(name.split()) > particles:
        return None
    if name.islower() or name.isupper():
        return " ".join(w.lower() if fold(w) in _PARTICLES else w.capitalize() for w in name.split())
    return name
