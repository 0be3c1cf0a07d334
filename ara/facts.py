"""The checkable facts of a text: money, numbers with their units, times, dates, links, phones, addresses. Pure.

Two texts state the same fact when they give equal ``Fact`` values, however they are written: "$1,200", "1200 pesos" and
"mil doscientos pesos" are one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from ara.numbers import number_words_to_digits
from ara.text import fold, strip_invisible


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: what kind (``money``, ``percent``, ``link``, …), and its normal form. ``at`` is where in the normal text."""

    kind: str
    value: str
    at: int = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.value


_TLD = (
    "com|mx|net|org|info|io|me|ly|shop|store|site|online|app|gl|gle|co|link|xyz|biz|tv|to|dev|ai|us|es|page|click|top|vip|live|gob|edu|"
    "eu|uk|ru|cn|cc|ws|gg|fm|club|pro|blog|web|space|fun|tech|cloud|bio|art|world|today|help|chat|id"
)
_EMAIL = re.compile(r"[a-z0-9._%+-]+\s?(?:@|\(at\)|\[at\]|\barroba\b)\s?[a-z0-9-]+(?:\s?(?:\.|\bpunto\b)\s?[a-z]{2,})+")
_SCHEME = re.compile(r"\b(?:https?|ftp|mailto|tel|javascript|data|whatsapp|tg|sms)\s*:\s*/{0,2}\s*[^\s<>\"')\]]+")
_DOMAIN = re.compile(
    rf"(?<![\w@.-])(?:www\s?\.\s?)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:(?:\.|\s?\bpunto\b\s?|\s?\(\.\)\s?|\s?\[\.\]\s?)[a-z0-9-]+)*"
    rf"(?:\.|\s?\bpunto\b\s?|\s?\(\.\)\s?|\s?\[\.\]\s?)(?:{_TLD})\b(?:\.(?:{_TLD})\b)*(?::\d+)?(?:/[^\s<>\"')\]]*)?"
)
_IP = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?(?:/\S*)?")
_HANDLE = re.compile(r"(?<![\w@.])@[a-z0-9_.]{2,30}")
_IDENTIFIER = re.compile(
    r"\b(?:wa|ig|fb|email|tt|shell):[\w.@+-]+:[\w.@+-]+|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b(?=[a-z]*\d)(?=\d*[a-z])[0-9a-f]{16,}\b|\b[a-z&]{3,4}\d{6}[a-z0-9]{3}\b|\b[a-z]{4}\d{6}[hm][a-z]{5}[a-z0-9]\d\b"
)
_ADDRESSES = (
    ("email", _EMAIL), ("identifier", _IDENTIFIER), ("link", _SCHEME), ("link", _IP), ("link", _DOMAIN), ("handle", _HANDLE),
)  # fmt: skip
_LONG_DIGITS = re.compile(r"(?<![\d$.,])\+?\(?\d(?:[\s().-]{0,2}\d){6,}(?!\d)")

_MONTHS = {
    "enero": 1, "febrero": 2, "marzo": 3, "abril": 4, "mayo": 5, "junio": 6, "julio": 7, "agosto": 8,
    "septiembre": 9, "setiembre": 9, "octubre": 10, "noviembre": 11, "diciembre": 12,
}  # fmt: skip
_MONTH = "|".join(_MONTHS)
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:ro|o)?\s*(?:de\s+|-|/)?({_MONTH})\b(?:\s*(?:de|del|,|-|/)?\s*(\d{{4}}))?")
_MONTH_DAY = re.compile(rf"\b({_MONTH})\s+(\d{{1,2}})\b(?:\s*,?\s*(\d{{4}}))?")
_MONTH_ALONE = re.compile(rf"\b({_MONTH})\b")
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_SLASH_DATE = re.compile(
    r"\b(\d{1,2})[/.-](\d{1,2})[/.-](\d{2,4})\b|\b(\d{1,2})/(\d{1,2})\b(?!\s*(?:de\b|cucharad|litro|taza))"
)
_WEEKDAY = re.compile(r"\b(lunes|martes|miercoles|jueves|viernes|sabados?|domingos?)\b")
_RELATIVE = re.compile(
    r"\b(?:lleg|entreg|envi|mand|sal|list|recib|recog|esta|abr|cerr|ten|resurt)\w*\b[^.?!\n]{0,40}?"
    r"\b(hoy|(?<!la )(?<!por )(?<!las )manana|pasado manana|esta semana|este fin de semana|la proxima semana|proximo mes"
    r"|este mes)\b"
    r"|\b((?<!la )(?<!por )manana|hoy mismo|pasado manana)\b[^.?!\n]{0,30}?\b(?:lleg|entreg|envi|recib|sal|abr|cerr|est)\w*"
)

_TIME = re.compile(
    r"\b(?:a\s+las?\s+)?(\d{1,2})\s?:\s?(\d{2})(?:\s*:\s*\d{2})?\s*(a\.?\s?m\b|p\.?\s?m\b|hrs?\b|horas\b)?"
    r"|\b(?:a\s+las?\s+)?(\d{1,2})\s*(a\.?\s?m\b|p\.?\s?m\b|hrs\b|h\b)"
    r"|\b(?:a\s+las?\s+)?(\d{1,2})\s+(?:de|en|por)\s+la\s+(manana|tarde|noche)\b"
    r"|\ba\s+las?\s+(\d{1,2})\b(?!\s*(?::|\d|dias|piezas|frascos|horas))"
)

# "un" is an article, but before these it counts.
_ONE = re.compile(r"\b(?:un|una)\s+(?=(?:peso|dolar|euro)\b)|(?<=\ben )(?:un|una)\s+(?=(?:dia|hora|semana|mes)\b)")

_UNITS = {
    "percent": r"%|por\s?ciento|porciento", "usd": r"usd|dolar(?:es)?|us\b", "eur": r"eur|euros?|€",
    "money": r"pesos?|mxn|m\.?n\.?\b|varos|baros|bolas", "ml": r"ml|mililitros?|cc", "l": r"l|lt|lts|litros?",
    "mg": r"mg|miligramos?", "kg": r"kg|kgs|kilos?|kilogramos?", "g": r"g|gr|grs|gramos?", "oz": r"oz|onzas?",
    "cm": r"cm|centimetros?", "km": r"km|kms|kilometros?", "m": r"m|mts|metros?|cuadras?", "day": r"dias?",
    "hour": r"horas?|hrs?", "minute": r"min|mins|minutos?", "week": r"semanas?", "month": r"mes|meses|mensualidades",
    "year": r"anos?",
    "piece": r"pz|pza|pzas|pzs|piezas?|frascos?|unidad|unidades|cajas?|botellas?|paquetes?|goteros?|botes?|capsulas?",
    "drop": r"gotas?|gotitas?", "spoon": r"cucharad(?:a|as|ita|itas)|tazas?|vasos?", "times": r"vez|veces", "x": r"x\s?\d",
}  # fmt: skip
_UNIT = "|".join(f"(?P<{name}>{pattern})" for name, pattern in _UNITS.items())
_AMOUNT = (
    r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d{1,3}(?: \d{3})+(?!\d)(?:\.\d{1,2})?|\d{1,3}(?:\.\d{3})+(?![\d.])|\d+(?:[.,]\d+)?"
)
_NUMBER = re.compile(
    rf"(?P<sign>(?:mx|us|usd|mxn)?\s?\$\s?|€\s?|\busd\s|\bmxn\s)?(?<![\d])(?P<amount>{_AMOUNT})"
    rf"\s?(?P<scale>k\b|mil\b|millones\b|millon\b)?"
    rf"(?P<cents>\s?/\s?\d+|\s+con\s+\d{{1,2}}(?=\s*(?:centavos|pesos)))?"
    rf"\s?(?:(?:{_UNIT})(?![a-z0-9]))?"
)
_RANGE = re.compile(r"\s*(?:a|o|y|-|–|hasta|u)\s*$")
_PRICE_BEFORE = re.compile(
    r"\b(?:cuest\w+|costar\w*|costo|vale|valen|precio\w*|sale|salen|total\w*|pag\w+|cobr\w+|inviert\w+|dej\w+\s+en|baj\w+\s+a"
    r"|(?:por|en|a)\s+(?:solo|solamente|nomas|unicamente)|desde)\b[^.?!\n\d$]{0,40}$"
    r"|\b(?:est[ae]n?|anda[n]?|queda[n]?)\s+en\s+$|(?<![\d%])\s+a\s+$"
)
_STOCK_BEFORE = re.compile(
    r"\b(?:queda\w*|hay|tenemos|tengo|contamos\s+con|existencia\w*|stock|disponibles?|inventario)\b[^.?!\n\d]{0,25}$"
)
_STOCK_AFTER = re.compile(r"^\s*(?:\w+\s+){0,3}?(?:disponibles?|en\s+(?:existencia|stock|inventario|almacen)|restantes?)\b")
_LIST_MARK = re.compile(r"(?:^|\n)\s*$")

_ADDRESS = re.compile(
    r"(?<!\w)((?i:calle|c\.|av\.?|avenida|blvd\.?|boulevard|bulevar|calzada|calz\.|carretera|carr\.|colonia|col\.|fraccionamiento|fracc\.|plaza|"
    r"local|edificio|sucursal|privada|andador|circuito|paseo|c\.?\s?p\.?|codigo\s+postal|código\s+postal|num\.|núm\.|número|km)\s+)"
    r"((?:(?:de|del|la|las|los|el)\s+)*(?:[A-ZÁÉÍÓÚÑ]|\d)\w*(?:\s+(?:(?:de|del|la|las|los|el|y)\s+)*(?:[A-ZÁÉÍÓÚÑ#]|\d)\w*){0,4})"
)
_PLACE = re.compile(
    r"\b(?i:estamos|ubicad[oa]s?|encontramos|tiendas?|sucursal(?:es)?|local|visítanos|visitanos|esperamos|oficinas?|bodega|enviamos\s+desde|salen?\s+de)"
    r"\b[^.?!\n]{0,40}?\b(?:en|de|desde|junto\s+a|frente\s+a|cerca\s+de)\s+(?:(?:la|el|los|las)\s+)?([A-ZÁÉÍÓÚÑ][\wáéíóúñ]+(?:\s+(?:de\s+(?:la\s+)?)?[A-ZÁÉÍÓÚÑ][\wáéíóúñ]+){0,3})"
)


def normal_text(text: str) -> str:
    """The text as facts are read from it: visible characters, folded, number words as digits."""
    compatible = unicodedata.normalize("NFKC", strip_invisible(text)).replace("⁄", "/")
    return number_words_to_digits(_ONE.sub("1 ", fold(compatible)))


def find_facts(text: str) -> list[Fact]:
    """Every checkable fact of a text, in reading order."""
    shown = unicodedata.normalize("NFKC", strip_invisible(text))
    facts = [Fact("address", _squeeze(f"{m.group(1)} {m.group(2)}")) for m in _ADDRESS.finditer(shown)]
    facts += [Fact("place", _squeeze(m.group(1))) for m in _PLACE.finditer(shown)]
    rest = normal_text(text)
    for kind, pattern in _ADDRESSES:
        rest = _take(rest, pattern, kind, facts)
    rest = _take_phones(rest, facts)
    rest = _take_dates(rest, facts)
    rest = _take_times(rest, facts)
    _take_numbers(rest, facts)
    return sorted(facts, key=lambda fact: fact.at)


def _squeeze(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", fold(text)))


def _blank(text: str, start: int, end: int) -> str:
    # A full stop keeps what stood on both sides from joining into another fact.
    return text[:start] + "." * (end - start) + text[end:]


def _take(text: str, pattern: re.Pattern[str], kind: str, facts: list[Fact]) -> str:
    for match in list(pattern.finditer(text)):
        facts.append(Fact(kind, normal_address(match.group()), match.start()))
        text = _blank(text, *match.span())
    return text


def normal_address(value: str) -> str:
    """A link, mail address or handle in one spelling."""
    plain = re.sub(r"\s?(?:\(\.\)|\[\.\]|\bpunto\b)\s?", ".", value)
    plain = re.sub(r"\s?(?:\(at\)|\[at\]|\barroba\b)\s?", "@", plain)
    plain = re.sub(r"\s", "", plain).removeprefix("https://").removeprefix("http://").removeprefix("www.")
    return plain.rstrip("/.,;:!?")


def _take_phones(text: str, facts: list[Fact]) -> str:
    for match in list(_LONG_DIGITS.finditer(text)):
        digits = re.sub(r"\D", "", match.group())
        if re.fullmatch(r"\d{1,3}(?:[ ]\d{3})+", match.group()) and len(digits) < 10:
            continue  # "1 200 000" is a number
        if _ISO_DATE.fullmatch(match.group().strip()) or _SLASH_DATE.fullmatch(match.group().strip()):
            continue
        # +52 1 55… and 55… are one phone; other long numbers (cards, accounts, guides) are compared whole.
        facts.append(Fact("digits", digits[-10:] if len(digits) in (10, 12, 13) else digits, match.start()))
        text = _blank(text, *match.span())
    return text


def _take_dates(text: str, facts: list[Fact]) -> str:
    def add(match: re.Match[str], value: str) -> None:
        nonlocal text
        facts.append(Fact("date", value, match.start()))
        text = _blank(text, *match.span())

    for match in list(_DAY_MONTH.finditer(text)):
        add(match, f"{int(match[1])}/{_month(match[2])}")
    for match in list(_MONTH_DAY.finditer(text)):
        add(match, f"{int(match[2])}/{_month(match[1])}")
    for match in list(_ISO_DATE.finditer(text)):
        add(match, f"{int(match[3])}/{int(match[2])}")
    for match in list(_SLASH_DATE.finditer(text)):
        add(match, f"{int(match[1] or match[4])}/{int(match[2] or match[5])}")
    for match in list(_MONTH_ALONE.finditer(text)):
        add(match, f"/{_month(match[1])}")
    # "sábados" is "sábado"; "lunes" keeps its s.
    facts += [Fact("weekday", m[1].rstrip("s") if m[1][0] in "sd" else m[1], m.start()) for m in _WEEKDAY.finditer(text)]
    facts += [Fact("relative_date", m[1] or m[2], m.start()) for m in _RELATIVE.finditer(text)]
    return text


def _month(name: str) -> int:
    return _MONTHS[name]


def _take_times(text: str, facts: list[Fact]) -> str:
    for match in list(_TIME.finditer(text)):
        hour = int(match[1] or match[4] or match[6] or match[8])
        minute = int(match[2] or 0)
        half = match[3] or match[5] or match[7] or ""
        # "a las 6" is either half of the day; "18:00" and "9:00" are the 24 hours that shops write.
        late = half[:1] == "p" or half in ("tarde", "noche")
        early = half[:1] == "a" or half == "manana"
        known = late or early or hour > 12 or bool(half) or match[1] is not None
        shown = (hour % 12 + 12 if late else hour % 12 if early else hour) * 60 + minute
        facts.append(Fact("time", f"{shown // 60}:{shown % 60:02}" if known else f"~{hour % 12}:{minute:02}", match.start()))
        text = _blank(text, *match.span())
    return text


def _take_numbers(text: str, facts: list[Fact]) -> None:
    pending: Fact | None = None
    pending_end = -1
    for match in _NUMBER.finditer(text):
        value = _value(match)
        unit = _unit(match, text)
        if pending is not None and _RANGE.fullmatch(text[pending_end : match.start()]) and unit not in ("number", "stock"):
            # "3 a 5 días": the unit stands once, for both.
            facts[facts.index(pending)] = Fact(unit, pending.value, pending.at)
        fact = Fact(unit, value, match.start())
        facts.append(fact)
        pending, pending_end = (fact, match.end()) if unit in ("number", "stock") else (None, -1)


def _value(match: re.Match[str]) -> str:
    amount = match["amount"].replace(" ", "")
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", amount):
        amount = amount.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3})+", amount):
        amount = amount.replace(".", "")
    number = Decimal(amount.replace(",", "."))
    scale = match["scale"] or ""
    number *= 1_000_000 if scale.startswith("millon") else 1_000 if scale else 1
    fraction = (match["cents"] or "").strip()
    if fraction.startswith("con"):
        number += Decimal(re.sub(r"\D", "", fraction)) / 100
        fraction = ""
    return f"{number.normalize():f}{re.sub(r'[^0-9/]', '', fraction)}"


def _unit(match: re.Match[str], text: str) -> str:
    sign = (match["sign"] or "").strip()
    if sign:
        return "usd" if sign.startswith("us") else "eur" if sign == "€" else "money"
    unit = next((name for name in _UNITS if match[name]), None)
    if unit in (None, "piece", "x"):
        before, after = text[max(0, match.start() - 60) : match.start()], text[match.end() : match.end() + 40]
        if unit is None and _PRICE_BEFORE.search(before):
            return "money"
        if _STOCK_BEFORE.search(before) or _STOCK_AFTER.match(after):
            return "stock"
        if unit is None and _LIST_MARK.search(text[: match.start()]) and re.match(r"[.)]\s", text[match.end() :]):
            return "list_mark"
    return unit or "number"
