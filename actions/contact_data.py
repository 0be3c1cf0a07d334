"""Names, phones, mail addresses and cities as customers write them. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import phonenumbers

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
# Where nearly all of the shop's customers have their mail: what is almost one of these is a slip of the finger.
_PROVIDERS = (
    "gmail.com", "hotmail.com", "outlook.com", "yahoo.com", "yahoo.com.mx", "live.com", "live.com.mx", "icloud.com", "msn.com",
    "prodigy.net.mx", "hotmail.es", "outlook.es", "ymail.com",
)  # fmt: skip
_LIKENESS = 0.84


@dataclass(frozen=True, slots=True)
class Found:
    """A value in its one form, and whether it can be kept without asking."""

    value: str
    sure: bool = True


def read_phone(text: str) -> Found | None:
    """The first phone of a text in E.164: ten digits are Mexican (+52…); others need their "+" and country.

    Unsure: the numbering plan knows no such number, or the text holds several.
    """
    numbers = [number for match in _PHONE.finditer(text) if (number := _number(match.group()))]
    if not numbers:
        return None
    return Found(numbers[0], len(set(numbers)) == 1 and phonenumbers.is_valid_number(phonenumbers.parse(numbers[0])))


def _number(written: str) -> str | None:
    digits = re.sub(r"\D", "", written)
    if written.startswith("+") and not digits.startswith("52"):
        return f"+{digits}" if 8 <= len(digits) <= 15 and not digits.startswith("0") else None
    # 52 1 55… is how Mexican mobiles were written until 2019; 044, 045 and 01 how they were dialled.
    national = re.sub(r"^(?:521|52|044|045|01)(?=\d{10}$)", "", digits)
    if len(national) == 10 and national[0] in "23456789" and len(set(national)) > 1:
        return f"+52{national}"
    return None


def read_email(text: str) -> Found | None:
    """The first mail address of a text, in lower case, at most 254 characters.

    Unsure: its provider is almost, but not quite, one that everybody has; the value then is the likely one.
    """
    for match in _EMAIL.finditer(text):
        address = match.group().lower()
        if len(address) <= 254 and ".." not in address:
            name, _, domain = address.rpartition("@")
            meant = _provider(domain)
            return Found(f"{name}@{meant}", meant == domain)
    return None


def _provider(domain: str) -> str:
    if domain in _PROVIDERS:
        return domain
    likely = difflib.get_close_matches(domain, _PROVIDERS, n=1, cutoff=_LIKENESS)
    return likely[0] if likely else domain


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
