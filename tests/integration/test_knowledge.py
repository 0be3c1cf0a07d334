"""The knowledge in a real database: replaced only when it changed, found by what customers write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from actions.ask import ActionAra
from actions.services import SharedServices
from actions.session import ActionSessionStart
from ara.answer import Ara
from ara.knowledge import load, sync
from crm.port import Crm
from omnicrm.settings import Settings
from tests.unit.actions.conftest import make_tracker, run

QUESTIONS = YAML(typ="safe", pure=True).load(Path("tests/fixtures/ara/questions.yml").read_text(encoding="utf-8"))
KNOWLEDGE = load()


@pytest.fixture
async def ara(crm: Crm) -> Ara:
    await sync(crm, KNOWLEDGE)

    async def opened() -> Crm:
        return crm

    return Ara(crm=opened, knowledge=lambda: KNOWLEDGE)


async def test_the_stored_knowledge_changes_only_with_the_files(crm: Crm):
    assert await sync(crm, KNOWLEDGE) is True
    assert await sync(crm, KNOWLEDGE) is False
    fewer = replace(KNOWLEDGE, documents=KNOWLEDGE.documents[:2])
    assert await sync(crm, fewer) is True
    found = await crm.call("omnicrm_search_knowledge", p_query="árnica lavanda envío mayoreo devoluciones", p_limit=50)
    assert {row["id"] for row in found} <= {document.id for document in fewer.documents}


async def test_ara_finds_the_answers_to_what_customers_write(ara: Ara):
    wrong = []
    for question, expected in QUESTIONS["answered"].items():
        answer = await ara.answer(question, conversation="ig:1:2")
        if answer.sources != (expected,):
            wrong.append((question, expected, answer.sources))
    assert wrong == []


async def test_ara_does_not_quote_what_was_not_asked(ara: Ara):
    wrong = []
    for question in QUESTIONS["unknown"]:
        answer = await ara.answer(question, conversation="ig:1:2")
        if not answer.handover:
            wrong.append((question, answer.sources))
    assert wrong == []


async def test_ara_asks_back_where_nothing_was_said_yet(ara: Ara):
    ways = {question: (await ara.answer(question, conversation="ig:1:2")).way for question in QUESTIONS["unclear"]}
    assert ways == dict.fromkeys(QUESTIONS["unclear"], "clarify")


@pytest.mark.parametrize("question", [
    "'; drop table omnicrm.knowledge; --", "a & b | !c <-> (d)", "\\", "'''", "::tsquery", "x" * 5000, "\u0000hola",
    "%_%", "árnica:*",
])  # fmt: skip
async def test_no_question_breaks_the_search(ara: Ara, crm: Crm, question: str):
    answer = await ara.answer(question, conversation="ig:1:2")
    assert answer.reason != "la base de datos no responde"
    assert answer.reason != "Ara falló"
    assert await crm.call("omnicrm_search_knowledge", p_query="árnica", p_limit=1)


async def test_actions_work_over_the_real_port(settings: Settings):
    services = SharedServices(settings=lambda: settings)
    try:
        started = await run(ActionSessionStart(services), make_tracker(sender="ig:17841:99"))
        assert started.slots == {"cliente_nombre": None, "cliente_nuevo": True}
        again = await run(ActionSessionStart(services), make_tracker(sender="ig:17841:99"))
        assert again.slots["cliente_nuevo"] is False
        shell = await run(ActionSessionStart(services), make_tracker(sender="default"))
        assert shell.slots["cliente_nuevo"] is True
        answered = await run(ActionAra(services), make_tracker("¿aceptan devoluciones?", "nlu_fallback"))
        assert answered.said == [KNOWLEDGE.document("devoluciones/devoluciones-y-cambios").text]
    finally:
        await (await services.crm()).close()


async def test_without_the_database_actions_still_answer(postgres_server):
    services = SharedServices(settings=lambda: Settings(database_url="postgresql://nobody@127.0.0.1:9/none"))
    started = await run(ActionSessionStart(services), make_tracker(sender="ig:17841:99"))
    assert [started.events[0]["event"], started.events[-1]["name"]] == ["session_started", "action_listen"]
    answered = await run(ActionAra(services), make_tracker("¿aceptan devoluciones?", "nlu_fallback"))
    assert answered.said == ["utter_no_se"]
    await (await services.crm()).close()
