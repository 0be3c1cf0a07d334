"""How many pieces a customer means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ara.numbers import number_words_to_digits
from ara.text import fold, words

MOST_PIECES = 999

_SIZE = re.compile(
    r"\b\d+(?:[.,]\d+)?\s*(?:ml|mililitros?|mg|g|gr|grs|gramos?|kg|kilos?|l|lt|litros?|oz|onzas?|cm|%|por ciento)\b"
)
_MONEY = re.compile(r"\$\s*\d[\d.,]*|\b\d[\d.,]*\s*(?:pesos|mxn)\b")
_SEVERAL = re.compile(
    r"(?:\b(?!medias?\b)(?P<count>[a-z0-9]+)\s+)?\b(?P<unit>medias?\s+docenas?|docenas?(?:\s+y\s+media)?|par(?:es)?|decenas?)\b"
)
_FRACTION = re.compile(r"\b(?:medi[oa]s?|mitad|cuartos?|tercios?)\b|\d\s*/\s*\d|[½¼¾⅓⅔⅛]")
_NUMBER = re.compile(r"-?\s?\d+(?:[.,]\d+)*")


def parse_quantity(value: Any, *, ignore: Iterable[str] = ()) -> int | None:
    """A whole number of pieces from 1 to 999, or None: unclear, a fraction, none or too many.

    Takes numbers, digits, words ("dos", "un par", "media docena") and units ("2 frascos", "3pz"). Sizes ("60 ml"), prices
    and the names in ``ignore`` are no quantities. Two different numbers are unclear.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return int(value) if 1 <= value <= MOST_PIECES and value == int(value) else None
    text = fold(str(value)[:300].replace("½", " 1/2 ").replace("¼", " 1/4 ").replace("¾", " 3/4 "))
    for name in ignore:
        text = re.sub(r"\b" + r"\W+".join(map(re.escape, words(name))) + r"\b", " ", text)
    text = re.sub(r"(?<=\d)(?=[a-z])|(?<=[a-z])(?=\d)", " ", text)
    numbers = _numbers(_MONEY.sub(" ", _SIZE.sub(" ", text)))
    return numbers.pop() if len(numbers) == 1 and numbers <= set(range(1, MOST_PIECES + 1)) else None


def _numbers(text: str) -> set[int]:
    found = {_several(match) for match in _SEVERAL.finditer(text)}
    text = _SEVERAL.sub(" ", text)
    if _FRACTION.search(text):
        return set()
    digits = number_words_to_digits(text)
    for match in _NUMBER.finditer(digits):
        plain = match.group().replace(" ", "")
        whole = re.fullmatch(r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.0+)?", plain)
        if whole is None:
            return set()
        found.add(int(whole[1].replace(",", "")))
    if not found and re.search(r"\b(?:un|una|uno)\b", digits):
        found.add(1)
    return found


def _several(match: re.Match[str]) -> int:
    digits = number_words_to_digits(match["count"] or "")
    count, unit = int(digits) if digits.isdigit() else 1, match["unit"]
    size = 6 if unit.startswith("media") else 12 if unit.startswith("docena") else 10 if unit.startswith("decena") else 2
    return count * size + (6 if unit.endswith("y media") else 0)
