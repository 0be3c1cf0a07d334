"""Kill the bot's process at every step, under load, and count again: nothing lost, nothing twice.

A reply whose fate is unknown may stay unsent; then its conversation waits for a person.
"""

from __future__ import annotations

import pytest

from tests.support.crash import STEPS, VARIABLE
from tests.support.load import Load, recount
from tests.support.scene import Scene


@pytest.mark.parametrize("echoes", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_bot_killed_at_any_step_loses_nothing_and_repeats_nothing(step: str, echoes: str, scene: Scene) -> None:
    await scene.simulator.settings(echoes=echoes)
    nth = 1 if echoes == "before" else 4
    victim = await scene.start_bot(**{VARIABLE: f"{step}:{nth}"})
    load = Load(scene.simulator, customers=6, messages=3)
    speaking = load.start()
    await victim.dead()
    await scene.start_bot()
    await speaking
    await recount(load, scene.database.url)
