"""JSON, read record by record: a list, an object that holds one, or an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from connectors.message import Json
from people.columns import KEYS, guess
from people.table import FileError, Line, Progress, Sheet

CHUNK = 1 << 16
LARGEST_RECORD = 4_000_000
# So many records are looked through for the names of their fields before the first is handed on.
LOOKED_AHEAD = 1000
_BLANK = " \t\r\n\ufeff"


def read_json(path: Path, progress: Progress) -> Iterator[Sheet]:
    """Yield the file's one sheet, its heading made of the records' names. Raises ``FileError``."""
    yield Sheet(name="", lines=_lines(path, progress))


def _lines(path: Path, progress: Progress) -> Iterator[Line]:
    records = _records(path, progress)
    ahead: list[dict[str, str] | None] = []
    headings: dict[str, None] = {}
    for record in records:
        ahead.append(flat(record))
        headings.update(dict.fromkeys(ahead[-1] or ()))
        if len(ahead) >= LOOKED_AHEAD:
            break
    names = list(headings)
    yield Line(number=0, cells=names)
    for number, kept in enumerate(ahead, 1):
        yield _line(number, kept, names)
    looked_at = len(ahead)
    ahead.clear()
    for number, record in enumerate(records, looked_at + 1):
        yield _line(number, flat(record), names)


def _line(number: int, record: dict[str, str] | None, names: list[str]) -> Line:
    if record is None:
        return Line(number=number, cells=[], problem="no es un contacto, sino un valor suelto")
    return Line(number=number, cells=[record.get(name, "") for name in names])


def flat(record: Json, prefix: str = "", depth: int = 0) -> dict[str, str] | None:
    """A record as text by name: ``{"channel": {"type": "x"}}`` is ``channel type``; lists of words are joined by ``, ``."""
    if not isinstance(record, dict):
        return None
    found: dict[str, str] = {}
    for name, value in record.items():
        full = f"{prefix} {name}".strip()
        if isinstance(value, dict) and depth < 3:
            found.update(flat(value, full, depth + 1) or {})
        elif isinstance(value, list):
            found[full] = ", ".join(filter(None, map(_word, value)))
        elif value is not None:
            found[full] = _word(value)
    return found


def _word(value: Json) -> str:
    if isinstance(value, dict):
        value = next((value[name] for name in ("name", "nombre", "label", "title", "value") if name in value), "")
    if isinstance(value, bool):
        return "sí" if value else "no"
    return value if isinstance(value, str) else "" if value is None or isinstance(value, (dict, list)) else str(value)


class _Reader:
    """Takes JSON values one at a time from a file, holding one chunk and the value at hand."""

    def __init__(self, path: Path, file: TextIO, progress: Progress) -> None:
        self._path, self._file, self._progress = path, file, progress
        self._size, self._done = max(path.stat().st_size, 1), 0
        self._text, self._at = "", 0
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _BLANK:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self, expected: str = "") -> str:
        """Go past the next character. Raises ``FileError`` where it is not the expected one."""
        found = self.peek()
        if expected and found != expected:
            raise self.broken()
        self._at += 1
        return found

    def value(self) -> Json:
        """The next value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                # A number may go on in the next chunk.
                if end < len(self._text) or not self._more():
                    self._at = end
                    return value
            except (ValueError, RecursionError) as error:  # noqa: PERF203 - once for each chunk, where the value goes on
                deep = isinstance(error, RecursionError)
                if deep or len(self._text) - self._at > LARGEST_RECORD or not self._more():
                    raise self.broken() from None

    def broken(self) -> FileError:
        """The error that says where."""
        near = " ".join(self._text[max(self._at - 20, 0) : self._at + 20].split())
        return FileError(f"{self._path}: el JSON está mal escrito o incompleto cerca de «{near}». Expórtalo de nuevo")

    def _more(self) -> bool:
        try:
            chunk = self._file.read(max(CHUNK, len(self._text) - self._at))
        except UnicodeDecodeError:
            raise FileError(f"{self._path}: el JSON no está en UTF-8. Guárdalo así, o expórtalo como CSV") from None
        if not chunk:
            return False
        self._text, self._at = self._text[self._at :] + chunk, 0
        self._done += len(chunk)
        self._progress(min(self._done / self._size, 1.0))
        return True


def _records(path: Path, progress: Progress) -> Iterator[Json]:
    with path.open("rb") as raw:
        wide = raw.read(2) in (b"\xff\xfe", b"\xfe\xff")
    with path.open(encoding="utf-16" if wide else "utf-8-sig") as file:
        reader = _Reader(path, file, progress)
        while first := reader.peek():
            if first == "[":
                yield from _items(reader)
            elif first == "{":
                yield from _object(reader)
            else:
                raise reader.broken()


def _items(reader: _Reader) -> Iterator[Json]:
    reader.take("[")
    if reader.peek() == "]":
        reader.take()
        return
    while True:
        yield reader.value()
        if reader.peek() == "]":
            reader.take()
            return
        reader.take(",")


def _object(reader: _Reader) -> Iterator[Json]:
    """One record of many, or the wrapper around a list of them."""
    reader.take("{")
    record: dict[str, Json] = {}
    streamed = False
    while reader.peek() != "}":
        name = reader.value()
        reader.take(":")
        if reader.peek() == "[":
            rows = _items(reader)
            first = next(rows, None)
            if isinstance(first, dict) and guess(str(name)) is None and not any(guess(key) in KEYS for key in record):
                streamed = True
                yield first
                yield from rows
            else:
                record[str(name)] = [] if first is None else [first, *rows]
        else:
            record[str(name)] = reader.value()
        if reader.peek() != "}":
            reader.take(",")
    reader.take("}")
    if record and not streamed:
        yield record
