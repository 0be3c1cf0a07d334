"""What a customer's sentence says beside its intent, by words that hardly vary. Pure."""

from __future__ import annotations

import re

from ara.numbers import number_words_to_digits
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

# What is said of goods that came, or should have: returned, broken, missing. "Me hace falta una", "llego por dos" and
# "me faltan dos para completar" are said of what is wanted.
_GONE_WRONG = re.compile(
    r"\b(?:(?:devol|devuel|debol|debuel|reembols|romp|quebr|kebr|estrell|derram|caduc|defectuos|incomplet|equivocad)\w*|rot[oa]s?"
    r"|regres(?:ar|en|am)\w*|danad[oa]s?|vaci[oa]s?|mojad[oa]s?"
    r"|lleg(?:aron|aba|aban|ado)|yegaron|(?:ll|y)ego(?! (?:al?|en|por|como|hoy|manana|mas|tarde)\b)|vinieron|venian?"
    r"|me vino|mandaron|enviaron|entregaron|cobraron|recibi"
    r"|faltaron|faltaban?|falto|(?<!hace )(?<!hacen )faltan? (?:\d+|un[oa]?|dos|tres)\b(?!.*\bpara completar\b)"
    r"|no (?:me )?(?:sirv|funcion)\w+)\b"
)
# An order of before. Within an order these are said of itself: "ya te pedí dos", "cámbiame la tila por romero".
_ORDERED_BEFORE = re.compile(
    r"\b(?:pedi|pedimos|compre|compramos|encargue|encargamos|ordene|(?:he|hemos|habia|habiamos) (?:pedido|comprado|encargado)"
    r"|pague|deposite|transferi|cambi(?:an|ar|arme|ame|enme|en|ala|alo))\b"
)
# Pieces taken off an order; while one is being taken these may also change it: "quita la tila y ponme romero".
_TAKEN_OFF = re.compile(
    r"\b(?:(?:cancel|cansel|kancel|anul|elimin|borr|quit|kit)\w*|bajale"
    r"|ya no (?:l[ao]s?|voy|quiero|ocupo|(?:me )?(?:mand|envi)\w+))\b"
)
_TAKEN_INSTEAD = re.compile(r"\b(?:mejor|dame|deme|pon\w*|mandame|cambi\w*)\b")
# What joins another product to the one that is being ordered: "2 y una de tila", "ponle también romero".
_ADDED = re.compile(r"\b(?:y(?! medi[oa]\b)|e|tambien|ademas|aparte|otr[oa] de|(?:agreg|anad|sum)\w*|ponle)\b")
_EXCHANGED = re.compile(r"^no\b|\b(?:mejor|siempre|cambi\w*|en (?:vez|lugar) de)\b")
_YES = frozenset(("si", "sip", "sii", "claro", "correcto", "exacto", "asi"))


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


def about_order_made(text: str, *, ordering: bool) -> bool:
    """Whether the words are of an order that was made, so that its numbers order nothing; ``ordering``: one is being taken."""
    plain = " ".join(words(text))
    if _GONE_WRONG.search(plain):
        return True
    if ordering:
        return bool(_TAKEN_OFF.search(plain)) and not _TAKEN_INSTEAD.search(plain)
    return bool(_TAKEN_OFF.search(plain) or _ORDERED_BEFORE.search(plain))


def before_addition(text: str) -> str | None:
    """The words before those that add something ("2" of "dos, y una de tila"), folded; None where nothing is added."""
    plain = number_words_to_digits(" ".join(words(text)))  # the "y" of "treinta y cinco" adds nothing
    added = _ADDED.search(plain)
    return None if added is None or _EXCHANGED.search(plain) else plain[: added.start()]


def wants_both(text: str) -> bool:
    """Whether two things are meant, and not two pieces: "quiero las dos"."""
    return re.search(r"\b(?:l[ao]s (?:dos|2)|amb[ao]s)\b", " ".join(words(text))) is not None


def begins_with_yes(text: str) -> bool:
    """Whether a message says yes before what else it says: "sí, pero me llamo Juan"."""
    return not _YES.isdisjoint(words(text)[:1])


def tells_address(text: str) -> bool:
    """Whether the words are those of a postal address, whose numbers count no pieces."""
    return not _ADDRESS.isdisjoint(words(text))


def counts_by_the_dozen(text: str) -> bool:
    """Whether pieces are counted in more, or less, than ones: of "2 docenas" or "2 y medio" the 2 alone says nothing."""
    return not _NOT_IN_ONES.isdisjoint(words(text))
