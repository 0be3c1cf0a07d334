"""What a file of contacts is read into: sheets of lines, then rows of cells by field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from people.columns import Columns

Progress = Callable[[float], None]


class FileError(Exception):
    """A file that cannot be imported: what is wrong and what to do, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Cells as they stand in the file, with the number that a spreadsheet shows beside them."""

    number: int
    cells: Sequence[str]
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table of a file: ``lines`` begin with what may be its heading. ``name`` is "" where there is only one."""

    name: str
    lines: Iterator[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: where it stands ("12", or "Hoja!12"), its cells by field, and why it cannot be read, where it cannot."""

    place: str
    cells: Mapping[str, tuple[str, ...]]
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file ready to be read, once. ``rows`` may raise ``FileError``; ``notes`` grow with what was decided about the file."""

    columns: Columns
    rows: Iterator[Row]
    notes: list[str]
