"""The last word on what a model may say: only facts of its sources, no promises, plain text. Pure.

A model is persuaded, mistaken or broken sooner or later; what reaches a customer is decided here, by code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ara.catalogue import Product, find_products
from ara.claims import medical_claim
from ara.facts import Fact, find_facts, normal_text
from ara.text import clean, content_words, fold, same_word, words

MAX_ANSWER = 700

ReasonKind = Literal[
    "empty", "too_long", "markup", "command", "prompt_leak", "medical", "offer", "money", "percent", "stock", "number", "date",
    "time", "link", "email", "phone", "handle", "address", "place", "identifier",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an answer is refused. ``detail`` may quote the answer: for tests and reviews, never for logs."""

    kind: ReasonKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One text that the model was given. ``subject`` is the product's name, "" for the shop as a whole."""

    title: str
    text: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The text that may be sent, as it may be sent, or the reasons why none may."""

    text: str
    reasons: tuple[Reason, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.reasons


_MARKUP = re.compile(
    r"\*\*|__|~~|```|`|!\[|\]\(|^\s{0,3}#{1,6}\s|^\s*>\s|^\s*\|.*\|\s*$|^\s*[*+]\s|<\s*/?\s*[a-zA-Z!][^>]*>|&(?:#\d+|#x[0-9a-f]+|[a-z]{2,8});"
    r"|\[[^\]\n]+\]\[|\[/?[a-z]+(?:=[^\]]*)?\]|\{\{|\}\}|\$\{|</|\\[nrt\"]|(?<!\w)\*[^*\s][^*\n]*\*(?!\w)|(?<!\w)_[^_\s][^_\n]*_(?!\w)|[{}]",
    re.MULTILINE | re.IGNORECASE,
)
_ROLE = re.compile(
    r"^\s*(?:system|assistant|user|sistema|asistente|usuario|fuentes?|pregunta)\s*:", re.MULTILINE | re.IGNORECASE
)
_OFFER = re.compile(
    r"\b(gratis|gratuit\w+|sin\s+(?:costo|cargo)|descuentos?|promocion\w*|promos?|ofertas?|cupon\w*|rebaja\w*|garantia\w*|garantiza\w*|"
    r"reembols\w*|devoluci\w+|devolv\w+|regal\w+|obsequi\w+|meses\s+sin\s+intereses|contra\s+entrega|internacional\w*|certifica\w+|"
    r"organic\w+|avalad\w*|aprobad\w*|cofepris|registro\s+sanitario|mitad\s+de\s+precio|doble|triple)\b"
)
_NEGATION = re.compile(r"\b(?:no|ni|nunca|tampoco|sin)\b")
_AVAILABLE = re.compile(r"\b(?:tenemos|hay|disponibles?|en\s+existencia|en\s+stock|contamos\s+con)\b")
_SENTENCE_END = re.compile(r"[.!?\n]+")
_LEAK_WORDS = 7
_CHANNELS = {"instagram", "messenger", "facebook", "whatsapp", "mexico"}
_MARKERS = (
    {"calle", "c"}, {"av", "avenida"}, {"blvd", "boulevard", "bulevar"}, {"calzada", "calz"}, {"carretera", "carr"},
    {"colonia", "col"}, {"fraccionamiento", "fracc"}, {"cp", "c p", "codigo postal"}, {"num", "numero"},
)  # fmt: skip
_KINDS: dict[str, ReasonKind] = {
    "money": "money", "usd": "money", "eur": "money", "percent": "percent", "stock": "stock", "date": "date", "weekday": "date",
    "relative_date": "date", "time": "time", "link": "link", "email": "email", "digits": "phone", "handle": "handle",
    "address": "address", "place": "place", "identifier": "identifier",
}  # fmt: skip


def check(
    answer: str,
    sources: Sequence[Source],
    *,
    question: str = "",
    products: Sequence[Product] = (),
    system: str = "",
    canary: str = "",
) -> Verdict:
    """Judge one answer of a model against the sources that it was given.

    ``question`` says what prices are about when the answer names no product; ``system`` and ``canary`` are the prompt's.
    """
    text = clean(unicodedata.normalize("NFKC", answer), MAX_ANSWER * 4)
    if len(text) > MAX_ANSWER:
        return Verdict(text="", reasons=(Reason("too_long", str(len(text))),))
    reasons = [*_form(text), *_leak(text, system, canary)]
    claim = medical_claim(text)
    if claim:
        reasons.append(Reason("medical", claim))
    reasons += _offers(text, sources)
    reasons += _Facts(sources, products, question).unfounded(text)
    return Verdict(text="" if reasons else text, reasons=tuple(reasons))


def _form(text: str) -> list[Reason]:
    reasons = []
    if not words(text):
        reasons.append(Reason("empty"))
    markup = _MARKUP.search(text)
    if markup:
        reasons.append(Reason("markup", markup.group()))
    if text.lstrip().startswith("/"):
        reasons.append(Reason("command"))
    return reasons


def _leak(text: str, system: str, canary: str) -> list[Reason]:
    told = words(text)
    if canary and "".join(words(canary)) in "".join(told):
        return [Reason("prompt_leak", "canary")]
    if _ROLE.search(text):
        return [Reason("prompt_leak", "role")]
    rules = words(system)
    runs = {tuple(rules[i : i + _LEAK_WORDS]) for i in range(len(rules) - _LEAK_WORDS + 1)}
    if any(tuple(told[i : i + _LEAK_WORDS]) in runs for i in range(len(told) - _LEAK_WORDS + 1)):
        return [Reason("prompt_leak", "rules")]
    return []


def _offers(text: str, sources: Sequence[Source]) -> list[Reason]:
    promised = _offer_words(text)
    founded = [offer for source in sources for offer in _offer_words(source.text)]
    return [
        Reason("offer", word)
        for word, denied in promised
        if not any((word == known or same_word(word, known)) and denied == known_denied for known, known_denied in founded)
    ]


def _offer_words(text: str) -> list[tuple[str, bool]]:
    """Each offer named, and whether its sentence denies it before."""
    matches = ((sentence, match) for sentence in _SENTENCE_END.split(fold(text)) for match in _OFFER.finditer(sentence))
    return [(" ".join(m.group().split()), bool(_NEGATION.search(sentence[: m.start()]))) for sentence, m in matches]


class _Facts:
    """The facts that some sources state, and which of an answer's facts they do not."""

    def __init__(self, sources: Sequence[Source], products: Sequence[Product], question: str) -> None:
        self._products = products
        self._general = [(content_words(s.title), self._keys(s)) for s in sources if not s.subject]
        self._by_subject: dict[str, set[tuple[str, str]]] = {}
        for source in sources:
            if source.subject:
                self._by_subject.setdefault(source.subject, set()).update(self._keys(source))
        self._all: set[tuple[str, str]] = set().union(*(keys for _, keys in self._general), *self._by_subject.values())
        self._words = [f" {' '.join(words(f'{s.title} {s.text}'))} " for s in sources]
        self._asked = {product.name for product in find_products(question, products)}

    @staticmethod
    def _keys(source: Source) -> set[tuple[str, str]]:
        return {fact.key for fact in find_facts(f"{source.title}. {source.text}")}

    def unfounded(self, text: str) -> list[Reason]:
        """A reason for every fact of the text that no source states."""
        reasons = [Reason(_kind(fact), fact.value) for fact in find_facts(text) if not self._founded(fact, text)]
        return reasons + self._wrong_availability(text)

    def _founded(self, fact: Fact, text: str) -> bool:
        if fact.kind == "money":
            return self._money(fact, text)
        if fact.kind == "number":
            return self._number(fact, text)
        if fact.kind in ("time", "address", "place"):
            return {"time": self._time, "address": self._address, "place": self._place}[fact.kind](fact)
        if fact.kind == "list_mark":
            return int(fact.value) <= 9
        if fact.kind == "date" and fact.value.startswith("/"):
            return any(key[0] == "date" and key[1].endswith(fact.value) for key in self._all)
        if fact.kind == "piece" and fact.value == "1":
            return True  # "1 frasco" is an article
        return fact.key in self._all

    def _money(self, fact: Fact, text: str) -> bool:
        if fact.key not in self._all:
            return False
        normal = normal_text(text)
        start = max((m.end() for m in _SENTENCE_END.finditer(normal[: fact.at])), default=0)
        end = next((m.start() + fact.at for m in _SENTENCE_END.finditer(normal[fact.at :])), len(normal))
        subjects = self._subject_at(normal, fact.at, end)
        if not subjects or any(fact.key in self._by_subject.get(subject, ()) for subject in subjects):
            return True
        sentence = content_words(normal[start:end])
        # A price of the shop as a whole, such as the shipping's, stands beside a product only under its own name.
        return any(fact.key in keys and any(same_word(w, s) for w in title for s in sentence) for title, keys in self._general)

    def _subject_at(self, normal: str, at: int, end: int) -> set[str]:
        """Which products a price at this place is about: the last ones named before it, else after it, else those asked for."""
        clauses = re.split(r"[,;:.\n]|\b(?:y|mientras|pero)\b", normal[:at])
        for clause in reversed(clauses):
            named = {product.name for product in find_products(clause, self._products)}
            if named:
                return named
        return {product.name for product in find_products(normal[at:end], self._products)} or self._asked

    def _number(self, fact: Fact, text: str) -> bool:
        # A bare number may be anything that its source gives a unit. Where that is a price, it is judged as one.
        if any(value == fact.value and kind not in ("money", "digits", "date", "time") for kind, value in self._all):
            return True
        return self._money(replace(fact, kind="money"), text)

    def _time(self, fact: Fact) -> bool:
        if fact.key in self._all:
            return True
        known = [value for kind, value in self._all if kind == "time"]
        if fact.value.startswith("~"):
            return any(_clock_face(value) == _clock_face(fact.value) for value in known)
        return any(value.startswith("~") and _clock_face(value) == _clock_face(fact.value) for value in known)

    def _address(self, fact: Fact) -> bool:
        marker, _, rest = fact.value.partition(" ")
        if marker in ("c", "codigo") and rest.startswith(("p ", "postal ")):
            marker, rest = "cp", rest.partition(" ")[2]
        variants = next((group for group in _MARKERS if marker in group), {marker})
        return any(f" {variant} {rest} " in source for variant in variants for source in self._words)

    def _place(self, fact: Fact) -> bool:
        return fact.value in _CHANNELS or any(f" {fact.value} " in source for source in self._words)

    def _wrong_availability(self, text: str) -> list[Reason]:
        gone = [product for product in self._products if product.availability == "no"]
        reasons = []
        for sentence in re.split(r"[.!?\n;,]|\bpero\b", fold(text)):
            match = _AVAILABLE.search(sentence)
            if match and not _NEGATION.search(sentence):
                named = find_products(sentence, self._products)
                reasons += [Reason("stock", product.name) for product in named if product in gone]
        return reasons


def _clock_face(value: str) -> tuple[int, str]:
    hour, _, minute = value.removeprefix("~").partition(":")
    return int(hour) % 12, minute


def _kind(fact: Fact) -> ReasonKind:
    return _KINDS.get(fact.kind, "number")
