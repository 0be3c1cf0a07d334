"""Free text of a stranger's table: what is kept of it, and how words are compared."""

from __future__ import annotations

import re
import unicodedata

# Excel and exports write these for "nothing".
_NOTHING = frozenset({
    "n/a", "na", "n.a.", "n.d.", "s/n", "null", "none", "nil", "undefined", "nan", "-", "--", "---", ".", "ninguno",
    "ninguna", "vacio", "no tiene", "no aplica", "sin correo", "sin telefono", "sin nombre", "sin dato", "sin datos",
    "desconocido", "unknown", "no name",
    "#n/a", "#ref!", "#value!", "#valor!", "#name?", "#¿nombre?",
})  # fmt: skip
_LONGEST_NOTHING = max(map(len, _NOTHING))
# A cell that a spreadsheet would run as a formula when somebody exports our data again.
_FORMULA = re.compile(r"^[\s=+\-@]*[=+\-@](?=[^\s\d])")
# Two bytes of UTF-8 that were read as Windows-1252 look like this; nobody writes them on purpose.
_MOJIBAKE = re.compile(r"[ÃÂ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€")
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})
_UNSEEN = frozenset("\ufeff\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e")
_PARTICLES = frozenset({"de", "del", "la", "las", "los", "y", "e", "da", "das", "do", "dos", "di", "van", "von"})


def clean(value: str, limit: int = 500) -> str:
    """One line without control characters, broken accents or a formula's beginning; "" for nothing."""
    text = " ".join(_storable(_mended(value)).split())
    if len(text) <= _LONGEST_NOTHING and fold(text) in _NOTHING:
        return ""
    return _FORMULA.sub("", text).strip().removeprefix("'").strip()[:limit]


def clean_note(value: str, limit: int = 4000) -> str:
    """As ``clean``, with its lines."""
    lines = (clean(line, limit) for line in value.splitlines())
    return "\n".join(line for line in lines if line)[:limit]


def fold(text: str) -> str:
    """Lower case without accents or doubled blanks, for comparing."""
    if text.isascii():
        return " ".join(text.lower().split())
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def tidy_name(name: str) -> str:
    """Single blanks; a name all in capitals (or all in small letters) in the usual case. Letters are never added or lost."""
    words = name.split()
    joined = " ".join(words)
    letters = [c for c in joined if c.isalpha()]
    if len(letters) < 3 or not (joined.isupper() or joined.islower()):
        return joined
    return " ".join(_usual_case(word, first=index == 0) for index, word in enumerate(words))


def _usual_case(word: str, *, first: bool) -> str:
    if not first and fold(word) in _PARTICLES:
        return word.lower()
    if len(word) > 1 and not any(fold(c) in "aeiouy" for c in word if c.isalpha()):
        return word  # initials and companies: "SPR", "JMT"
    return re.sub(r"[^\W\d_]+", lambda part: part.group().capitalize(), word)


def _mended(text: str) -> str:
    if text.isascii() or not _MOJIBAKE.search(text):
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text


def _storable(text: str) -> str:
    """Without what a database or a terminal cannot take: control characters, half surrogate pairs, marks of direction."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if unicodedata.category(c) in _UNPRINTED else c for c in text if c not in _UNSEEN)
