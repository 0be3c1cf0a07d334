"""However many write at once, the platform sees no more sends a second than it allows."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from router.routes import PREFIX
from tests.support.api import Api, new_api_key
from tests.support.scene import Scene, outbox
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


# Two processes are the bot's default. A lease that is short for the queue: most go back to it and come again.
@pytest.mark.parametrize(
    ("channel", "kind", "ending", "lease"), [("instagram", "audio", "m4a", 20), ("messenger", "video", "mp4", 2.5)]
)
async def test_audio_and_video_leave_at_their_own_lower_pace(
    channel: str, kind: str, ending: str, lease: float, scene: Scene
) -> None:
    users = [user_on(channel, 7100 + number) for number in range(24)]
    bot = await scene.start_bot(LEASE_SECONDS=str(lease))
    await scene.start_bot(elsewhere=True, LEASE_SECONDS=str(lease))
    await asyncio.gather(*(scene.simulator.say(channel, user, "hola") for user in users))
    conversations = [(await scene.settled(channel, user))["conversation"] for user in users]

    said = {"author": "system", "media": {"kind": kind, "url": f"https://extractos.example/arnica.{ending}"}}
    headers = {"Authorization": f"Bearer {await new_api_key(scene.crm)}"}
    address = bot.webhook.partition("/api/")[0] + PREFIX
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=20, trust_env=False) as http:
        await asyncio.gather(*(Api(http).post(f"/conversations/{one}/messages", said, 202) for one in conversations))
    for user in users:
        assert [status for _, status in outbox(await scene.settled(channel, user))] == ["sent", "sent"]
    rates = (await scene.simulator.stats())["rates"][channel]
    assert (rates["taken"], rates["refused"]) == (2 * len(users), 0)
