"""A turn that cannot be decided ends in an apology and a person; outside business hours also in when one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.message import Address
from turns.model import Claimed

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
