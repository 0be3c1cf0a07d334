"""What a sentence says beside its intent."""

from __future__ import annotations

import pytest

from actions.reading import about_order_made, before_addition, begins_with_yes, wants_both


@pytest.mark.parametrize("said", [
    "quiero devolver 1 valeriana", "kiero debolber 2", "regrésenme 1 arnica", "llegó rota una", "venían 2 rotos",
    "me yego 1 roto", "me faltan 2 arnicas", "faltó 1", "me mandaron 2",
    "el lunes compré 2", "pedi 1 tila", "hace un mes les encargué 2",
    "ya te había pedido 2", "ya pagué 2", "quita 1 de mi pedido", "kita 1", "cancélame 2", "ya no me mandes 1", "me cobraron 2",
    "no me sirvió, mándame 1", "me cambian 1 arnica por tila", "quiero cambiar 2",
])  # fmt: skip
def test_an_order_that_was_made(said: str):
    assert about_order_made(said, ordering=False)


@pytest.mark.parametrize("said", [
    "quiero 2 valerianas", "me hace falta una tila", "me hacen falta 2 arnicas", "me faltan 2 de árnica para completar",
    "llego por 2 en la tarde", "quiero pedir 2", "voy a comprar 2", "encárgame 1", "dame 2, ya no tengo", "mándame 2 a mi casa",
    "agrega 1 a mi pedido", "mi pedido es 2 de tila", "pido dos", "una para regalar", "",
])  # fmt: skip
def test_a_plain_order(said: str):
    assert not about_order_made(said, ordering=False)
    assert not about_order_made(said, ordering=True)


@pytest.mark.parametrize(("said", "before"), [
    ("2 y una de tila", "2 "), ("Una, y dos árnicas", "una "), ("y romero", ""), ("ponle también romero", ""),
    ("dos, aparte una tila", "2 "), ("quiero treinta y cinco de tila", None), ("docena y media", None),
    ("treinta y cinco y una de tila", "35 "), ("2 y una de tila, no se te olvide", "2 "),
    ("tila", None), ("mejor tila y ya", None), ("no, tila y ya", None), ("", None),
    ("cámbiala por tila y ya", None),
])  # fmt: skip
def test_what_comes_before_an_addition(said: str, before: str | None):
    assert before_addition(said) == before


def test_both_and_yes():
    assert wants_both("quiero las dos") and wants_both("las 2 porfa") and wants_both("ambas") and not wants_both("quiero dos")
    assert begins_with_yes("Sí, pero me llamo Ana") and not begins_with_yes("mi nombre, sí") and not begins_with_yes("")
