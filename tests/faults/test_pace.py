"""However many write at once, the platform sees no more sends a second than it allows."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.scene import Scene
from tests.support.stack import user_on


# 15 and 30 a second are the bot's own pace (connectors/meta/capabilities.py); moments come late on a busy machine.
@pytest.mark.parametrize(("channel", "customers", "most"), [("instagram", 45, 30), ("messenger", 75, 55)])
async def test_many_answers_at_once_leave_at_the_platforms_pace(channel: str, customers: int, most: int, scene: Scene) -> None:
    await scene.start_bot()
    users = [user_on(channel, 7000 + number) for number in range(customers)]
    await asyncio.gather(*(scene.simulator.say(channel, user, "hola") for user in users))
    for user in users:
        await scene.settled(channel, user)
    rates = (await scene.simulator.stats())["rates"][channel]
    assert rates["taken"] == customers
    assert rates["peak_per_second"] <= most
