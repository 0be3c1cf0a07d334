"""Words as people type them: cleaning, folding and comparing Spanish text. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Characters that show nothing although Unicode calls them letters, marks or symbols: fillers, joiners and variation selectors.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF)) for code in range(first, last + 1)
}
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_MAX_MARKS = 2

_NO_MEANING = """
a al algo algun alguna alguno ahi alla aqui ante asi aun bien bueno buena buenas buenos cada como con cosa cual cuales
cuando cuanta cuantas cuanto cuantos de del desde donde dime dice e el ella ellos en era eres es esa ese eso esta estan
estas este esto estos etc favor fue gracias ha hace hacen hacer haces hacia han hay he hola informacion info la las le les
lo los mas me mi mis mucho muy nada necesito ni no nos nosotros o oye para pero por porfa porque pq pues puede pueden puedes
puedo q que quiero quisiera saber se sea ser si sin sobre solo son soy su sus tal tambien te ti tengo tiene tienen tienes
todo todos tu tus u un una unas uno unos usted ustedes va vamos van ver voy y ya yo extracto extractos producto productos
tienda maneja manejan vende venden dia dias tarde tardes noche noches disculpa oigan quien sirve sirven decir explica
explicar interesa interesan interesado interesada listo listos das dan dar pasas pasan estoy
"""
_STOPWORDS = frozenset(_NO_MEANING.split())


def strip_invisible(text: str) -> str:
    """Take out what a reader cannot see (controls, zero width, tags, selectors, heaps of marks); keeps line breaks."""
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        if char in "\r\n\t":
            kept.append("\n" if char == "\n" else " ")
            marks = 0
            continue
        if char in _BLANK or category in _INVISIBLE_CATEGORIES:
            continue
        marks = marks + 1 if category == "Mn" else 0
        if marks <= _MAX_MARKS:
            kept.append("\n" if category in ("Zl", "Zp") else " " if category == "Zs" else char)
    return "".join(kept)


def clean(text: str, limit: int) -> str:
    """Visible text of at most ``limit`` characters, without runs of blanks."""
    # Cut before the work, so that a huge message costs little; four times leaves room for what is taken out.
    visible = strip_invisible(text[: limit * 4])
    visible = re.sub(r" {2,}", " ", visible)
    return re.sub(r"\s*\n\s*", "\n", visible).strip()[:limit].rstrip()


def fold(text: str) -> str:
    """Lower case without accents and with ASCII digits: how two spellings of a word become one. ``ñ`` becomes ``n``."""
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(char for char in decomposed if unicodedata.category(char) != "Mn").casefold()
    return "".join(_digit(char) for char in plain)


def _digit(char: str) -> str:
    if char.isascii() or not char.isdigit():
        return char
    return str(unicodedata.digit(char))


def words(text: str) -> list[str]:
    """The folded words and numbers of a text, in order."""
    return re.findall(r"[a-z0-9]+", fold(text))


def content_words(text: str) -> list[str]:
    """The folded words that carry meaning: no articles, courtesies or words that every text of the shop has."""
    return [word for word in words(text) if len(word) > 1 and word not in _STOPWORDS]


def same_word(one: str, other: str) -> bool:
    """Whether two folded words are forms of one: envio, envios, envian."""
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < 4 or shorter.isdigit() or longer.isdigit():
        return False
    common = 0
    for a, b in zip(shorter, longer, strict=False):
        if a != b:
            break
        common += 1
    if len(longer) <= 5:
        return common >= 3  # pago, pagar
    return common >= 4 and common >= len(shorter) - 1 and common * 3 >= len(longer) * 2


def coverage(question: Iterable[str], document: Iterable[str]) -> float:
    """The share of the question's content words that the document has, 0 to 1; 0 for a question without any."""
    asked = list(dict.fromkeys(question))
    known = set(document)
    if not asked:
        return 0.0
    found = sum(1 for word in asked if word in known or any(same_word(word, other) for other in known))
    return found / len(asked)
