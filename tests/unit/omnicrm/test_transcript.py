"""A message in the terminal looks as the customer sees it."""

from __future__ import annotations

from typing import Any

from omnicrm.transcript import lines
from simulator.client import PhoneMessage


def shown(**fields: Any) -> str:
    return "\n".join(lines(PhoneMessage(**{"sender": "shop", "author": "bot", "mid": "m", "time": 0, **fields})))


def test_buttons_stand_below_a_chat_message_with_their_numbers() -> None:
    below = shown(text="¿Qué necesitas?", buttons=("Precios", "Pedido")).splitlines()[-1]
    assert below.split() == ["[cyan]\\[1", "Precios][/cyan]", "[cyan]\\[2", "Pedido][/cyan]"]


def test_a_mail_has_its_choices_in_its_words_alone() -> None:
    mail = shown(text="¿Qué necesitas?\n\n1. Precios", buttons=("Precios",), subject="Re: Hola")
    assert mail.count("Precios") == 1


def test_what_is_attached_is_named_in_spanish_whatever_the_platform_calls_it() -> None:
    assert "(imagen)" in shown(author="customer", attachments=({"type": "image/jpeg"},))
    assert "(audio)" in shown(author="customer", attachments=({"type": "audio"},))
