"""The bodies of Whapi's send calls, and what a rich message becomes on WhatsApp."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.fit import fit
from connectors.message import BadPayload, Button, Card, Json, Media, Outgoing
from connectors.whapi.capabilities import INTERACTIVE, TEXT
from connectors.whapi.render import render, typing_time

CHAT = "5215512345678@s.whatsapp.net"
SI, NO = Button(title="Sí", payload="/si"), Button(title="No", payload="/no")
SHOP = Button(title="Tienda", url="https://x.example")


def options(count: int) -> tuple[Button, ...]:
    return tuple(Button(title=f"Opción {n}", payload=f"/o{n}") for n in range(1, count + 1))


@pytest.mark.parametrize(
    ("message", "path", "body"),
    [
        (Outgoing(text="Hola"), "messages/text", {"body": "Hola", "typing_time": 1.0}),
        (
            Outgoing(text="¿Confirmas?", buttons=(SI, NO)),
            "messages/interactive",
            {
                "type": "button",
                "body": {"text": "¿Confirmas?"},
                "action": {
                    "buttons": [
                        {"type": "quick_reply", "title": "Sí", "id": "/si"},
                        {"type": "quick_reply", "title": "No", "id": "/no"},
                    ]
                },
            },
        ),
        (
            Outgoing(text="Elige", quick_replies=options(4)),
            "messages/interactive",
            {
                "type": "list",
                "body": {"text": "Elige"},
                "action": {
                    "list": {
                        "label": "Ver opciones",
                        "sections": [
                            {
                                "title": "Opciones",
                                "rows": [
                                    {"id": "/o1", "title": "Opción 1"},
                                    {"id": "/o2", "title": "Opción 2"},
                                    {"id": "/o3", "title": "Opción 3"},
                                    {"id": "/o4", "title": "Opción 4"},
                                ],
                            }
                        ],
                    }
                },
            },
        ),
        (Outgoing(media=Media(kind="image", url="https://x/a.png")), "messages/image", {"media": "https://x/a.png"}),
        (Outgoing(media=Media(kind="video", url="https://x/a.mp4")), "messages/video", {"media": "https://x/a.mp4"}),
        (Outgoing(media=Media(kind="audio", url="https://x/a.mp3")), "messages/audio", {"media": "https://x/a.mp3"}),
        (
            Outgoing(media=Media(kind="file", url="https://x/d/lista%20de%20precios.pdf?v=2")),
            "messages/document",
            {"media": "https://x/d/lista%20de%20precios.pdf?v=2", "filename": "lista de precios.pdf"},
        ),
        (Outgoing(media=Media(kind="file", url="https://x/")), "messages/document", {"media": "https://x/"}),
        # What is numbered in the text stays on our side.
        (Outgoing(text="1. Sí", choices=(SI,)), "messages/text", {"body": "1. Sí", "typing_time": 1.0}),
    ],
    ids=["text", "buttons", "list", "image", "video", "audio", "document", "nameless document", "choices"],
)
def test_message_becomes_its_request(message: Outgoing, path: str, body: Json) -> None:
    assert render(CHAT, message) == (path, {"to": CHAT, **body})


def test_up_to_three_quick_replies_are_buttons_and_a_long_text_needs_a_list() -> None:
    assert render(CHAT, Outgoing(text="¿Cuál?", quick_replies=options(3)))[1]["type"] == "button"
    assert render(CHAT, Outgoing(text="¿Cuál?" * 300, quick_replies=options(3)))[1]["type"] == "list"


def test_two_buttons_that_do_the_same_are_one() -> None:
    _, body = render(CHAT, Outgoing(text="¿Sí?", buttons=(SI, Button(title="Claro", payload="/si"), NO)))
    assert [(button["id"], button["title"]) for button in body["action"]["buttons"]] == [("/si", "Sí"), ("/no", "No")]


def test_a_quote_goes_with_any_kind_of_message() -> None:
    messages = (Outgoing(text="a"), Outgoing(text="a", buttons=(SI,)), Outgoing(media=Media(kind="image", url="https://x/a.png")))
    assert all(render(CHAT, message, quoted="m_1-aaaa")[1]["quoted"] == "m_1-aaaa" for message in messages)


def test_nothing_is_not_sent() -> None:
    with pytest.raises(BadPayload):
        render(CHAT, Outgoing(buttons=(SI,)))


@given(st.text(max_size=5000), st.floats(0, 1, exclude_max=True))
def test_writing_takes_one_to_three_seconds(text: str, jitter: float) -> None:
    assert 1.0 <= typing_time(text, jitter) <= 3.0


def test_long_texts_take_longer_and_no_two_take_the_same() -> None:
    assert typing_time("Hola", 0.5) < typing_time("Hola " * 30, 0.5) < typing_time("Hola " * 60, 0.5)
    assert len({typing_time("Hola " * 30, jitter / 10) for jitter in range(10)}) > 5


# --- what fit makes of a message for this channel --------------------------------------------------------------------------


def sent(message: Outgoing, capabilities: object = INTERACTIVE) -> list[tuple[str, Json]]:
    return [render(CHAT, part) for part in fit(message, capabilities)]  # type: ignore[arg-type]


def test_links_are_lines_of_text_beside_buttons() -> None:
    [(path, body)] = sent(Outgoing(text="¿Qué sigue?", buttons=(SI, SHOP)))
    assert path == "messages/interactive"
    assert body["body"]["text"] == "¿Qué sigue?\n\nTienda: https://x.example"
    assert [button["id"] for button in body["action"]["buttons"]] == ["/si"]


@pytest.mark.parametrize(("count", "kind"), [(1, "button"), (3, "button"), (4, "list"), (10, "list")])
def test_choices_are_buttons_or_a_list_by_their_number(count: int, kind: str) -> None:
    [(_, body)] = sent(Outgoing(text="¿Cuál?", buttons=options(count)))
    assert body["type"] == kind


def test_more_choices_than_a_list_has_rows_are_numbered_lines() -> None:
    [(path, body)] = sent(Outgoing(text="¿Cuál?", buttons=options(11)))
    assert path == "messages/text" and "11. Opción 11" in body["body"]


def test_where_buttons_are_not_wanted_all_choices_are_numbered_lines() -> None:
    [(path, body)] = sent(Outgoing(text="¿Confirmas?", buttons=(SI, NO)), TEXT)
    assert (path, body["body"]) == ("messages/text", "¿Confirmas?\n\n1. Sí\n2. No")


def test_titles_stay_within_whapis_limits_and_apart() -> None:
    long = tuple(Button(title="Pomada de árnica con romero y caléndula " + end, payload=end) for end in "abcd")
    for count, limit in ((3, 25), (4, 24)):
        [(_, body)] = sent(Outgoing(text="¿Cuál?", buttons=long[:count]))
        lists = body["action"]["list"]["sections"][0]["rows"] if count > 3 else body["action"]["buttons"]
        titles = [item["title"] for item in lists]
        assert len(set(titles)) == count and all(len(title) <= limit for title in titles)


def test_a_text_over_the_limit_goes_out_in_parts() -> None:
    parts = sent(Outgoing(text="palabra " * 1200))
    assert len(parts) == 3 and all(len(body["body"]) <= 4096 for _, body in parts)


def test_a_carousel_is_pictures_texts_and_buttons() -> None:
    order = {name: (Button(title="Pedir", payload=f"/pedir_{name}"),) for name in "ab"}
    cards = tuple(Card(title=name, image_url=f"https://x/{name}.png", buttons=order[name]) for name in order)
    paths = [path for path, _ in sent(Outgoing(cards=cards))]
    assert paths == ["messages/image", "messages/interactive", "messages/image", "messages/interactive"]
