"""Spanish numbers in words: "mil doscientos" is 1200. Works on folded text (see ``ara.text.fold``). Pure."""

from __future__ import annotations

import re

_UNITS = {
    "cero": 0, "un": 1, "una": 1, "uno": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho": 8,
    "nueve": 9,
}  # fmt: skip
_TEENS = {
    "diez": 10, "once": 11, "doce": 12, "trece": 13, "catorce": 14, "quince": 15, "dieciseis": 16, "diecisiete": 17,
    "dieciocho": 18, "diecinueve": 19, "veinte": 20, "veintiun": 21, "veintiuno": 21, "veintiuna": 21, "veintidos": 22,
    "veintitres": 23, "veinticuatro": 24, "veinticinco": 25, "veintiseis": 26, "veintisiete": 27, "veintiocho": 28,
    "veintinueve": 29,
}  # fmt: skip
_TENS = {"treinta": 30, "cuarenta": 40, "cincuenta": 50, "sesenta": 60, "setenta": 70, "ochenta": 80, "noventa": 90}
_HUNDREDS = {
    "cien": 100, "ciento": 100, "doscientos": 200, "doscientas": 200, "trescientos": 300, "trescientas": 300,
    "cuatrocientos": 400, "cuatrocientas": 400, "quinientos": 500, "quinientas": 500, "seiscientos": 600, "seiscientas": 600,
    "setecientos": 700, "setecientas": 700, "ochocientos": 800, "ochocientas": 800, "novecientos": 900, "novecientas": 900,
}  # fmt: skip
_SCALES = {"mil": 1_000, "millon": 1_000_000, "millones": 1_000_000}
_ARTICLES = frozenset({"un", "una", "uno"})
_WORD = re.compile(r"[a-z]+|\d+(?:[.,]\d+)*|[^a-z\d\s]|\s+")


class _Number:
    """A number that grows word by word, as long as the words fit together."""

    def __init__(self) -> None:
        self.total = 0
        self.group = 0
        self.words: list[str] = []

    def take(self, word: str, *, after_and: bool) -> bool:
        if word in _SCALES:
            return self._scale(_SCALES[word])
        rest = self.group % 100
        if word in _UNITS:
            fits = rest in _TENS.values() if after_and else rest == 0
            value = _UNITS[word]
        elif word in _TEENS:
            fits, value = rest == 0 and not after_and, _TEENS[word]
        elif word in _TENS:
            fits, value = rest == 0 and not after_and, _TENS[word]
        elif word in _HUNDREDS:
            fits, value = self.group == 0 and not after_and, _HUNDREDS[word]
        else:
            return False
        # A finished group such as "dos" takes no second unit: "dos tres" are two numbers.
        if not fits or (self.words and self.group and self.group < 100 and not after_and):
            return False
        self.group += value
        return True

    def _scale(self, scale: int) -> bool:
        if self.total and scale >= self.total:
            self.total = (self.total + self.group) * scale
        else:
            self.total += max(self.group, 1) * scale
        self.group = 0
        return True

    @property
    def value(self) -> int:
        return self.total + self.group


def number_words_to_digits(folded: str) -> str:
    """Write every number in words as digits; a lone "un", "una", "uno" stays, it is an article."""
    # "20 por ciento" holds one number, not two.
    parts = _WORD.findall(re.sub(r"\bpor\s+ciento\b", "porciento", folded))
    out: list[str] = []
    position = 0
    while position < len(parts):
        value, used = _read(parts, position)
        if used:
            out.append(str(value))
            position += used
        else:
            out.append(parts[position])
            position += 1
    return "".join(out)


def _read(parts: list[str], start: int) -> tuple[int, int]:
    number = _Number()
    end = position = start
    after_and = False
    while position < len(parts):
        part = parts[position]
        if number.words and (part.isspace() or part == "-"):
            position += 1
            continue
        if part == "y" and number.words and not after_and:
            after_and = True
            position += 1
            continue
        if not number.take(part, after_and=after_and):
            break
        number.words.append(part)
        after_and = False
        position += 1
        end = position
    if not number.words or (len(number.words) == 1 and number.words[0] in _ARTICLES):
        return 0, 0
    return number.value, end - start
