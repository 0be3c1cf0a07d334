"""A turn that fails each time it is tried: an apology and a person, but not for who wants to hear nothing."""

from __future__ import annotations

import asyncio

from tests.support.scene import USERS, Scene, inbox, outbox
from tests.support.stack import address_of
from tests.support.standin_bot import FAILS


async def test_a_failing_turn_ends_with_an_apology_except_for_who_opted_out(scene: Scene) -> None:
    bot = await scene.start_bot()
    await scene.simulator.say("messenger", USERS["messenger"], "hola")
    await scene.settled("messenger")
    scene.database.run(
        "update omnicrm.threads set opted_out = true where key = %s", address_of("messenger", USERS["messenger"]).key
    )
    await asyncio.gather(*(scene.simulator.say(channel, USERS[channel], FAILS) for channel in ("instagram", "messenger")))
    apologised = await scene.settled("instagram")
    assert (outbox(apologised), apologised["owner"]) == ([("perdón", "sent")], "human")
    quiet = await scene.settled("messenger", inbound=2)
    assert (outbox(quiet), quiet["owner"]) == ([("eco: hola", "sent")], "bot")
    assert inbox(quiet)[(FAILS, "ignored")] == 1
    assert bot.alive()
