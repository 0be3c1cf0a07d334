from __future__ import annotations

import pytest

from nlu.chat_spanish import Speller, after_greeting, fold, placeholder_pattern

LOOKUPS = {"producto": ["árnica", "arnika", "melena de león", "melena"], "ciudad": ["Mérida", "León"]}


@pytest.fixture
def speller() -> Speller:
    return Speller(*placeholder_pattern(LOOKUPS))


@pytest.mark.parametrize(
    ("typed", "proper"),
    [
        ("kiero komprar", "quiero comprar"),
        ("asen enbios", "hacen envíos"),
        ("aseptan targeta", "aceptan tarjeta"),
        ("q presio tiene xfa", "Que precio tiene porfavor"),
        ("yegó roto", "llegó roto"),
        ("holaaaaaa", "hola"),
        ("ke tal", "¿qué tal".removeprefix("¿")),
    ],
)
def test_the_same_words_typed_otherwise_are_the_same(speller: Speller, typed: str, proper: str) -> None:
    assert speller.words(typed) == speller.words(proper)


def test_a_product_is_a_product_whichever_it_is(speller: Speller) -> None:
    assert speller.words("cuánto cuesta la melena de león") == speller.words("cuanto cuesta la ARNIKA")


def test_the_longest_name_wins(speller: Speller) -> None:
    assert speller.words("melena de león") == ["xproductox"]
    assert speller.words("león") == ["xciudadx"]


@pytest.mark.parametrize("phone", ["5512345678", "55 1234 5678", "(55) 1234-5678", "+52 55 1234 5678"])
def test_a_phone_number_is_not_a_quantity(speller: Speller, phone: str) -> None:
    assert speller.words(f"{phone} es mi cel") == speller.words("8187654321 es mi cel")
    assert speller.words(phone) != speller.words("12")


def test_digits_and_number_words_are_the_same(speller: Speller) -> None:
    assert speller.words("quiero 2") == speller.words("quiero dos") == speller.words("quiero 40")


def test_a_skin_tone_changes_nothing(speller: Speller) -> None:
    assert speller.words("👍🏽") == speller.words("👍")


def test_an_enye_is_a_letter_of_its_own() -> None:
    assert fold("AÑO Más pingüino") == "año mas pinguino"


def test_without_lookup_tables_words_still_come_out() -> None:
    assert Speller(*placeholder_pattern({})).words("hola, árnica") == ["ola", ",", "arniqa"]


@pytest.mark.parametrize("text", ["", "   ", "\u200b", "\ufe0f", "🏽"])
def test_nothing_to_read_gives_no_words(speller: Speller, text: str) -> None:
    assert [word for word in speller.words(text) if word.strip("\u200b")] == []


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Hola, buenas tardes, precio?", "precio?"),
        ("buenas\nhacen envíos", "hacen envíos"),
        ("hola buenas!!", "hola buenas!!"),
        ("hola 👋", "hola 👋"),
        ("precio, buenas tardes", "precio, buenas tardes"),
    ],
)
def test_a_question_starts_after_its_greeting(speller: Speller, text: str, rest: str) -> None:
    assert after_greeting(speller.words(text)) == speller.words(rest)
