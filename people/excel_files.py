"""Excel files (.xlsx, .xlsb, .xls, .ods)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TypeAlias

import python_calamine as calamine

from people.table import FileError, Line, Progress, Sheet

Cell: TypeAlias = int | float | str | bool | datetime | date | time | timedelta
# A spreadsheet keeps 15 digits of a number; more were lost when it was typed in.
EXACT = 10**15
_TOLD_EVERY = 500


def read_excel(path: Path, progress: Progress) -> Iterator[Sheet]:
    """Yield the visible sheets that hold anything. Raises ``FileError``."""
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
    except calamine.PasswordError:
        raise FileError(f"{path}: tiene contraseña. Ábrelo en Excel, guárdalo sin ella y vuelve a intentar") from None
    except (calamine.CalamineError, OSError, ValueError):
        raise FileError(f"{path}: no se puede leer como Excel: está dañado o cifrado. Guárdalo como CSV UTF-8") from None
    shown = [sheet.name for sheet in book.sheets_metadata if sheet.visible == calamine.SheetVisibleEnum.Visible
             and sheet.typ == calamine.SheetTypeEnum.WorkSheet]  # fmt: skip
    try:
        for place, name in enumerate(shown):
            sheet = book.get_sheet_by_name(name)
            if sheet.total_height:
                several = len(shown) > 1
                yield Sheet(name=name if several else "", lines=_lines(sheet, place, len(shown), progress))
    except calamine.CalamineError:
        raise FileError(f"{path}: la hoja «{name}» está dañada. Guárdala como CSV UTF-8") from None
    finally:
        book.close()


def _lines(sheet: calamine.CalamineSheet, place: int, sheets: int, progress: Progress) -> Iterator[Line]:
    height = max(sheet.total_height, 1)
    # Rows above the first cell in use are no part of the range; a spreadsheet counts them.
    first = (sheet.start or (0, 0))[0] + 1
    for index, row in enumerate(sheet.iter_rows()):
        if index % _TOLD_EVERY == 0:
            progress((place + index / height) / sheets)
        yield Line(number=first + index, cells=[cell_text(cell) for cell in row])


def cell_text(cell: Cell) -> str:
    """A cell as text. Numbers too long for a spreadsheet keep the digits that it kept: ``1.78414700261913E+16``."""
    if isinstance(cell, bool):
        return "sí" if cell else "no"
    if isinstance(cell, (int, float)):
        if abs(cell) >= EXACT:
            return f"{cell:.14E}"
        return str(int(cell)) if cell == int(cell) else repr(cell)
    return cell.isoformat() if isinstance(cell, (datetime, date, time)) else str(cell)
