"""Tables as they come: CSV, Excel or JSON told apart by their content, read row by row. Trouble is one line, in Spanish."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from people.columns import FIELDS, Columns, assign, heading_key
from people.table import FileError, Line, Progress, Row, Sheet, Table

# A heading is looked for in so many rows: exports put titles and dates above it.
HEADING_ROWS = 20
MOST_SHOWN = 60
LONGEST_CELL = 32_767  # Excel's own limit
LARGEST_UNPACKED = 1_000_000_000  # bytes of an .xlsx, unpacked
_OLE, _ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_FOREIGN = {
    b"%PDF": "un PDF", b"\x89PNG": "una imagen", b"\xff\xd8\xff": "una imagen", b"GIF8": "una imagen", b"Rar!": "un RAR",
    b"\x1f\x8b": "un archivo comprimido (gzip)", b"7z\xbc\xaf": "un archivo 7z", b"SQLite format": "una base SQLite",
    b"\x7fELF": "un programa", b"MZ": "un programa",
}  # fmt: skip


def open_table(path: Path, mapped: Mapping[str, str] | None = None, progress: Progress = lambda share: None) -> Table:
    """Open a file of contacts. ``progress`` hears the share that was read, 0 to 1. Raises ``FileError``; so do its rows."""
    head = _head(path)
    notes: list[str] = []
    kind = _kind(path, head)
    if kind == "json":
        from people.json_files import read_json

        sheets = read_json(path, progress)
    elif kind == "excel":
        from people.excel_files import read_excel

        _check_package(path, head)
        sheets = read_excel(path, progress)
    else:
        from people.csv_files import read_csv

        sheets = read_csv(path, notes, progress)
    return _table(path, sheets, mapped or {}, notes)


def _head(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise FileError(f"{path}: es una carpeta; escribe el nombre del archivo que exportaste")
        with path.open("rb") as file:
            head = file.read(8192)
    except FileNotFoundError:
        raise FileError(f"{path}: no existe. Revisa el nombre y la carpeta") from None
    except OSError as error:
        raise FileError(f"{path}: no se puede leer ({error.strerror})") from None
    if not head.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0"):
        raise FileError(f"{path}: está vacío. Expórtalo de nuevo")
    return head


def _kind(path: Path, head: bytes) -> str:
    if head.startswith((_ZIP, _OLE)):
        return "excel"
    for sign, what in _FOREIGN.items():
        if head.startswith(sign) and (len(sign) > 2 or b"\0" in head):
            raise FileError(f"{path}: es {what}, no una tabla. Exporta los contactos como CSV, XLSX o JSON")
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff")) or head[1:200:2].count(0) > 60 or head[0:200:2].count(0) > 60
    if not wide and b"\0" in head:
        raise FileError(f"{path}: no es texto ni Excel. Exporta los contactos como CSV, XLSX o JSON")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<table")):
        raise FileError(f"{path}: es una página web, no una tabla. Ábrela en Excel y guárdala como CSV o XLSX")
    return "json" if start[:1] in (b"{", b"[") else "csv"


def _check_package(path: Path, head: bytes) -> None:
    if head.startswith(_OLE):
        _check_container(path, head)
        return
    try:
        with zipfile.ZipFile(path) as package:
            if sum(item.file_size for item in package.infolist()) > LARGEST_UNPACKED:
                raise FileError(f"{path}: desempacado pasa de {LARGEST_UNPACKED // 10**9} GB. Guárdalo como CSV")
            names = set(package.namelist())
    except zipfile.BadZipFile:
        raise FileError(f"{path}: el archivo está dañado o incompleto. Descárgalo de nuevo") from None
    if not any(name.startswith("xl/") or name == "content.xml" for name in names):
        raise FileError(f"{path}: es un ZIP, no un Excel. Descomprímelo e importa el archivo que trae dentro")


def _check_container(path: Path, head: bytes) -> None:
    """Look into the old container of .xls and of encrypted workbooks; a broken one makes its reader take all memory."""
    content = path.read_bytes()
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise FileError(f"{path}: tiene contraseña. Ábrelo en Excel, guárdalo sin ella y vuelve a intentar")
    sector = 1 << min(int.from_bytes(head[30:32], "little"), 16)
    tables, directory = int.from_bytes(head[44:48], "little"), int.from_bytes(head[48:52], "little")
    whole = sector in {512, 4096} and 0 < tables <= len(content) // sector and directory < len(content) // sector
    if not whole or not any(name.encode("utf-16-le") in content for name in ("Workbook", "Book")):
        raise FileError(f"{path}: no se puede leer como Excel: está dañado o cifrado. Guárdalo como CSV UTF-8")


def _table(path: Path, sheets: Iterator[Sheet], mapped: Mapping[str, str], notes: list[str]) -> Table:
    """Find the first sheet with a heading that we know; its like among those after it are read in their turn."""
    seen: list[str] = []
    for sheet in sheets:
        columns = _heading(sheet.lines, mapped, seen)
        if columns is None:
            continue
        _check_map(path, mapped, columns)
        return Table(columns=columns, rows=_rows(sheet, columns, sheets, mapped, notes), notes=notes)
    found = list(dict.fromkeys(seen))
    example = f'--map "{found[0] if found else "Mi columna"}=phone"'
    raise FileError(
        f"{path}: ninguna columna dice quién es cada persona (teléfono, correo, usuario o id). "
        f"Columnas encontradas: {', '.join(found)[:600] or 'ninguna'}. "
        f"Dinos cuál es cuál, por ejemplo {example}. Campos: {', '.join(FIELDS)}"
    )


def _check_map(path: Path, mapped: Mapping[str, str], columns: Columns) -> None:
    there = {heading_key(heading) for heading in columns.headings}
    missing = [heading for heading in mapped if heading not in there]
    if missing:
        found = ", ".join(heading for heading in columns.headings if heading)
        raise FileError(f"{path}: --map nombra «{missing[0]}», que no está. Columnas encontradas: {found[:600]}")


def _heading(lines: Iterator[Line], mapped: Mapping[str, str], seen: list[str]) -> Columns | None:
    for _ in range(HEADING_ROWS):
        line = next(lines, None)
        if line is None:
            return None
        columns = assign([cell[:100] for cell in line.cells], mapped)
        # One heading alone among several cells may be a word in a title.
        if columns.has_key and len(columns.shown()) >= min(2, sum(1 for heading in columns.headings if heading)):
            return columns
        if not seen:
            seen += [cell.strip()[:40] for cell in line.cells if cell.strip()][:MOST_SHOWN]
    return None


def _rows(sheet: Sheet, columns: Columns, later: Iterator[Sheet], mapped: Mapping[str, str], notes: list[str]) -> Iterator[Row]:
    yield from _rows_of(sheet, columns)
    for other in later:
        found = _heading(other.lines, mapped, [])
        if found is None:
            notes.append(f"La hoja «{other.name}» no parece de contactos: no se leyó.")
        else:
            yield from _rows_of(other, found)


def _rows_of(sheet: Sheet, columns: Columns) -> Iterator[Row]:
    width = len(columns.headings)
    for line in sheet.lines:
        place = f"{sheet.name}!{line.number}" if sheet.name else str(line.number)
        problem = line.problem
        if any(len(cell) > LONGEST_CELL for cell in line.cells):
            problem = f"una celda pasa de {LONGEST_CELL} caracteres"
        elif any(cell.strip() for cell in line.cells[width:]):
            problem = f"tiene {len(line.cells)} celdas y el encabezado {width}: ¿falta un entrecomillado?"
        yield Row(place=place, cells=_cells(line.cells, columns), problem=problem)


def _cells(cells: Sequence[str], columns: Columns) -> dict[str, tuple[str, ...]]:
    found = {}
    for field, places in columns.places.items():
        values = tuple(cells[place] for place in places if place < len(cells) and cells[place].strip())
        if values:
            found[field] = values
    return found
