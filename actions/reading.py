"""What a customer's sentence says beside its intent, by words that hardly vary. Pure."""

from __future__ import annotations

import re

from ara.text import content_words, words

_WHOLE_RANGE = frozenset(
    ("lista", "precios", "todos", "todas", "catalogo", "productos", "extractos", "venden", "ofrecen", "promocion",
     "promociones", "promo", "promos", "oferta", "ofertas", "descuento", "descuentos", "otros", "otras")
)  # fmt: skip
# The thing that a question names: "¿qué es la melatonina?", "¿tienen cannabis?". Folded words; its last group.
_NAMING = re.compile(
    r"\b(?:(?:que (?:es|son)|cuestan?|valen?|salen?|sirven?|toman?|usan?) (?:el|la|los|las)"
    r"|(?:precio|costo|informacion|info) del?|tienen|manejan|venden|hay)\b"
    r"(?: (?:de|del|el|la|los|las|extracto|tintura|gotas))* ([a-z]+)"
)
# What may be named of any product: the one that was talked of before is meant.
_OF_ANY_PRODUCT = frozenset(
    ("frasco", "frasquito", "gotero", "gotas", "pieza", "botella", "caja", "paquete", "paquetes", "kits", "presentacion",
     "tamano", "etiqueta", "grande", "chico", "chica", "mediano", "mediana", "existencia", "existencias", "stock",
     "disponible", "disponibles", "disponibilidad", "suficiente", "suficientes", "lista", "listo", "entrega", "foto", "fotos",
     "registro", "permiso", "cofepris", "problema", "diferencia", "entre", "antes", "despues", "otro", "otra", "cupones")
)  # fmt: skip
_ADDRESS = frozenset(("calle", "av", "avenida", "col", "colonia", "cp", "privada", "fraccionamiento", "domicilio", "direccion"))
_NOT_IN_ONES = frozenset(("docena", "docenas", "decena", "decenas", "par", "pares", "medio", "media"))
# "Valeriana en vez de árnica", "cámbiame el romero por cúrcuma".
_GIVEN_UP = re.compile(r"\ben (?:vez|lugar) de (.+?)(?= (?:quiero|mejor|dame|ponme|mandame)\b|$)|\bcambi\w* (.+?)(?= por\b)")


def asks_whole_range(question: str) -> bool:
    """Whether a question is about all that the shop has: what was talked of before is not meant."""
    return not _WHOLE_RANGE.isdisjoint(words(question))


def names_another(question: str) -> bool:
    """Whether a question without a product of ours names some other thing, and so not the product talked of before."""
    naming = _NAMING.search(" ".join(words(question)))
    return naming is not None and bool(content_words(naming[1])) and naming[1] not in _OF_ANY_PRODUCT | _WHOLE_RANGE


def given_up(text: str) -> str:
    """What the customer wants no more, in folded words with " , " between; "" where nothing is exchanged."""
    return " , ".join(match[1] or match[2] for match in _GIVEN_UP.finditer(" ".join(words(text))))


def tells_address(text: str) -> bool:
    """Whether the words are those of a postal address, whose numbers count no pieces."""
    return not _ADDRESS.isdisjoint(words(text))


def counts_by_the_dozen(text: str) -> bool:
    """Whether pieces are counted in more, or less, than ones: of "2 docenas" or "2 y medio" the 2 alone says nothing."""
    return not _NOT_IN_ONES.isdisjoint(words(text))
