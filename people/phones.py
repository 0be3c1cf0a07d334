"""Phone numbers as tables hold them, in E.164; what Excel broke is said, never guessed."""

from __future__ import annotations

import re

import phonenumbers

REGION = "MX"
SHORTEST = 8
_SCIENTIFIC = re.compile(r"([+-]?\d+(?:[.,]\d+)?)[eE]\+?(\d{1,3})")
# What stands before the ten digits, and how many there are in all.
_COUNTRY = (("521", 13), ("52", 12))
_DIALLED = (("044", 13), ("045", 13), ("01", 12), ("", 10))
_EXTENSION = re.compile(r"\s*(?:ext|x|extensi[oó]n)\.?\s*\d+$", re.IGNORECASE)
_CHAT = re.compile(r"@(?:s\.whatsapp\.net|c\.us)$")
_ALLOWED = re.compile(r"[+\d\s().\-/\u00a0\u2010-\u2015]+")


def plain_number(value: str) -> str | None:
    """A number as its digits, undone from what a spreadsheet made of it: ``'55…``, ``5215….0``, ``5.215512345678E+12``.

    None where digits are lost (``5.21551E+12``). Anything else is returned as it is.
    """
    text = value.strip().lstrip("'’`´").strip()
    match = _SCIENTIFIC.fullmatch(text.replace(" ", ""))
    if match:
        digits = match[1].replace(",", ".").lstrip("+-")
        whole, _, fraction = digits.partition(".")
        zeros = int(match[2]) - len(fraction)
        return whole + fraction if zeros == 0 else None
    return re.sub(r"^([+\d][\d\s]*)[.,]0+$", r"\1", text)


def read_phone(value: str) -> str | None:
    """A phone in E.164, or None where it is none. Without a country it is Mexican; WhatsApp's ``521…`` is ``+52…``.

    ``044``/``045``, extensions and any punctuation are understood. A number that no country could have given out is none.
    """
    text = _CHAT.sub("", _EXTENSION.sub("", value.strip()))
    text = re.sub(r"^(?:tel|cel|whatsapp|wa)[.:\s]*", "", text, flags=re.IGNORECASE)
    if not _ALLOWED.fullmatch(text):
        return None
    digits = re.sub(r"\D", "", text)
    # The id of a WhatsApp chat has its country in front, without a sign.
    international = text.lstrip(" (").startswith(("+", "00")) or "@" in value
    if digits.startswith("00"):
        digits = digits[2:]
    national = mexican(digits, dialled=not international)
    if national is not None:
        return f"+52{national}"
    if not international or digits.startswith(("52", "0")) or len(digits) < SHORTEST:
        return None
    return f"+{digits}" if _plausible(f"+{digits}") else None


def mexican(digits: str, *, dialled: bool = True) -> str | None:
    """The ten digits of a Mexican number, also as it was ``dialled`` within the country; None for another's or none."""
    for prefix, length in (*_COUNTRY, *(_DIALLED if dialled else ())):
        if len(digits) == length and digits.startswith(prefix):
            national = digits[len(prefix) :]
            return national if national[0] in "23456789" and len(set(national)) > 1 else None
    return None


def _plausible(number: str) -> bool:
    try:
        parsed = phonenumbers.parse(number, REGION)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_possible_number(parsed)
