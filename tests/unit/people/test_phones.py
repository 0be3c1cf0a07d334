"""Phones as tables hold them."""

from __future__ import annotations

import pytest

from people.phones import plain_number, read_phone

MEXICAN = "+525512345678"


@pytest.mark.parametrize(
    "written",
    [
        "5512345678",
        "55 1234 5678",
        "(55) 1234-5678",
        "+52 55 1234 5678",
        "525512345678",
        "5215512345678",
        "+52 1 55 1234 5678",
        "0445512345678",
        "045 55 1234 5678",
        "015512345678",
        "0052 55 12345678",
        "5215512345678@s.whatsapp.net",
        "55.1234.5678",
        "tel: 5512345678",
        "5512345678 ext. 12",
    ],
)
def test_a_mexican_number_is_read_however_it_is_written(written: str) -> None:
    assert read_phone(written) == MEXICAN


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("+1 415 555 2671", "+14155552671"),
        ("0034 612 345 678", "+34612345678"),
        ("+573001234567", "+573001234567"),
        ("573001234567", None),
    ],
)
def test_another_country_needs_its_sign(written: str, read: str | None) -> None:
    assert read_phone(written) == read


@pytest.mark.parametrize(
    "written", ["", "123", "0000000000", "1111111111", "ana@correo.mx", "+52 123", "55123456789012345678", "1234567890"]
)
def test_what_no_country_gave_out_is_no_number(written: str) -> None:
    assert read_phone(written) is None


@pytest.mark.parametrize(
    ("cell", "digits"),
    [
        ("'5512345678", "5512345678"),
        ("5512345678.0", "5512345678"),
        ("5512345678,00", "5512345678"),
        ("5.215512345678E+12", "5215512345678"),
        ("5,215512345678E+12", "5215512345678"),
        ("5.21551E+12", None),
        ("1.78414700261913E+16", None),
        ("vb-1", "vb-1"),
    ],
)
def test_what_a_spreadsheet_did_is_undone_or_told(cell: str, digits: str | None) -> None:
    assert plain_number(cell) == digits
