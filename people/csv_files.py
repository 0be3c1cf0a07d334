"""CSV of any making: separator, encoding and quotes are found out; one bad line never spoils the others."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from charset_normalizer import from_bytes

from people.columns import guess
from people.table import FileError, Line, Progress, Sheet

# In the order of preference where a heading is split equally well.
SEPARATORS = (";", ",", "\t", "|")
OLD_ENCODINGS = ["cp1252", "mac_roman", "cp850"]
SAMPLE = 200_000
LONGEST_LINE = 4_000_000
_TOLD_EVERY = 1000


def read_csv(path: Path, notes: list[str], progress: Progress) -> Iterator[Sheet]:
    """Yield the file's one sheet. Says in ``notes`` which encoding and separator it took."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    wide = _wide_encoding(sample)
    encoding = "utf-8" if wide else _old_encoding(path)
    text = sample.decode(wide, "replace") if wide else "\n".join(_decoded(line, encoding) for line in sample.splitlines())
    named = _named_separator(text)
    separator = named or _separator(text)
    shown = {"\t": "tabulador", ";": "punto y coma", ",": "coma", "|": "barra"}[separator]
    old = "" if wide or encoding == "utf-8" else f", con renglones en {encoding}"
    notes.append(f"Texto {'UTF-16' if wide else 'UTF-8'}{old}; separado por {shown}.")
    lines = _wide_lines(path, wide, progress) if wide else _lines(path, encoding, progress)
    yield Sheet(name="", lines=_parsed(path, lines, separator, skip=1 if named else 0))


def _wide_encoding(sample: bytes) -> Literal["utf-16", "utf-16-le", "utf-16-be"] | None:
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if sample[1:400:2].count(0) > 120:
        return "utf-16-le"
    return "utf-16-be" if sample[0:400:2].count(0) > 120 else None


def _old_encoding(path: Path) -> str:
    """What the lines that are no UTF-8 are written in; "utf-8" where all are. Reads the file through."""
    odd = bytearray()
    with path.open("rb") as file:
        for line in file:
            if not line.isascii() and len(odd) < SAMPLE:
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    odd += line
    if not odd:
        return "utf-8"
    best = from_bytes(bytes(odd), cp_isolation=OLD_ENCODINGS).best()
    return best.encoding if best else "cp1252"


def _decoded(line: bytes, encoding: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode(encoding, "replace")


def _lines(path: Path, encoding: str, progress: Progress) -> Iterator[str]:
    size, done = max(path.stat().st_size, 1), 0
    # Universal newlines as bytes: \n, \r\n, and the lone \r of old Macintosh programs.
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            done += len(line)
            number += 1
            if number % _TOLD_EVERY == 0:
                progress(done / size)
            text = _decoded(line, encoding)
            yield from [text] if "\r" not in text[:-2] else re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
    progress(1.0)


def _wide_lines(path: Path, encoding: str, progress: Progress) -> Iterator[str]:
    with path.open(encoding=encoding, errors="replace", newline=None) as file:
        yield from file
    progress(1.0)


def _named_separator(text: str) -> str | None:
    """Excel's own first line ``sep=;``."""
    match = re.match(r"\ufeff?\"?sep=([;,|\t])\"?\s*\r?\n", text)
    return match[1] if match else None


def _separator(text: str) -> str:
    """The one that makes most known headings, then most cells, of the first lines."""

    def score(separator: str) -> tuple[int, int]:
        rows = list(_quietly(text.splitlines()[:25], separator))
        known = max((sum(1 for cell in row if guess(cell.lstrip("\ufeff"))) for row in rows), default=0)
        widths = [len(row) for row in rows if len(row) > 1]
        return known, sum(widths)

    return max(SEPARATORS, key=score)


def _quietly(lines: list[str], separator: str) -> Iterator[list[str]]:
    rows = csv.reader(lines, delimiter=separator)
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            continue
        if row is None:
            return
        yield row


def _parsed(path: Path, lines: Iterator[str], separator: str, *, skip: int) -> Iterator[Line]:
    # NUL is refused by Python's csv before 3.11; it says nothing in a table.
    rows = csv.reader((line.replace("\0", "") for line in lines), delimiter=separator)
    number = 1
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            raise FileError(
                f"{path}: cerca de la fila {number} hay una celda de más de {csv.field_size_limit()} caracteres: "
                "¿faltan unas comillas de cierre? Corrígela y vuelve a intentar"
            ) from None
        if row is None:
            return
        if number == 1 and row:
            row[0] = row[0].lstrip("\ufeff").strip('"')
        if number > skip:
            yield Line(number=number, cells=row)
        # A cell may hold several lines; a spreadsheet counts the row once.
        number += 1
