"""What the customer's phone tells of our messages reaches the CRM, the newest message included."""

from __future__ import annotations

import pytest

from tests.support.eventually import eventually
from tests.support.scene import META_CHANNELS, USERS, Scene, outbox


@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_what_a_customer_has_read_is_read(channel: str, scene: Scene) -> None:
    await scene.start_bot()
    for count, line in enumerate(("uno", "dos"), 1):
        await scene.simulator.say(channel, USERS[channel], line)
        await scene.simulator.wait_for_replies(channel, USERS[channel], count)
        await scene.settled(channel, inbound=count)
    await scene.simulator.act(channel, USERS[channel], read={})

    async def read() -> bool:
        return outbox(await scene.held(channel)) == [("eco: uno", "read"), ("eco: dos", "read")]

    await eventually(read)
