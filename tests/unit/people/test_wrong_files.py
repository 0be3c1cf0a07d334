"""Files that cannot be imported: one line that says what to do, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from people.cli import app
from people.columns import read_map
from people.reading import open_table
from people.table import FileError, Row

HEADING = "id,nombre,correo\n"
# The beginning of the container that old and encrypted workbooks come in.
CONTAINER = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4096


def write(content: bytes | str) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        path = folder / "x.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return made


def zipped(folder: Path) -> Path:
    import zipfile

    with zipfile.ZipFile(folder / "x.xlsx", "w") as package:
        package.writestr("contactos.csv", HEADING)
    return folder / "x.xlsx"


def cut_excel(folder: Path) -> Path:
    book = openpyxl.Workbook()
    book.save(folder / "whole.xlsx")
    (folder / "x.xlsx").write_bytes((folder / "whole.xlsx").read_bytes()[:900])
    return folder / "x.xlsx"


def empty_excel(folder: Path) -> Path:
    openpyxl.Workbook().save(folder / "x.xlsx")
    return folder / "x.xlsx"


WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "no.csv", "no existe"),
    "a folder": (lambda folder: folder, "es una carpeta"),
    "empty": (write(b""), "está vacío"),
    "blank": (write("\ufeff \n\n"), "está vacío"),
    "binary": (write(b"\x01\x02\x00\x03" * 500), "no es texto ni Excel"),
    "a program": (write(b"\x7fELF" + b"\0" * 300), "es un programa"),
    "a PDF": (write(b"%PDF-1.7\n..."), "es un PDF"),
    "a picture": (write(b"\x89PNG\r\n\x1a\n" + b"\0" * 90), "es una imagen"),
    "a page named xls": (write("<html><table><tr><td>id</td></tr></table></html>"), "es una página web"),
    "no known column": (write("color,talla\nrojo,M\n"), 'encontradas: color, talla. Dinos cuál es cuál, por ejemplo --map'),
    "a name alone": (write("nombre,color\nAna,rojo\n"), "--map"),
    "zip": (zipped, "es un ZIP"),
    "cut Excel": (cut_excel, "dañado"),
    "empty Excel": (empty_excel, "ninguna columna"),
    "encrypted Excel": (write(CONTAINER + "EncryptedPackage".encode("utf-16-le")), "tiene contraseña"),
    "broken old Excel": (write(CONTAINER + "Workbook".encode("utf-16-le")), "dañado"),
    "cut JSON": (write('[{"id": "1", "name": "Ana"}, {"id": '), "el JSON está mal escrito"),
    "JSON of words": (write('["a", "b"]'), "ninguna columna"),
    "JSON nested without end": (write('[{"id": "1", "tags": ' + "[" * 100_000), "el JSON está mal escrito"),
    "an open quote": (write(HEADING + '1,"Ana,a@b.mx\n' + "2,Beto,b@b.mx\n" * 20_000), "¿faltan unas comillas de cierre?"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_is_one_clear_line(kind: str, tmp_path: Path) -> None:
    make, told = WRONG[kind]
    with pytest.raises(FileError) as raised:
        list(open_table(make(tmp_path)).rows)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_command_line_ends_with_the_line_and_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["vambe", str(tmp_path / "no.csv")])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "no existe" in result.output


def test_a_map_of_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"«clave».*id, nombre, correo"):
        open_table(write(HEADING)(tmp_path), read_map(["clave=phone"]))


def rows(content: str, folder: Path) -> list[Row]:
    return list(open_table(write(content)(folder)).rows)


def test_a_row_that_was_torn_apart_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    found = rows(HEADING + "1,Ana,a@b.mx\n2,Ruiz, Ana,a@b.mx\n3,Eva,e@b.mx\n", tmp_path)
    assert [row.problem is None for row in found] == [True, False, True]
    assert [row.place for row in found] == ["2", "3", "4"]


def test_a_huge_cell_is_refused_alone(tmp_path: Path) -> None:
    document = [{"id": "1", "nombre": "x" * 40_000}, {"id": "2", "nombre": "Ana"}]
    found = rows(json.dumps(document), tmp_path)
    assert [row.problem is None for row in found] == [False, True]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_separator_and_end_of_line_is_read(newline: str, separator: str, tmp_path: Path) -> None:
    content = HEADING + "1,Ana,a@b.mx\n2,Eva,\n"
    found = rows(content.replace(",", separator).replace("\n", newline), tmp_path)
    assert [row.cells["vambe_id"] for row in found] == [("1",), ("2",)]


def test_excels_own_first_line_names_the_separator(tmp_path: Path) -> None:
    found = rows("sep=;\n" + HEADING.replace(",", ";") + "1;a,b,c;x\n", tmp_path)
    assert found[0].cells == {"vambe_id": ("1",), "name": ("a,b,c",), "email": ("x",)}


def test_titles_above_the_heading_are_passed_over(tmp_path: Path) -> None:
    assert [row.place for row in rows("Contactos de la tienda,,\n,,\n" + HEADING + "1,Ana,\n", tmp_path)] == ["4"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "mac_roman", "cp850"])
def test_every_encoding_is_read(encoding: str, tmp_path: Path) -> None:
    content = "id;nombre\n" + "".join(f"{n};María Peña Núñez Ángel\n" for n in range(30))
    found = list(open_table(write(content.encode(encoding))(tmp_path)).rows)
    assert {row.cells["name"] for row in found} == {("María Peña Núñez Ángel",)}


def test_what_excel_makes_of_numbers_and_dates_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["ID", "Teléfono", "Instagram ID", "Fecha"])
    sheet.append([7, 5215512345678, 17841470026191358, 45717])
    book.save(tmp_path / "x.xlsx")
    (row,) = open_table(tmp_path / "x.xlsx").rows
    assert row.cells["phone"] == ("5215512345678",)
    assert row.cells["vambe_id"] == ("7",)
    assert "E+16" in row.cells["instagram_id"][0]


def test_a_wrong_map_ends_the_command_with_its_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["vambe", str(write(HEADING)(tmp_path)), "--map", "x=telefono"])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
