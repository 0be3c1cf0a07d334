"""What no answer waits for: "seen", "typing…" and the look at the customer's profile."""

from __future__ import annotations

import pytest

from tests.support.eventually import eventually
from tests.support.scene import META_CHANNELS, USERS, Scene

# Far beyond what a test waits for an answer.
PATIENCE = "60"


@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_an_answer_waits_for_none_of_them(channel: str, scene: Scene) -> None:
    user = USERS[channel]
    for where in ("sender_action", "profile"):
        await scene.simulator.fault("timeout_before_accept", where=where, user=user, times=10)
    await scene.start_bot(SEND_TIMEOUT_SECONDS=PATIENCE)
    await scene.simulator.say(channel, user, "hola")
    assert (await scene.simulator.wait_for_replies(channel, user, 1, timeout=15)).texts == ["eco: hola"]

    async def asked() -> bool:
        requests = await scene.simulator.requests(user=user)
        return {request["where"] for request in requests} == {"send", "sender_action", "profile"}

    await eventually(asked)


@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_a_profile_is_looked_at_once_even_when_it_tells_nothing(channel: str, scene: Scene) -> None:
    user = USERS[channel]
    await scene.simulator.user(channel, user, profile_error="empty")
    await scene.start_bot()
    for count, line in enumerate(("uno", "dos", "tres"), 1):
        await scene.simulator.say(channel, user, line)
        await scene.settled(channel, inbound=count)

        async def looked() -> bool:
            return scene.database.run("select profile_checked_at is not null from omnicrm.threads") == [(True,)]

        await eventually(looked)
    assert len(await scene.simulator.requests(user=user, where="profile")) == 1
