"""Files as Vambe exports them and as people save them again: faulty, and with the truth about each beside it.

``make(seed)`` gives 846 contacts without phone, as the owner counts them (394 Instagram, 43 Messenger, 210 Google Ads leads,
the rest without a label), with repeated rows, broken mails and blank rows strewn in.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import openpyxl

CHANNELS = {"Instagram": 394, "Messenger": 43, "Google Ads": 210, "": 846 - 394 - 43 - 210}
LABELS = {
    "Instagram": ("Instagram", "instagram", "IG", "Instagram DM"), "Messenger": ("Messenger", "Facebook Messenger", "FB"),
    "Google Ads": ("Google Ads", "google ads", "GOOGLE ADS"), "": ("",),
}  # fmt: skip
HEADINGS = {
    "es": ("ID", "Nombre del contacto", "Teléfono", "Correo electrónico", "Usuario de Instagram", "Instagram ID",
           "Messenger ID", "Canal", "Etiquetas", "Etapa", "Notas", "Fecha de creación", "Campaña"),
    "en": ("contact_id", "Full Name", "Phone Number", "Email", "instagram_username", "igsid", "PSID", "Source", "Tags", "Stage",
           "Notes", "created_at", "utm_campaign"),
}  # fmt: skip
FIELDS = (
    "vambe_id", "name", "phone", "email", "username", "igsid", "psid", "channel", "tags", "stage", "notes", "created",
    "campaign",
)  # fmt: skip
FIRST = ("María José", "JOSÉ LUIS", "Ana", "Iñaki", "guadalupe", "Sofía", "Ángel", "Zoë", "Ramón", "Begoña")
LAST = ("Núñez", "PEÑA", "García López", "de la Cruz", "Muñoz", "Gutiérrez", "O'Brien", "Ibáñez")
BROKEN_MAILS = ("ana@", "ana@gmail", "sin correo@", "ana gmail.com", "ana@@gmail.com", "@gmail.com")
NASTY = (
    '=HYPERLINK("http://x","y")', "'; drop table clients; --", "[red]hola[/red]", "\\N", "a\tb", "línea uno\nlínea dos",
    "{}", "%s%s",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Truth:
    """What an import into an empty database must report."""

    rows: int = 0
    blank: int = 0
    people: int = 0
    joined: int = 0
    refused: int = 0
    broken_mails: int = 0
    channels: Counter[str] = field(default_factory=Counter)

    @property
    def outcomes(self) -> dict[str, int]:
        """Rows by what comes of them, without the refused."""
        return {name: n for name, n in (("created", self.people), ("joined", self.joined)) if n}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The rows (cells in the order of ``FIELDS``), and the truth."""

    rows: list[tuple[str, ...]]
    truth: Truth


def make(seed: int = 0, *, people: int = 846, faults: bool = True, with_phone: bool = False) -> Export:
    """An export of so many usable contacts. ``with_phone``: other files than the owner's have them."""
    random_ = random.Random(seed)
    truth = Truth()
    labels = [label for label, n in CHANNELS.items() for _ in range(n)] if people == 846 else random_.choices(
        list(CHANNELS), weights=list(CHANNELS.values()), k=people)  # fmt: skip
    random_.shuffle(labels)
    rows: list[tuple[str, ...]] = []
    for number, label in enumerate(labels):
        cells = _person(random_, number, label, with_phone=with_phone)
        if faults and random_.random() < 0.04:
            cells["email"] = random_.choice(BROKEN_MAILS)
            truth.broken_mails += 1
        truth.people += 1
        truth.channels[label] += 1
        rows.append(tuple(cells[name] for name in FIELDS))
        if faults and random_.random() < 0.03:
            rows.append(_again(random_, cells))
            truth.joined += 1
            truth.channels[label] += 1
            truth.broken_mails += rows[-1][FIELDS.index("email")] in BROKEN_MAILS
    if faults:
        _strew(random_, rows, truth)
    truth.rows = len(rows)
    return Export(rows=rows, truth=truth)


def _person(random_: random.Random, number: int, label: str, *, with_phone: bool) -> dict[str, str]:
    cells = dict.fromkeys(FIELDS, "")
    cells["vambe_id"] = f"vb-{number:06}-{random_.randrange(16**6):06x}"
    cells["name"] = f"{random_.choice(FIRST)} {random_.choice(LAST)}"
    if random_.random() < 0.4:
        cells["email"] = f"cliente{number}@{random_.choice(('gmail.com', 'Hotmail.com', 'empresa.com.mx'))}"
    if label == "Instagram":
        cells["username"] = f"{random_.choice(('', '@'))}cliente.{number}"
        cells["igsid"] = str(9_000_000_000_000_000 + number * 7 + 1) if random_.random() < 0.5 else ""
    if label == "Messenger":
        cells["psid"] = str(2_000_000_000_000_000 + number * 7 + 1)
    if with_phone:
        local = f"55{10_000_000 + number:08}"
        spaced = f"{local[2:6]} {local[6:]}"
        cells["phone"] = random_.choice((local, f"+52 55 {spaced}", f"521{local}", f"(55) {spaced}", f"{local}.0"))
    cells["channel"] = random_.choice(LABELS[label])
    cells["tags"] = random_.choice(("", "mayoreo", "Mayoreo, VIP", "árnica; vip"))
    cells["stage"] = random_.choice(("", "Nuevo", "Seguimiento", "Cliente"))
    cells["notes"] = random_.choice(("", "", "pidió catálogo", *NASTY))
    first = datetime(2025, 1, 1)  # noqa: DTZ001 - as the file has it
    cells["created"] = (first + timedelta(minutes=random_.randrange(400_000))).strftime("%d/%m/%Y %H:%M")
    cells["campaign"] = random_.choice(("Árnica MX", "Búsqueda marca")) if label == "Google Ads" else ""
    return cells


def _again(random_: random.Random, cells: dict[str, str]) -> tuple[str, ...]:
    again = {**cells, "name": cells["name"].upper(), "tags": "repetido"}
    if not random_.randrange(3) and cells["username"]:
        again["vambe_id"] = ""  # known again by the username alone
    return tuple(again[name] for name in FIELDS)


def _strew(random_: random.Random, rows: list[tuple[str, ...]], truth: Truth) -> None:
    for _ in range(9):
        rows.insert(random_.randrange(len(rows)), ("",) * len(FIELDS))
        truth.blank += 1
    for text in ("Nadie Conocido", "=cmd|'/c calc'!A0", "Solo Nombre"):
        bare = dict.fromkeys(FIELDS, "") | {"name": text}
        rows.insert(random_.randrange(len(rows)), tuple(bare[name] for name in FIELDS))
        truth.refused += 1
        truth.channels[""] += 1


def write_csv(
    export: Export,
    path: Path,
    *,
    language: str = "es",
    separator: str = ",",
    encoding: str = "utf-8",
    newline: str = "\r\n",
    mixed: bool = False,
) -> Path:
    """Save as CSV; ``mixed``: every other row in Windows-1252, as when two exports are pasted together."""
    lines = []
    for row in (HEADINGS[language], *export.rows):
        line = io.StringIO()
        csv.writer(line, delimiter=separator, lineterminator=newline).writerow(row)
        lines.append(line.getvalue())
    if encoding == "utf-16":
        path.write_text("".join(lines), encoding=encoding, newline="")
        return path
    odd = [line.encode("cp1252" if mixed and number % 2 else encoding, "replace") for number, line in enumerate(lines)]
    path.write_bytes(b"".join(odd))
    return path


def write_xlsx(export: Export, path: Path, *, language: str = "es", title: bool = False) -> Path:
    """Save as Excel does, dates as dates and phones as numbers; ``title``: rows above the heading, and a second sheet."""
    book = openpyxl.Workbook(write_only=True)
    if title:
        book.create_sheet("Resumen").append(["Contactos exportados", "846"])
    sheet = book.create_sheet("Contactos")
    if title:
        sheet.append(["Exportación de contactos"])
        sheet.append([])
    sheet.append(HEADINGS[language])
    for row in export.rows:
        cells: list[object] = ["'" + cell if cell.startswith("=") else cell or None for cell in row]
        created, phone = FIELDS.index("created"), FIELDS.index("phone")
        if row[created]:
            cells[created] = datetime.strptime(row[created], "%d/%m/%Y %H:%M")  # noqa: DTZ007 - a spreadsheet knows no zones
        if row[phone].isdigit():
            cells[phone] = int(row[phone])
        sheet.append(cells)
    book.save(path)
    return path


def write_json(export: Export, path: Path, *, language: str = "en", shape: str = "list") -> Path:
    """Save as JSON: a list, an object around one, or an object a line."""
    records = [dict(zip(HEADINGS[language], row, strict=True)) for row in export.rows]
    for record in records:
        tags = HEADINGS[language][FIELDS.index("tags")]
        record[tags] = [{"name": word.strip()} for word in record[tags].replace(";", ",").split(",") if word.strip()]  # type: ignore[assignment]
    if shape == "lines":
        path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records), encoding="utf-8")
    elif shape == "wrapped":
        path.write_text(json.dumps({"total": len(records), "contacts": records}, indent=1), encoding="utf-8")
    else:
        path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return path
