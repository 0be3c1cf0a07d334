"""The same deliveries again and again, in parallel, in batches, in any order: one turn and one answer each."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

from connectors.message import Json
from simulator.wire import signed_headers
from tests.support.load import Load, recount
from tests.support.scene import CHANNELS, USERS, Scene, inbox
from tests.support.stack import KEYS


def turns(held: Json) -> int:
    """How many turns a conversation had, by the bots' own count."""
    return sum(held["dialogue"]["turns"].values())


@pytest.mark.parametrize("layout", ["entries", "items", "posts"])
async def test_a_batch_delivered_many_times_in_any_order_is_one_turn_per_customer(layout: str, scene: Scene) -> None:
    await scene.start_bot()
    await scene.start_bot(elsewhere=True)
    load = Load(scene.simulator, customers=8, messages=1)
    says = [{"channel": channel, "user": user, "text": load.lines(user)[0]} for channel, user in load.people]
    await scene.simulator.batch(says, layout=layout, order="shuffled", seed=7, copies=5)
    await scene.simulator.redeliver(last=8, copies=5)
    assert await recount(load, scene.database.url) == Counter({"answered": 8})
    await scene.simulator.redeliver(last=8, copies=2)
    for channel, user in load.people:
        held = await scene.settled(channel, user)
        assert turns(held) == 1
        assert sum(inbox(held).values()) == 1


async def test_deliveries_repeated_while_others_come_in_change_nothing(scene: Scene) -> None:
    await scene.start_bot()
    load = Load(scene.simulator, customers=8, messages=6)
    speaking = load.start()
    while not speaking.done():
        await scene.simulator.redeliver(last=10, copies=3)
    await speaking
    await scene.simulator.redeliver(last=48, copies=2)
    assert await recount(load, scene.database.url) == Counter({"answered": 48})


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_delivery_repeated_to_a_bot_that_was_restarted_meanwhile_changes_nothing(channel: str, scene: Scene) -> None:
    bot = await scene.start_bot()
    said = await scene.simulator.say(channel, USERS[channel], "hola")
    before = await scene.settled(channel)
    bot.kill()
    await scene.start_bot()
    assert await scene.simulator.redeliver(mid=said.mid, copies=10) == [200] * 10
    assert await scene.settled(channel) == before
    assert (await scene.phone(channel)).texts == ["eco: hola"]


async def test_copies_that_reach_two_bots_at_the_same_time_are_one_turn(scene: Scene) -> None:
    """Behind a load balancer each copy may come to another process."""
    bots = [await scene.start_bot(), await scene.start_bot(elsewhere=True)]
    said = await scene.simulator.say("instagram", USERS["instagram"], "hola", hold=True)
    held_back = await scene.simulator.call("GET", "deliveries", params={"last": 5})
    body = next(d["body"] for d in held_back if said.mid in d["mids"]).encode()
    async with httpx.AsyncClient(trust_env=False) as http:
        headers = signed_headers(KEYS.app_secret, body)
        posts = [http.post(bot.webhook, content=body, headers=headers) for _ in range(5) for bot in bots]
        assert {answer.status_code for answer in await asyncio.gather(*posts)} == {200}
    assert turns(await scene.settled("instagram")) == 1
    assert (await scene.phone("instagram")).texts == ["eco: hola"]
