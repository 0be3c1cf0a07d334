"""Chat Spanish brought to one spelling, so that ``kiero 2 d arnika xfa`` and ``quiero dos de árnica, por favor`` look alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

ABBREVIATIONS = {
    "q": "que", "k": "que", "ke": "que", "qe": "que", "x": "por", "xq": "por que", "pq": "por que", "porq": "por que",
    "pa": "para", "d": "de", "tmb": "tambien", "tb": "tambien", "porfa": "porfavor", "porfis": "porfavor", "xfa": "porfavor",
    "xfavor": "porfavor", "pls": "porfavor", "plis": "porfavor", "please": "porfavor", "bn": "bien", "vdd": "verdad",
    "grax": "gracias", "grcs": "gracias", "info": "informacion", "informes": "informacion", "cto": "cuanto", "tel": "telefono",
    "cel": "celular", "whats": "whatsapp", "wasap": "whatsapp", "ps": "pues", "pos": "pues", "okey": "ok", "okay": "ok",
    "oki": "ok", "sip": "si", "simon": "si", "nop": "no", "nel": "no", "nomas": "nada mas", "aki": "aqui",
}
NUMBERS = frozenset(
    ("dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce", "quince", "veinte", "treinta",
     "cuarenta", "cincuenta", "cien", "docena")
)  # fmt: skip

# Skin tones and the mark that asks for a coloured glyph say nothing: 👍🏽 is 👍.
_EMOJI_MARKS = re.compile("[\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<!\w)\+?\(?\d(?:[ .()-]{0,2}\d){7,13}(?!\w)")
_NUMBER = re.compile(r"\d+")
_STRETCHED = re.compile(r"([a-zñ!?¿¡.])\1{2,}")
_WORD = re.compile(r"\w+|[^\w\s]")


def fold(text: str) -> str:
    """Lower case without accents; ñ stays."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if c == "\u0303" or not unicodedata.combining(c)))


def placeholder_pattern(lookups: Mapping[str, Iterable[str]]) -> tuple[str, dict[str, str]]:
    """A pattern that finds the words of all lookup tables in folded text, and the placeholder for each of them."""
    placeholders = {fold(word): f"x{name}x" for name, words in lookups.items() for word in words}
    longest_first = sorted(placeholders, key=lambda word: (-len(word), word))
    return rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", placeholders


class Speller:
    """Turns a message into words of one spelling; names from the lookup tables become one placeholder per table."""

    def __init__(self, pattern: str, placeholders: dict[str, str]) -> None:
        self._names = re.compile(pattern) if placeholders else None
        self._placeholders = placeholders

    def words(self, text: str) -> list[str]:
        """The message's words, emoji and marks, in order."""
        plain = fold(_EMOJI_MARKS.sub("", text))
        plain = _PHONE.sub(" xtelefonox ", _MAIL.sub(" xcorreox ", plain))
        plain = _STRETCHED.sub(r"\1", plain)
        if self._names is not None:
            plain = self._names.sub(lambda found: f" {self._placeholders[found.group()]} ", plain)
        plain = _NUMBER.sub(" xnumerox ", plain)
        words: list[str] = []
        for word in _WORD.findall(plain):
            if word in NUMBERS:
                words.append("xnumerox")
            elif word in self._placeholders.values():
                words.append(word)
            else:
                words += [_sound(part) for part in ABBREVIATIONS.get(word, word).split()]
        return words


def after_greeting(words: list[str]) -> list[str]:
    """What follows the opening ``hola, buenas tardes``; all words where nothing does, or where there is no opening."""
    start = next((at for at, word in enumerate(words) if word not in _OPENING), len(words))
    rest = words[start:]
    return rest if any(word.isalnum() for word in rest) else words


def _sound(word: str) -> str:
    """Letters that sound the same in Mexico become one: ``k/qu/c``, ``s/z/c``, ``b/v``, ``y/ll``, ``g/j``, silent ``h``."""
    word = re.sub("qu(?=[ei])|k", "q", word)
    word = re.sub("c(?=[ei])|z", "s", word)
    word = re.sub("c(?!h)", "q", word)
    word = re.sub("g(?=[ei])", "j", word)
    word = word.replace("v", "b").replace("ll", "y")
    return re.sub("(?<!c)h", "", word) or word


_OPENING = frozenset(
    {_sound(word) for word in (
        "hola", "holi", "holis", "buenas", "buenos", "buena", "buen", "dia", "dias", "tarde", "tardes", "noche", "noches",
        "otra", "vez", "de", "nuevo", "amiga", "amigo", "amigos", "señorita", "señor", "joven", "todos",
        "oye", "oiga", "oigan", "disculpe", "disculpa",
    )} | set(",.!¡")
)  # fmt: skip
