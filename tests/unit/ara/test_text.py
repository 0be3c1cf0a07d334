"""Text is cleaned of what nobody sees, and words are compared as people mean them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ara.numbers import number_words_to_digits
from ara.text import clean, content_words, coverage, fold, same_word, strip_invisible


@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b",
        "\u200d",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\u00ad",
        "\U000e0041",
        "\ufe0f",
        "\U000e0100",
        "\u3164",
        "\x00",
        "\x1b",
    ],
)
def test_invisible_characters_are_taken_out(hidden: str):
    assert strip_invisible(f"ho{hidden}la") == "hola"


def test_heaps_of_marks_are_cut():
    assert strip_invisible("a" + "\u0338" * 50) == "a\u0338\u0338"


def test_line_breaks_stay_and_blanks_shrink():
    assert clean("hola\u00a0\t  tú \r\n\n\n ¿qué tal?  ", 100) == "hola tú\n¿qué tal?"


@given(st.text(max_size=500), st.integers(min_value=1, max_value=100))
def test_clean_text_fits_and_is_stable(text: str, limit: int):
    once = clean(text, limit)
    assert len(once) <= limit
    assert clean(once, limit) == once


def test_folding_forgets_accents_case_and_foreign_digits():
    assert fold("Árnica ÑANDÚ １２ ٣") == "arnica nandu 12 3"


@pytest.mark.parametrize(("one", "other", "same"), [
    ("envio", "envios", True), ("envio", "envian", True), ("pago", "pagar", True), ("factura", "facturacion", False),
    ("sol", "solo", False), ("120", "1200", False), ("tila", "tilas", True), ("mano", "manzanilla", False),
])  # fmt: skip
def test_forms_of_a_word(one: str, other: str, same: bool):
    assert same_word(one, other) is same
    assert same_word(other, one) is same


def test_courtesies_do_not_count_as_content():
    assert content_words("Hola, buenas tardes, ¿me podrías decir si hacen envíos a Puebla, por favor?") == [
        "podrias", "envios", "puebla",
    ]  # fmt: skip
    assert coverage(["envios", "puebla"], ["envio"]) == 0.5
    assert coverage([], ["envio"]) == 0.0


@pytest.mark.parametrize(("words", "digits"), [
    ("mil doscientos pesos", "1200 pesos"), ("ciento veinte", "120"), ("treinta y cinco", "35"), ("dos y tres", "2 y 3"),
    ("dos tres", "2 3"), ("un frasco", "un frasco"), ("dos mil veintiseis", "2026"), ("un millon doscientos mil", "1200000"),
    ("quinientos cincuenta y cinco", "555"), ("doscientos mil quinientos", "200500"),
    ("de veinte a treinta dias", "de 20 a 30 dias"),
    ("docena", "docena"), ("", ""), ("hay 5 y seis", "hay 5 y 6"),
])  # fmt: skip
def test_numbers_in_words_become_digits(words: str, digits: str):
    assert number_words_to_digits(words) == digits
