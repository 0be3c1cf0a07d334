from __future__ import annotations

import pytest

from connectors.message import Button, Card, Media, Outgoing
from turns.replies import ReplyCollector, UnknownReply, outgoing


def test_a_response_with_everything_keeps_everything() -> None:
    reply = outgoing(
        {
            "text": "Mira",
            "buttons": [{"title": "Sí", "payload": "/afirmar"}, {"title": "Web", "url": "https://x.example"}],
            "quick_replies": [{"title": "No", "payload": "/negar"}],
            "image": "https://x.example/a.png",
            "elements": [
                {
                    "title": "Árnica",
                    "subtitle": "60 ml",
                    "image_url": "https://x.example/b.png",
                    "buttons": [{"title": "Pedir", "payload": "/p"}],
                }
            ],
        }
    )
    assert reply == Outgoing(
        text="Mira",
        buttons=(Button(title="Sí", payload="/afirmar"), Button(title="Web", url="https://x.example")),
        quick_replies=(Button(title="No", payload="/negar"),),
        media=Media(kind="image", url="https://x.example/a.png"),
        cards=(
            Card(
                title="Árnica",
                subtitle="60 ml",
                image_url="https://x.example/b.png",
                buttons=(Button(title="Pedir", payload="/p"),),
            ),
        ),
    )


def test_an_attachment_may_be_an_address_or_an_object() -> None:
    assert outgoing({"attachment": "https://x.example/a.pdf"}) == Outgoing(
        media=Media(kind="file", url="https://x.example/a.pdf")
    )
    video = {"type": "video", "payload": {"url": "https://x.example/v.mp4"}}
    assert outgoing({"attachment": video}) == Outgoing(media=Media(kind="video", url="https://x.example/v.mp4"))


async def test_effects_are_kept_apart_from_replies_in_order() -> None:
    collector = ReplyCollector("instagram")
    await collector.send_response("x", {"text": "uno", "custom": {}})
    await collector.send_response("x", {"text": None, "custom": {"effect": "handover", "reason": "queja"}})
    await collector.send_response("x", {"text": "dos"})
    assert [reply.text for reply in collector.replies] == ["uno", "dos"]
    assert collector.effects == [{"effect": "handover", "reason": "queja"}]


async def test_custom_json_that_nobody_understands_is_an_error() -> None:
    with pytest.raises(UnknownReply, match="blocks"):
        await ReplyCollector("instagram").send_response("x", {"custom": {"blocks": []}})
