"""Kill the bot's process at every step, under load, and count again: nothing lost, nothing twice.

A reply whose fate is unknown may stay unsent; then its conversation waits for a person.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.load import Load, recount
from tests.support.postgres import Database
from tests.support.stack import simulated

# Every step of the way, in order. "after omnicrm_receive" is after its commit and before the 200.
STEPS = [
    f"{when} {what}"
    for what in (
        "omnicrm_receive", "omnicrm_claim", "dialogue", "omnicrm_commit_turn", "omnicrm_next_send", "send", "omnicrm_settle_send",
    )
    for when in ("before", "after")
]  # fmt: skip


@pytest.mark.parametrize("nth", [1, 7], ids=["first", "under way"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_bot_killed_at_any_step_loses_nothing_and_repeats_nothing(
    step: str, nth: int, database: Database, tmp_path: Path
) -> None:
    with simulated(database.url, tmp_path, LEASE_SECONDS="1", POLL_SECONDS="0.1") as stack:
        port = int(stack.bot.rsplit(":", 1)[1])
        victim = stack.start_standin("victim", port, OMNICRM_TEST_DIE_AT=f"{step}:{nth}")
        await stack.ready(victim, stack.simulator + "/sim/settings")
        await stack.ready(victim, stack.bot + "/")
        load = Load(stack.simulator, customers=6, messages=3)
        async with load:
            speaking = load.start()
            await load.until_dead(victim)
            survivor = stack.start_standin("survivor", port)
            await stack.ready(survivor, stack.bot + "/")
            await speaking
            await recount(load, database.url)
