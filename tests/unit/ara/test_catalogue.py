"""A customer's words lead to the products they mean."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ara.catalogue import Product, find_products, money
from ara.knowledge import load

PRODUCTS = load().products


def names(text: str) -> list[str]:
    return [product.name for product in find_products(text, PRODUCTS)]


@pytest.mark.parametrize(("typed", "found"), [
    ("¿cuánto cuesta la árnica?", ["Árnica"]),
    ("ARNICA", ["Árnica"]),
    ("arnicas", ["Árnica"]),
    ("arnika", ["Árnica"]),
    ("harnica", ["Árnica"]),
    ("quiero balerianna", ["Valeriana"]),
    ("aswaganda", ["Ashwagandha"]),
    ("tienen aloe vera?", ["Sábila"]),
    ("flor de la pasion", ["Pasiflora"]),
    ("melena", ["Melena de león"]),
    ("diente de leon y melena de leon", ["Diente de león", "Melena de león"]),
    ("árnica y lavanda", ["Árnica", "Lavanda"]),
    ("camomila", ["Manzanilla"]),
    ("manzana", []),
    ("soy valeria", []),
    ("voy a león", []),
    ("hola", []),
    ("", []),
])  # fmt: skip
def test_words_lead_to_products(typed: str, found: list[str]):
    assert names(typed) == found


def test_a_name_that_fits_several_finds_them_all_and_the_full_name_finds_one():
    small, large = (Product(name=f"Árnica {size} ml", other_names=("árnica",)) for size in (30, 60))
    assert find_products("árnica", [small, large]) == [small, large]
    assert find_products("árnica 60 ml", [small, large]) == [large]


def test_a_very_long_text_is_read_in_time():
    assert names("x " * 100_000 + "árnica") == []


def test_prices_are_written_as_in_mexico():
    assert [money(Decimal(n)) for n in ("120", "1200", "99.5", "1234.56")] == ["$120", "$1,200", "$99.50", "$1,234.56"]


def test_a_product_is_told_without_stock_figures():
    product = Product(name="Árnica", presentation="frasco de 60 ml", price=Decimal(120), description="Extracto de árnica.")
    assert product.say_price() == "Árnica (frasco de 60 ml): $120."
    assert product.say_all() == "Árnica: extracto de árnica. Frasco de 60 ml, $120. Sí tenemos."
    assert product.say_availability() == "Sí tenemos. Árnica (frasco de 60 ml): $120."
    assert Product(name="Tila", availability="no").say_availability() == "Por ahora no tenemos Tila, se nos agotó."
    assert Product(name="Tila").say_price() == "Tila: precio por confirmar."
