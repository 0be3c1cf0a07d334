"""Kill the bot's process at every step, under load, and count again: nothing lost, nothing twice.

A reply whose fate is unknown may stay unsent; then its conversation waits for a person.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.support.crash import STEPS, VARIABLE
from tests.support.load import Load, recount
from tests.support.scene import Scene

MESSAGES = 3
# Until a bot's first answer is committed, nothing of it can be on its way out.
NOTHING_LEFT = STEPS[: STEPS.index("after omnicrm_answer")]


@pytest.mark.parametrize("step", STEPS)
async def test_a_bot_killed_at_any_step_loses_nothing_and_repeats_nothing(
    step: str, scene: Scene, second_scene: Scene
) -> None:
    """Twice at the same time: as the first thing it does, with no echo to tell what was sent; and in the midst of work."""
    await asyncio.gather(dies(scene, step, passing=1, echoes="off"), dies(second_scene, step, passing=4, echoes="after"))


async def dies(scene: Scene, step: str, *, passing: int, echoes: str) -> None:
    """One bot dies at the step, another takes over, everything is counted."""
    await scene.simulator.settings(echoes=echoes)
    victim = await scene.start_bot(**{VARIABLE: f"{step}:{passing}"})
    load = Load(scene.simulator, customers=6, messages=MESSAGES)
    speaking = load.start()
    await victim.dead()
    await scene.start_bot()
    await speaking
    counted = await recount(load, scene.database.url)
    # Of each customer one message can have been on its way; a mail may hold all that was said.
    under_way = sum(MESSAGES if channel == "email" else 1 for channel, _ in load.people)
    assert counted["left to a person"] <= (0 if passing == 1 and step in NOTHING_LEFT else under_way)
