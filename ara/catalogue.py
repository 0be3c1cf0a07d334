"""The shop's products: what can be said about each, and which one a customer means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Literal

from ara.text import words

Availability = Literal["yes", "no", "to_order"]

# Typed names are accepted when this alike; names that differ much in length are other words (manzana, manzanilla).
_ALIKE = 0.8
_ALIKE_DESPITE_LENGTH = 0.88
_SHORTEST_TYPO = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product as the owner wrote it. ``price`` in Mexican pesos per piece; None: ask a person."""

    name: str
    other_names: tuple[str, ...] = ()
    presentation: str = ""
    price: Decimal | None = None
    availability: Availability = "yes"
    description: str = ""
    use: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.other_names)

    @property
    def price_text(self) -> str:
        """``$120``, or that a person confirms it."""
        return "precio por confirmar" if self.price is None else money(self.price)

    def say_price(self) -> str:
        """``Árnica (frasco gotero de 60 ml): $120.``"""
        presentation = f" ({self.presentation})" if self.presentation else ""
        return f"{self.name}{presentation}: {self.price_text}."

    def say_availability(self) -> str:
        """Whether there is any, never how many."""
        if self.availability == "no":
            return f"Por ahora no tenemos {self.name}, se nos agotó."
        if self.availability == "to_order":
            return f"Lo manejamos sobre pedido. {self.say_price()}"
        return f"Sí tenemos. {self.say_price()}"

    def say_description(self) -> str:
        """What it is."""
        return f"{self.name}: {_lower_first(self.description)}" if self.description else self.say_price()

    def say_all(self) -> str:
        """All but the use, in a few sentences: what a search for the product finds."""
        if not self.description:
            return self.say_availability()
        last = {
            "yes": f"{self._presentation_and_price()} Sí tenemos.",
            "no": "Por ahora se nos agotó.",
            "to_order": f"{self._presentation_and_price()} Es sobre pedido.",
        }
        return f"{self.say_description()} {last[self.availability]}"

    def _presentation_and_price(self) -> str:
        told = f"{self.presentation}, {self.price_text}." if self.presentation else f"{self.price_text}."
        return told[0].upper() + told[1:]

    def say_use(self) -> str:
        """How it is used; empty when the owner wrote nothing."""
        return f"{self.name}: {_lower_first(self.use)}" if self.use else ""


def money(amount: Decimal) -> str:
    """Pesos as Mexico writes them: ``$1,200``, ``$99.50``."""
    return f"${amount:,.0f}" if amount == amount.to_integral_value() else f"${amount:,.2f}"


def _lower_first(text: str) -> str:
    return text[0].lower() + text[1:] if len(text) > 1 and text[1].islower() else text


def find_products(text: str, products: Iterable[Product]) -> list[Product]:
    """The products that a text names, in catalogue order; several too when one name fits several. Empty: none.

    Accents, plural and small typos do not matter; the longest name wins (``melena de león`` is not a lion).
    """
    catalogue = list(products)
    tokens = [re.sub(r"(.)\1{2,}", r"\1", token) for token in words(text)[:200]]  # lavandaaa
    spans = sorted(_exact_spans(tokens, catalogue), key=lambda span: (-(span[1] - span[0]), span[0]))
    taken: set[int] = set()
    found: set[int] = set()
    winners: set[tuple[int, int]] = set()
    for start, end, index in spans:
        positions = set(range(start, end))
        if (start, end) in winners or not positions & taken:
            winners.add((start, end))
            taken |= positions
            found.add(index)
    if not found:
        found = _closest(tokens, catalogue)
    return [product for index, product in enumerate(catalogue) if index in found]


def _exact_spans(tokens: list[str], catalogue: list[Product]) -> Iterable[tuple[int, int, int]]:
    for index, product in enumerate(catalogue):
        for name in product.names:
            wanted = words(name)
            for start in range(len(tokens) - len(wanted) + 1):
                window = tokens[start : start + len(wanted)]
                if wanted and all(_singular_or_plural(a, b) for a, b in zip(window, wanted, strict=True)):
                    yield start, start + len(wanted), index


def _singular_or_plural(typed: str, name: str) -> bool:
    return typed == name or (len(name) > 3 and typed in (name + "s", name + "es")) or (len(typed) > 3 and typed + "s" == name)


def _closest(tokens: list[str], catalogue: list[Product]) -> set[int]:
    best, found = 0.0, set()
    for index, product in enumerate(catalogue):
        for name in product.names:
            wanted = words(name)
            windows = {"".join(tokens[start : start + len(wanted)]) for start in range(len(tokens) - len(wanted) + 1)}
            for typed in windows:
                alike = _alike(typed, "".join(wanted))
                if alike > best:
                    best, found = alike, {index}
                elif alike and alike == best:
                    found.add(index)
    return found


def _alike(typed: str, name: str) -> float:
    if min(len(typed), len(name)) < _SHORTEST_TYPO:
        return 0.0
    floor = _ALIKE if abs(len(typed) - len(name)) <= 1 else _ALIKE_DESPITE_LENGTH
    matcher = SequenceMatcher(None, typed, name, autojunk=False)
    # The quick bounds save the slow comparison for nearly all words.
    if matcher.real_quick_ratio() < floor or matcher.quick_ratio() < floor:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= floor else 0.0
