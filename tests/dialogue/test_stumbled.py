"""A turn that cannot be decided ends in an apology and a person; outside business hours also in when one answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from connectors.message import Address
from turns.incoming import next_turn
from turns.model import Claimed, Received, TurnInput

if TYPE_CHECKING:
    from rasa.core.agent import Agent

ADDRESS = Address(channel="IG", account="1", user="2")
WORK = Claimed(
    thread=1, token=1, key=ADDRESS.key, address=ADDRESS, inbound=(), dialogue={"events": []}, attempts=4, opted_out=False,
    needs_profile=False, choices=(),
)  # fmt: skip


@pytest.mark.parametrize(("opens", "replies"), [(None, 1), ("mañana a las 9:00", 2)])
async def test_whoever_the_bot_cannot_answer_is_told_when_a_person_can(agent: Agent, opens: str | None, replies: int) -> None:
    from turns.dialogue import RasaDialogue

    result = RasaDialogue(agent, 25.0, lambda: opens).stumbled(WORK)
    assert len(result.replies) == replies
    assert (opens or "") in (result.replies[-1].text or "")
    assert "{" not in "".join(reply.text or "" for reply in result.replies)
    assert [effect["effect"] for effect in result.effects] == ["handover"]
    assert result.dialogue == WORK.dialogue


def several(*texts: str, opted_out: bool = False) -> tuple[Claimed, TurnInput]:
    """Messages that make one turn."""
    inbound = tuple(Received(id=number, kind="text", text=text) for number, text in enumerate(texts, 1))
    return replace(WORK, inbound=inbound, opted_out=opted_out), next_turn(inbound)


# No action server is there: every other turn ends in an apology.
@pytest.mark.parametrize(
    ("texts", "opted_out", "effect", "response"),
    [
        (["BAJA"], False, "opt_out", "utter_baja_confirmada"),
        (["BAJA", "gracias"], False, "opt_out", "utter_baja_confirmada"),
        (["quiero 3 frascos de árnica", "ya no me escriban", "ok"], False, "opt_out", "utter_baja_confirmada"),
        (["ALTA", "hola"], True, "opt_in", "utter_alta_confirmada"),
        (["BAJA", "ALTA", "quiero pedir árnica"], True, "opt_in", "utter_alta_confirmada"),
        (["dame de baja", "no, sí quiero recibir sus mensajes"], False, "opt_in", "utter_alta_confirmada"),
        (["ALTA", "cuánto cuesta el árnica?"], False, "handover", "utter_tropiezo"),
    ],
)
async def test_baja_and_alta_count_beside_other_words_and_without_actions(
    agent: Agent, texts: list[str], opted_out: bool, effect: str, response: str
) -> None:
    from turns.dialogue import RasaDialogue

    assert agent.processor is not None
    result = await RasaDialogue(agent, 25.0).run(*several(*texts, opted_out=opted_out), "instagram")
    assert [e["effect"] for e in result.effects] == [effect]
    assert result.replies[0].text == agent.processor.domain.responses[response][0]["text"]
    assert result.dialogue == WORK.dialogue


@pytest.mark.parametrize("texts", [("hola", "BAJA", "gracias"), ("alta", "baja"), ("hola", "gracias")])
async def test_who_opted_out_is_not_answered_whatever_comes_in_one_turn(agent: Agent, texts: tuple[str, ...]) -> None:
    from turns.dialogue import RasaDialogue

    result = await RasaDialogue(agent, 25.0).run(*several(*texts, opted_out=True), "instagram")
    assert (result.silent, result.replies, result.effects) == ("opted_out", (), ())


@pytest.mark.parametrize(
    ("confidence", "opted_out", "effect"), [(0.5, False, "handover"), (0.5, True, "opt_in"), (0.7, False, "opt_in")]
)
async def test_who_never_left_comes_back_only_where_that_is_surely_meant(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, confidence: float, opted_out: bool, effect: str
) -> None:
    from turns.dialogue import RasaDialogue

    assert agent.processor is not None
    parsed = await agent.parse_message("alta")

    async def unsure(message: object) -> dict[str, object]:
        return {**parsed, "intent": {**parsed["intent"], "confidence": confidence}}

    monkeypatch.setattr(agent.processor, "parse_message", unsure)
    result = await RasaDialogue(agent, 25.0).run(*several("quiero el kit", opted_out=opted_out), "instagram")
    assert [e["effect"] for e in result.effects] == [effect]
