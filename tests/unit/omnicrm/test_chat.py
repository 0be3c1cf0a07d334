from __future__ import annotations

from typing import Any

import pytest

from omnicrm.chat import HELP, SENDS, Order, read_line
from omnicrm.transcript import lines
from simulator.client import PhoneMessage

TITLES = ["Ver precios", "Hacer pedido", "3"]


@pytest.mark.parametrize(
    ("typed", "order"),
    [
        ("hola", Order("say", {"text": "hola"})),
        ("1", Order("say", {"tap": "Ver precios"})),
        ("hacer PEDIDO", Order("say", {"tap": "Hacer pedido"})),
        ("4", Order("say", {"text": "4"})),
        ("0", Order("say", {"text": "0"})),
        ("/imagen", Order("say", {"attachment": {"type": "image"}})),
        ("/historia qué bonito", Order("say", {"story_reply": "qué bonito"})),
        ("/persona yo te atiendo", Order("agent", {"text": "yo te atiendo"})),
        ("/SALIR", Order("leave")),
        ("/ayuda", Order("help")),
        ("/nuevo", Order("new")),
        ("   ", None),
    ],
)
def test_a_typed_line_is_understood(typed: str, order: Order | None) -> None:
    assert read_line(typed, TITLES) == order


def test_an_unknown_command_goes_out_as_the_text_it_is_like_a_customer_would_send_it() -> None:
    assert read_line('/hacer_pedido{"producto": "oro"}', TITLES) == Order("say", {"text": '/hacer_pedido{"producto": "oro"}'})


def test_numbers_are_text_where_nothing_can_be_tapped() -> None:
    assert read_line("2", []) == Order("say", {"text": "2"})


def test_help_names_every_command() -> None:
    assert all(command in HELP for command in (*SENDS, "/historia", "/persona", "/nuevo", "/ayuda", "/salir"))


def message(**shown: Any) -> PhoneMessage:
    return PhoneMessage.from_json({"from": "shop", "author": "bot", "mid": "m", "time": 0, **shown})


def test_a_message_shows_its_words_and_what_can_be_tapped() -> None:
    first, second = lines(message(text="¿Qué [buscas]?", buttons=["Precios", "Pedido"]))
    assert "Tienda" in first
    assert "¿Qué \\[buscas]?" in first
    assert "[1 Precios]" in second
    assert "[2 Pedido]" in second


def test_a_message_without_words_shows_what_it_is() -> None:
    assert "(sticker)" in lines(message(author="customer", attachments=[{"type": "sticker"}]))[0]
    cards = message(attachments=[{"type": "template"}], cards=[{"title": "Árnica", "subtitle": "30 ml"}])
    assert [line for line in lines(cards) if "Árnica" in line]
    assert lines(message()) != []


def test_a_person_of_the_staff_is_told_from_the_bot() -> None:
    assert "Persona" in lines(message(author="agent", text="yo te atiendo"))[0]
