from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turns.incoming import MAX_TEXT, chosen_payload, next_turn, plain_text
from turns.model import Received


def text(message_id: int, words: str | None, **fields: object) -> Received:
    return Received(id=message_id, kind=str(fields.pop("kind", "text")), text=words, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [
        "/restart",
        "  /restart",
        "//restart",
        "\t/ /restart",
        "\u200b/restart",
        "\ufeff/restart",
        "\u2060\u200e/restart",
        "\x00/restart",
        "\u00a0/restart",
        "\u3000/restart",
        "\u00ad/restart",
        "\u034f/restart",
        "/\n/restart",
    ],
)
def test_a_command_typed_by_a_customer_loses_its_slash(words: str) -> None:
    assert plain_text(words) == "restart"
    assert next_turn([text(1, words)]).text == "restart"


@given(st.text())
def test_no_text_of_a_customer_ever_begins_with_a_slash(words: str) -> None:
    assert not plain_text(words).strip().startswith("/")
    assert len(plain_text(words)) <= MAX_TEXT


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_joined_texts_begin_with_no_slash_but_the_one_for_attachments(lines: list[str]) -> None:
    turn = next_turn([text(i, line) for i, line in enumerate(lines)])
    assert not turn.text.strip().startswith("/") or turn.text == '/adjunto{"adjunto": "desconocido"}'


def test_texts_in_a_burst_become_one_turn() -> None:
    turn = next_turn([text(1, "hola"), text(2, "cuánto cuesta la árnica?")])
    assert turn.message_ids == (1, 2)
    assert turn.text == "hola\ncuánto cuesta la árnica?"


def test_a_tap_is_never_joined() -> None:
    waiting = [text(1, "hola"), text(2, "Precios", payload="/preguntar_precio", issued=True), text(3, "gracias")]
    assert next_turn(waiting).message_ids == (1,)
    assert next_turn(waiting[1:]).message_ids == (2,)
    assert next_turn(waiting[1:]).text == "/preguntar_precio"
    assert next_turn(waiting[2:]).text == "gracias"


def test_a_payload_that_we_did_not_issue_is_only_its_words() -> None:
    turn = next_turn([text(1, None, payload="/restart", title="Empezar")])
    assert turn.text == "Empezar"


def test_a_payload_that_we_did_not_issue_and_has_no_words_is_an_unknown_thing() -> None:
    assert next_turn([text(1, None, payload="/restart")]).text == '/adjunto{"adjunto": "desconocido"}'


@pytest.mark.parametrize(
    ("kind", "intent", "word"),
    [
        ("image", "adjunto", "imagen"),
        ("audio", "adjunto", "audio"),
        ("sticker", "gesto", "sticker"),
        ("location", "adjunto", "ubicacion"),
        ("story_mention", "gesto", "mencion_historia"),
        ("story_reply", "gesto", "respuesta_historia"),
        ("never heard of", "adjunto", "desconocido"),
    ],
)
def test_a_message_without_words_reaches_the_dialogue_as_what_it_is(kind: str, intent: str, word: str) -> None:
    turn = next_turn([text(1, None, kind=kind)])
    assert turn.text == f'/{intent}{{"adjunto": "{word}"}}'


def test_an_image_with_a_caption_is_the_caption() -> None:
    turn = next_turn([text(1, None, kind="image"), text(2, "tienen de esta?")])
    assert turn.text == "tienen de esta?"
    assert turn.metadata == {"messages": [1, 2], "kinds": ["image"]}


CHOICES = [{"title": "Ver precios", "payload": "/preguntar_precio"}, {"title": "Pedir", "payload": "/hacer_pedido"}]


@pytest.mark.parametrize(
    ("words", "payload"),
    [
        ("2", "/hacer_pedido"),
        (" 2. ", "/hacer_pedido"),
        ("la segunda", "/hacer_pedido"),
        ("La Segunda", "/hacer_pedido"),
        ("opción 1", "/preguntar_precio"),
        ("ver  PRECIOS", "/preguntar_precio"),
        ("uno", "/preguntar_precio"),
    ],
)
def test_a_numbered_choice_is_understood(words: str, payload: str) -> None:
    assert next_turn([text(1, words)], CHOICES).text == payload


@pytest.mark.parametrize("words", ["3", "0", "99", "quiero 2 frascos", "", "segundo piso", "-1"])
def test_other_words_are_no_choice(words: str) -> None:
    assert chosen_payload(words, CHOICES) is None
