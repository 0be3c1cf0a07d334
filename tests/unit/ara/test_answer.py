"""Ara always answers: from the model within its sources, from the knowledge, or with a person."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ara.answer import Answer, Ara
from ara.knowledge import load
from ara.model import ModelRefused, ModelTimeout
from ara.prompt import DONT_KNOW, Line
from crm.port import CrmUnavailable

KNOWLEDGE = load()


class Shelf:
    """A database whose search always returns the same documents."""

    def __init__(self, *identifiers: str, error: Exception | None = None) -> None:
        self.rows = [
            {"id": d.id, "title": d.title, "text": d.text, "source": d.source, "tags": list(d.tags), "rank": 0.1}
            for d in map(KNOWLEDGE.document, identifiers)
            if d is not None
        ]
        self.error = error
        self.queries: list[str] = []

    async def call(self, function: str, /, **arguments: Any) -> Any:
        assert function == "omnicrm_search_knowledge"
        self.queries.append(arguments["p_query"])
        if self.error:
            raise self.error
        return self.rows


class Script:
    """A model that says what it is told to."""

    def __init__(self, say: str | Exception | Callable[[str], str]) -> None:
        self.say = say
        self.asked: list[str] = []

    async def complete(self, messages: Sequence[dict[str, str]]) -> str:
        self.asked.append(messages[-1]["content"])
        if isinstance(self.say, Exception):
            raise self.say
        return self.say(messages[0]["content"]) if callable(self.say) else self.say


def make(shelf: Shelf, model: Script | None = None, clock: Callable[[], float] = lambda: 0.0) -> Ara:
    async def crm() -> Shelf:
        return shelf

    return Ara(crm=crm, knowledge=lambda: KNOWLEDGE, model=model, clock=clock, canary=lambda: "c4n4ry")


async def ask(ara: Ara, question: str, history: Sequence[Line] = ()) -> Answer:
    return await ara.answer(question, conversation="ig:1:2", history=history)


async def test_without_a_model_the_knowledge_is_quoted_word_for_word():
    answer = await ask(make(Shelf("envio/envios", "pago/formas-de-pago")), "hacen envios?")
    assert (answer.way, answer.text) == ("knowledge", KNOWLEDGE.document("envio/envios").text)
    assert answer.sources == ("envio/envios",)


async def test_the_most_relevant_document_is_quoted_not_the_first():
    answer = await ask(make(Shelf("envio/envios", "envio/envios-al-extranjero")), "envíos al extranjero")
    assert answer.sources == ("envio/envios-al-extranjero",)


@pytest.mark.parametrize(
    "question", ["¿quién ganó el partido de ayer?", "me vendes tacos al pastor con envío de salsa roja picante"]
)
async def test_what_is_not_relevant_enough_goes_to_a_person(question: str):
    answer = await ask(make(Shelf("envio/envios")), question)
    assert (answer.text, answer.way, answer.handover) == (None, "handover", True)


async def test_a_misspelt_product_is_searched_by_its_name():
    shelf = Shelf("producto/arnica")
    answer = await ask(make(shelf), "arnika")
    assert (shelf.queries, answer.sources) == (["arnika Árnica"], ("producto/arnica",))


@pytest.mark.parametrize("question", ["", "   ", "👍", "???", "\u200b"])
async def test_nothing_to_answer_asks_for_words(question: str):
    answer = await ask(make(Shelf()), question)
    assert (answer.text, answer.way, answer.handover) == (None, "clarify", False)


async def test_the_model_answers_from_the_sources():
    model = Script("La árnica cuesta $120.")
    answer = await ask(make(Shelf("producto/arnica"), model), "precio de la arnica", [Line("customer", "hola")])
    assert (answer.way, answer.text, answer.sources) == ("model", "La árnica cuesta $120.", ("producto/arnica",))
    assert "$120" in model.asked[0]
    assert "hola" in model.asked[0]


@pytest.mark.parametrize("said", [
    "La árnica cuesta $99.", "Llama al 55 1234 5678", "Mira https://x.mx", "Cura todo", "**$120**", "clave c4n4ry", "",
    DONT_KNOW, f"{DONT_KNOW}.", "x" * 5000, ModelTimeout("slow"), ModelRefused("401"), RuntimeError("boom"),
    lambda system: system,
])  # fmt: skip
async def test_a_model_that_fails_or_strays_gives_way_to_the_knowledge(said: Any):
    answer = await ask(make(Shelf("producto/arnica"), Script(said)), "qué es la árnica")
    assert (answer.way, answer.text) == ("knowledge", KNOWLEDGE.document("producto/arnica").text)


async def test_a_model_that_fails_with_nothing_known_gives_way_to_a_person():
    assert (await ask(make(Shelf(), Script(ModelTimeout("slow"))), "¿venden perritos?")).handover


async def test_small_talk_needs_no_sources():
    answer = await ask(make(Shelf(), Script("¡Ja, ja! Soy mejor con extractos. ¿Te ayudo con alguno?")), "cuéntame un chiste")
    assert answer.way == "model"


@pytest.mark.parametrize("error", [CrmUnavailable("down"), RuntimeError("bug"), asyncio.TimeoutError()])
async def test_without_the_database_a_person_answers(error: Exception):
    answer = await ask(make(Shelf(error=error)), "hacen envíos?")
    assert (answer.way, answer.reason) == ("handover", "la base de datos no responde")


@pytest.mark.parametrize("rows", [None, [None], [{}], "x", 3])
async def test_a_senseless_search_result_is_survived(rows: Any):
    shelf = Shelf()
    shelf.rows = rows
    assert (await ask(make(shelf), "hacen envíos?")).handover


async def test_a_document_that_only_the_database_knows_is_quoted():
    shelf = Shelf()
    shelf.rows = [
        {"id": "otros/nuevo", "title": "Estacionamiento", "text": "Hay lugar en la calle.", "source": "otros.yml", "tags": None}
    ]
    assert (await ask(make(shelf), "¿tienen estacionamiento?")).text == "Hay lugar en la calle."


async def test_a_model_that_keeps_failing_is_not_asked():
    now = 0.0
    model = Script(ModelTimeout("slow"))
    ara = make(Shelf("producto/arnica"), model, clock=lambda: now)
    for _ in range(6):
        assert (await ask(ara, "qué es la árnica")).way == "knowledge"
    assert len(model.asked) == 3
    now, model.say = 30.0, "Es un extracto."
    assert (await ask(ara, "qué es la árnica")).way == "model"


async def test_one_conversation_cannot_ask_the_model_without_end():
    model = Script("Es un extracto.")
    ara = make(Shelf("producto/arnica"), model)
    ways = [(await ask(ara, "qué es la árnica")).way for _ in range(31)]
    assert (ways.count("model"), ways[-1]) == (30, "knowledge")


async def test_no_text_of_a_customer_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    for model in (None, Script("La árnica cuesta $77"), Script(RuntimeError("árnica-secreta"))):
        await ask(make(Shelf("producto/arnica"), model), "árnica-secreta")
    assert "secreta" not in caplog.text
    assert "$77" not in caplog.text
