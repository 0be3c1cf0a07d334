"""Kill the bot's process at every step, under load, and count again: nothing lost, nothing twice.

A reply whose fate is unknown may stay unsent; then its conversation waits for a person.
"""

from __future__ import annotations

import pytest

from simulator.client import SimulatorClient
from tests.support.crash import VARIABLE
from tests.support.eventually import eventually
from tests.support.load import Load, recount
from tests.support.postgres import Database
from tests.support.stack import Nursery, bot_environment

# Every step of the way, in order. "after omnicrm_receive" is after its commit and before the 200.
WAY = (
    "omnicrm_receive",
    "omnicrm_claim",
    "dialogue",
    "omnicrm_commit_turn",
    "omnicrm_next_send",
    "send",
    "omnicrm_settle_send",
)
STEPS = [f"{when} {what}" for what in WAY for when in ("before", "after")]


@pytest.mark.parametrize("echoes", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_bot_killed_at_any_step_loses_nothing_and_repeats_nothing(
    step: str,
    echoes: str,
    database: Database,
    simulator: SimulatorClient,
    simulator_and_port: tuple[str, int],
    nursery: Nursery,
) -> None:
    address, port = simulator_and_port
    await simulator.settings(echoes=echoes)
    environment = bot_environment(database.url, address, LEASE_SECONDS="1", POLL_SECONDS="0.1")
    nth = 1 if echoes == "before" else 4
    victim = nursery.bot(port, {**environment, VARIABLE: f"{step}:{nth}"})
    await victim.ready()
    load = Load(simulator, customers=6, messages=3)
    speaking = load.start()

    async def dead() -> bool:
        return not victim.alive()

    await eventually(dead, within=30)
    survivor = nursery.bot(port, {**environment, VARIABLE: ""})
    try:
        await speaking
        await recount(load, database.url)
    finally:
        survivor.kill()
