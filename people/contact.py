"""One row of a table as a contact: every value read, repaired or refused, with the reason. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from people.phones import plain_number, read_phone
from people.table import Row
from people.text import clean, clean_note, fold, tidy_name

SHOP_ZONE = ZoneInfo("America/Mexico_City")
MOST_TAGS = 50
# Labels come in few kinds and on every row.
_REPEATED = 1024
SPREADSHEET_DIGITS = 15
KEY_FIELDS = ("phone", "email", "instagram_username", "instagram_id", "messenger_id", "facebook_id", "vambe_id")
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{{2,24}}")
_USERNAME = re.compile(r"[a-z0-9_](?:[a-z0-9._]{0,28}[a-z0-9_])?")
_PLATFORM_ID = re.compile(r"[0-9]{5,25}")
_OWN_ID = re.compile(r"[A-Za-z0-9_.:|-]{1,120}")
_YES = frozenset({"si", "yes", "true", "1", "x", "verdadero", "google ads"})
# What a label contains, folded -> the label that is kept. The first that fits.
_CHANNELS = (
    ("instagram", "Instagram"), ("messenger", "Messenger"), ("google", "Google Ads"), ("adwords", "Google Ads"),
    ("gads", "Google Ads"), ("whats", "WhatsApp"), ("tiktok", "TikTok"), ("facebook", "Messenger"),
    ("correo", "Email"), ("mail", "Email"),
)  # fmt: skip
_CHANNEL_WORDS = {
    "ig": "Instagram", "insta": "Instagram", "fb": "Messenger", "msg": "Messenger", "msgr": "Messenger",
    "wa": "WhatsApp", "wsp": "WhatsApp", "wpp": "WhatsApp",
}  # fmt: skip
_CUSTOMER = re.compile(r"\b(cliente|customer|comprador|ganad[oa]|won|venta cerrada|compro|pagad[oa])\b")
_NO_CUSTOMER = re.compile(r"\b(no|posible|potencial|perdid[oa]|nuevo|futuro|prospecto)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What is kept of a row. ``number``: its place among the rows read. Phone in E.164, mail and username in lower case."""

    number: int
    place: str
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    instagram_username: str | None = None
    instagram_id: str | None = None
    messenger_id: str | None = None
    facebook_id: str | None = None
    vambe_id: str | None = None
    channel: str | None = None
    tags: tuple[str, ...] = ()
    attribution: Mapping[str, str] = field(default_factory=dict)
    customer: bool = False

    @property
    def has_key(self) -> bool:
        """Whether anything tells this contact from others; a name does not."""
        return any(getattr(self, name) for name in KEY_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A row that was read: the contact, or why it is refused; ``problems`` are values left out. Neither: a blank row."""

    contact: Contact | None = None
    refused: str | None = None
    problems: tuple[str, ...] = ()
    channel: str | None = None

    @property
    def blank(self) -> bool:
        """Whether the row held nothing."""
        return self.contact is None and self.refused is None


# Columns that are kept as they are, for statistics.
_TOLD = ("campaign", "ad_group", "ad", "keyword", "gclid", "utm_source", "utm_medium", "city")
NO_KEY = "sin teléfono, correo, usuario ni id que identifique a la persona"


def read_row(number: int, row: Row) -> Read:
    """Read one row. Never raises on content."""
    if row.problem:
        return Read(refused=row.problem)
    if not row.cells:
        return Read()
    reader = _Cells(row.cells)
    channel = read_channel(reader.text("channel"))
    ads = fold(reader.text("lead"))
    if channel is None and (ads in _YES or reader.text("gclid")):
        channel = "Google Ads"
    keys = _keys(reader, channel)
    stage = reader.text("stage", 100)
    contact = Contact(
        number=number, place=row.place, name=_name(reader), channel=channel, tags=_tags(row.cells.get("tags", ())),
        attribution=_attribution(reader, channel, stage), customer=_is_customer(stage), **keys,
    )  # fmt: skip
    problems = tuple(dict.fromkeys(reader.problems))
    if not contact.has_key:
        if not any(clean(value) for values in row.cells.values() for value in values):
            return Read()
        return Read(refused="; ".join(problems) or NO_KEY, channel=channel)
    return Read(contact=contact, problems=problems, channel=channel)


class _Cells:
    """The cells of a row, and what was wrong with them."""

    def __init__(self, cells: Mapping[str, tuple[str, ...]]) -> None:
        self._cells = cells
        self.problems: list[str] = []

    def text(self, name: str, limit: int = 200) -> str:
        """The first cell of a field that says anything."""
        for value in self._cells.get(name, ()):
            written = clean(value, limit)
            if written:
                return written
        return ""

    def raw(self, name: str) -> str:
        """All cells of a field, each on lines of its own."""
        return "\n".join(self._cells.get(name, ()))

    def read(self, name: str, reader: Callable[[str], str | None], trouble: str) -> str | None:
        """The first cell of a field that ``reader`` takes; a problem where none is taken but some are written."""
        bad = None
        for value in self._cells.get(name, ()):
            written = clean(value)
            if not written:
                continue
            found = reader(written)
            if found:
                return found
            bad = bad or written
        if bad is not None:
            lost = plain_number(bad) is None
            # What is wrong is named, not shown: it may be somebody's number.
            self.problems.append(f"{trouble} sin dígitos: Excel los recortó" if lost else f"{trouble} ilegible")
        return None


def _keys(reader: _Cells, channel: str | None) -> dict[str, str | None]:
    found = {
        "phone": reader.read("phone", _phone, "teléfono"),
        "email": reader.read("email", read_email, "correo"),
        "instagram_username": reader.read("instagram_username", read_username, "usuario de Instagram"),
        "instagram_id": reader.read("instagram_id", read_platform_id, "id de Instagram"),
        "messenger_id": reader.read("messenger_id", read_platform_id, "id de Messenger"),
        "facebook_id": reader.read("facebook_id", read_platform_id, "id de Facebook"),
        "vambe_id": reader.read("vambe_id", read_own_id, "id de Vambe"),
    }
    if found["instagram_username"] is None and channel in {None, "Instagram"}:
        found["instagram_username"] = reader.read("username", read_username, "usuario")
    named_by_channel = {"Instagram": "instagram_id", "Messenger": "messenger_id"}.get(channel or "")
    if named_by_channel and found[named_by_channel] is None:
        found[named_by_channel] = reader.read("platform_id", read_platform_id, "id de la plataforma")
    elif channel == "WhatsApp" and found["phone"] is None:
        found["phone"] = reader.read("platform_id", _phone, "id de la plataforma")
    return found


def _phone(value: str) -> str | None:
    number = plain_number(value)
    return next(filter(None, map(read_phone, re.split(r"[;,|]|\s/\s", number))), None) if number else None


def read_email(value: str) -> str | None:
    """A mail address in lower case, the first of several; None for what is none. Nothing is corrected by guessing."""
    for part in re.split(r"[;,|\s]+", value.strip().lower().replace("mailto:", "")):
        address = part.strip("<>()[]'\".")
        if len(address) <= 254 and _EMAIL.fullmatch(address):
            return address
    return None


def read_username(value: str) -> str | None:
    """An Instagram username in lower case, also out of ``@ana`` or its address."""
    text = value.strip().lower()
    if "instagram.com" in text:
        try:
            path = urlsplit(text if "//" in text else f"https://{text}").path
        except ValueError:
            return None
        text = unquote(path).strip("/").split("/")[0]
    text = text.lstrip("@").strip()
    return text if _USERNAME.fullmatch(text) and ".." not in text and not (text.isdigit() and len(text) > 9) else None


def read_platform_id(value: str) -> str | None:
    """An id that Meta gave: digits alone. One that a spreadsheet cut to 15 digits is none."""
    number = plain_number(value)
    if not number or not _PLATFORM_ID.fullmatch(number):
        return None
    return None if len(number) > SPREADSHEET_DIGITS + 1 and not number[SPREADSHEET_DIGITS:].strip("0") else number


def read_own_id(value: str) -> str | None:
    """An id that Vambe gave: a UUID, a number, a word."""
    number = plain_number(value)
    return number if number and _OWN_ID.fullmatch(number) else None


@lru_cache(maxsize=_REPEATED)
def read_channel(value: str) -> str | None:
    """Where a contact came from, as we write it; other labels stay as they are. None for nothing."""
    text = fold(value)
    if not text:
        return None
    for sign, label in _CHANNELS:
        if sign in text:
            return label
    return next((_CHANNEL_WORDS[word] for word in re.split(r"\W+", text) if word in _CHANNEL_WORDS), value[:60])


def _name(reader: _Cells) -> str | None:
    whole = reader.text("name", 200) or f"{reader.text('first_name', 100)} {reader.text('last_name', 100)}".strip()
    # A number or an address in the place of a name is what a chat program shows for somebody whose name it does not know.
    if not any(c.isalpha() for c in whole) or "@" in whole and read_email(whole) or read_phone(whole):
        return None
    return tidy_name(whole)


@lru_cache(maxsize=_REPEATED)
def _tags(cells: Sequence[str]) -> tuple[str, ...]:
    words = (clean(word.strip(" []\"'"), 60) for cell in cells for word in re.split(r"[,;|\n]", cell))
    return tuple(dict.fromkeys(word.lower() for word in words if word))[:MOST_TAGS]


@lru_cache(maxsize=_REPEATED)
def _is_customer(stage: str) -> bool:
    text = fold(stage)
    return bool(_CUSTOMER.search(text)) and not _NO_CUSTOMER.search(text)


def _attribution(reader: _Cells, channel: str | None, stage: str) -> dict[str, str]:
    told = {"source": "vambe", "channel": channel or "", "stage": stage}
    told |= {name: reader.text(name) for name in _TOLD}
    if channel == "Google Ads" or told["gclid"] or fold(reader.text("lead")) in _YES:
        told["lead"] = "google_ads"
    told["notes"] = clean_note(reader.raw("notes"))
    told["first_seen"] = reader.read("created", read_date, "fecha") or ""
    return {name: value for name, value in told.items() if value}


_DATES = (
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d-%m-%Y", "%d.%m.%Y",
    "%d/%m/%y %H:%M", "%d/%m/%y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y",
    "%d/%m/%Y %I:%M %p", "%m/%d/%Y %I:%M %p", "%d/%m/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M:%S %p",
)  # fmt: skip


def read_date(value: str) -> str | None:
    """A date in ISO 8601 with its zone: ISO, day/month/year (then month/day), a spreadsheet's day number, or a Unix time."""
    text = value.strip().replace(",", "")
    if text[-1:] in ".mM":
        text = re.sub(r"\b([ap])\.?\s?m\.?", r"\1m", text, flags=re.IGNORECASE)
    found: datetime | None = None
    if re.fullmatch(r"\d{5}(?:\.\d+)?", text):
        found = datetime(1899, 12, 30) + timedelta(days=float(text))  # noqa: DTZ001 - the shop's own time
    elif re.fullmatch(r"\d{10}(?:\d{3})?", text):
        found = datetime.fromtimestamp(int(text[:10]), timezone.utc)
    else:
        found = _written_date(text)
    if found is None or not 2004 <= found.year <= 2100:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=SHOP_ZONE)).isoformat(timespec="seconds")


def _written_date(text: str) -> datetime | None:
    if text[4:5] == "-":
        try:
            # Python 3.10 takes fractions of three or six digits alone, and no Z.
            return datetime.fromisoformat(re.sub(r"\.\d+", "", text.replace("Z", "+00:00")))
        except ValueError:
            return None
    return next(filter(None, (_dated(text, shape) for shape in _DATES)), None)


def _dated(text: str, shape: str) -> datetime | None:
    try:
        return datetime.strptime(text, shape)  # noqa: DTZ007 - the shop's own time
    except ValueError:
        return None
