"""A phone can be waited on."""

from __future__ import annotations

import asyncio

import pytest

from simulator.app import Simulator
from simulator.client import SimulatorClient

from .conftest import GraphCaller

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_waiting_ends_with_the_message_that_was_waited_for(sim: SimulatorClient, graph: GraphCaller):
    await sim.say("messenger", "1", "hola")
    waiting = asyncio.create_task(sim.wait_for_replies("messenger", "1", 2, timeout=10))
    await graph.text("1", "uno")
    await graph.text("1", "dos")
    assert (await waiting).texts == ["uno", "dos"]


async def test_waiting_ends_with_its_time_and_says_what_came(sim: SimulatorClient, graph: GraphCaller):
    await sim.say("messenger", "1", "hola")
    await graph.text("1", "uno")
    with pytest.raises(TimeoutError, match=r"got 1 of 2 replies.*uno"):
        await sim.wait_for_replies("messenger", "1", 2, timeout=0.1)


async def test_one_can_wait_before_the_customer_exists(sim: SimulatorClient, graph: GraphCaller):
    waiting = asyncio.create_task(sim.wait_for_replies("messenger", "new", 1, timeout=10))
    await sim.phones()
    await sim.say("messenger", "new", "hola")
    await graph.text("new", "¡hola!")
    assert (await waiting).texts == ["¡hola!"]


async def test_many_wait_at_once(sim: SimulatorClient, graph: GraphCaller):
    waiting = [asyncio.create_task(sim.wait_for_replies("messenger", str(n), 1, timeout=10)) for n in range(20)]
    for number in range(20):
        await sim.say("messenger", str(number), "hola")
    await asyncio.gather(*(graph.text(str(number), f"para {number}") for number in range(20)))
    assert [(await view).texts for view in waiting] == [[f"para {n}"] for n in range(20)]


async def test_only_the_last_messages_can_be_asked_for(sim: SimulatorClient, graph: GraphCaller):
    await sim.say("messenger", "1", "hola")
    for word in ("uno", "dos", "tres"):
        await graph.text("1", word)
    view = await sim.phone("messenger", "1", last=1)
    assert (view.texts, view.shop_messages) == (["tres"], 3)


async def test_all_phones_are_listed(sim: SimulatorClient, graph: GraphCaller):
    await sim.say("instagram", "ig 1/ñ", "hola", name="Ana")
    await graph.text("ig 1/ñ", "¡hola!")
    assert await sim.phones() == [{"channel": "instagram", "user": "ig 1/ñ", "name": "Ana", "messages": 2, "shop_messages": 1}]
    assert (await sim.phone("instagram", "ig 1/ñ")).texts == ["¡hola!"]


async def test_every_channel_has_customers_of_its_own(sim: SimulatorClient):
    users = {"instagram": "1", "messenger": "2", "whatsapp": "525512345678", "email": "ana@example.com"}
    for channel, user in users.items():
        assert (await sim.say(channel, user, "hola", name="Ana")).status == 200
        assert (await sim.agent_writes(channel, user, "Soy Eva")).status == 200
    assert {phone["channel"]: phone["user"] for phone in await sim.phones()} == users
    for channel, user in users.items():
        view = await sim.wait_for_replies(channel, user, 1)
        assert [message.author for message in view.messages] == ["customer", "agent"]
        assert await sim.redeliver(mid=view.messages[0].mid) == [200]
    await sim.batch([{"channel": channel, "user": user, "text": "otra"} for channel, user in users.items()], order="shuffled")
    assert (await sim.stats())["messages"] == {"customer": 8, "bot": 0, "agent": 4}
    await sim.reset()
    assert await sim.phones() == []


async def test_half_a_character_neither_breaks_the_phone_nor_is_taken_by_graph(sim: SimulatorClient, graph: GraphCaller):
    raw = b'{"channel": "messenger", "user": "1", "text": "x\\ud83d"}'
    assert (await sim._http.post("/sim/say", content=raw)).status_code == 200
    assert (await sim._http.get("/sim/phone/messenger/1")).status_code == 200
    body = b'{"recipient": {"id": "1"}, "message": {"text": "x\\ud83d"}}'
    assert (await graph.http.post("/v25.0/me/messages", content=body)).status_code == 400


async def test_a_reset_ends_all_waiting(simulator: Simulator, sim: SimulatorClient):
    waiting = asyncio.create_task(sim.phone("messenger", "1", after=0, wait=60))
    while simulator.app.ctx.world.phone("messenger", "1") is None:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await sim.reset()
    assert (await asyncio.wait_for(waiting, 5)).shop_messages == 0
