"""The bodies of the Send API."""

from __future__ import annotations

import pytest

from connectors.message import BadPayload, Button, Card, Json, Media, Outgoing
from connectors.meta.render import action_body, message_body, send_body

PEDIR = Button(title="Pedir", payload="/hacer_pedido")
TIENDA = Button(title="Tienda", url="https://x.example")


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (Outgoing(text="Hola"), {"text": "Hola"}),
        (
            Outgoing(text="¿Cuál?", quick_replies=(PEDIR, Button(title="Sí"))),
            {
                "text": "¿Cuál?",
                "quick_replies": [
                    {"content_type": "text", "title": "Pedir", "payload": "/hacer_pedido"},
                    {"content_type": "text", "title": "Sí", "payload": "Sí"},
                ],
            },
        ),
        (
            Outgoing(text="¿Qué sigue?", buttons=(PEDIR, TIENDA)),
            {
                "attachment": {
                    "type": "template",
                    "payload": {
                        "template_type": "button",
                        "text": "¿Qué sigue?",
                        "buttons": [
                            {"type": "postback", "title": "Pedir", "payload": "/hacer_pedido"},
                            {"type": "web_url", "title": "Tienda", "url": "https://x.example"},
                        ],
                    },
                }
            },
        ),
        (
            Outgoing(media=Media(kind="image", url="https://x.example/a.png")),
            {"attachment": {"type": "image", "payload": {"url": "https://x.example/a.png"}}},
        ),
        (
            Outgoing(
                cards=(
                    Card(title="Árnica", subtitle="$120", image_url="https://x/a.png", url="https://x/a", buttons=(PEDIR,)),
                    Card(title="Romero", subtitle="$90"),
                )
            ),
            {
                "attachment": {
                    "type": "template",
                    "payload": {
                        "template_type": "generic",
                        "elements": [
                            {
                                "title": "Árnica",
                                "subtitle": "$120",
                                "image_url": "https://x/a.png",
                                "default_action": {"type": "web_url", "url": "https://x/a"},
                                "buttons": [{"type": "postback", "title": "Pedir", "payload": "/hacer_pedido"}],
                            },
                            {"title": "Romero", "subtitle": "$90"},
                        ],
                    },
                }
            },
        ),
        # What is numbered in the text stays on our side.
        (Outgoing(text="1. Pedir", choices=(PEDIR,)), {"text": "1. Pedir"}),
    ],
    ids=["text", "quick replies", "buttons", "image", "cards", "choices"],
)
def test_message_becomes_its_body(message: Outgoing, body: Json) -> None:
    assert message_body(message) == body


def test_an_answer_says_so_and_carries_our_reference() -> None:
    assert send_body("53", Outgoing(text="Hola"), "omnicrm:7") == {
        "recipient": {"id": "53"},
        "messaging_type": "RESPONSE",
        "message": {"text": "Hola", "metadata": "omnicrm:7"},
    }
    assert "metadata" not in send_body("53", Outgoing(text="Hola"))["message"]


def test_a_sender_action_is_a_request_of_its_own() -> None:
    assert action_body("53", "typing_on") == {"recipient": {"id": "53"}, "sender_action": "typing_on"}


def test_nothing_is_not_sent() -> None:
    with pytest.raises(BadPayload):
        message_body(Outgoing(buttons=(PEDIR,)))
