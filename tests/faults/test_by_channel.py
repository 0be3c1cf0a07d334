"""What a shop may set for a single channel."""

from __future__ import annotations

import asyncio

from tests.support.scene import USERS, Scene, outbox

LINES = ("uno", "dos")


async def test_each_channel_has_its_own_burst_window(scene: Scene) -> None:
    await scene.start_bot(BURST_SECONDS="0", BURST_BY_CHANNEL="FB=3")
    for channel, turns in (("instagram", 2), ("messenger", 1)):
        for count, line in enumerate(LINES, 1):
            await scene.simulator.say(channel, USERS[channel], line)
            if turns == 2:
                await scene.settled(channel, inbound=count)
        held = await scene.settled(channel, inbound=2)
        assert sum(held["dialogue"]["turns"].values()) == turns, channel


async def test_each_channel_has_its_own_age_at_which_an_answer_is_too_old(scene: Scene) -> None:
    await scene.simulator.call("POST", "token", {"valid": False})
    bot = await scene.start_bot(OMNICRM_TEST_PAUSE="0.2", REPLY_MAX_AGE_BY_CHANNEL="IG=10")
    await asyncio.gather(*(scene.simulator.say(channel, USERS[channel], "hola") for channel in ("instagram", "messenger")))
    held = await scene.settled("instagram")
    assert (outbox(held), held["attention"]) == ([("eco: hola", "failed")], "una respuesta caducó sin salir")
    await scene.simulator.call("POST", "token", {"valid": True})
    assert outbox(await scene.settled("messenger")) == [("eco: hola", "sent")]
    assert bot.alive()
