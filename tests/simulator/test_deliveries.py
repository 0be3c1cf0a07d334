"""Webhooks are repeated, batched, shuffled and doubled as Meta does; echoes come before or after the answer."""

from __future__ import annotations

import asyncio

import pytest

from simulator.client import SimulatorClient, SimulatorError

from .conftest import GraphCaller, Recorder, Webhook

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAST = [0.01] * 5


@pytest.mark.parametrize("first", [500, 503, 302, 401, "cut"])
async def test_what_the_bot_does_not_take_is_repeated_byte_by_byte(sim: SimulatorClient, bot: Recorder, first):
    await sim.settings(retries=FAST)
    bot.answers.extend([first, 500])
    said = await sim.say("messenger", "1", "hola")
    assert said.status == (0 if first == "cut" else first)
    calls = await bot.wait_for(3)
    stats = await sim.stats(wait=5)
    assert len({call.body for call in calls}) == 1
    assert len({call.headers["x-hub-signature-256"] for call in calls}) == 1
    assert (len(calls), stats["webhooks"]["redeliveries"], stats["webhooks"]["given_up"]) == (3, 2, 0)


async def test_a_bot_that_is_too_slow_gets_it_again(sim: SimulatorClient, bot: Recorder):
    await sim.settings(retries=FAST, webhook_timeout=0.2)
    bot.answers.append("hang")
    said = await sim.say("messenger", "1", "hola")
    assert (said.status, said.error) == (0, "ReadTimeout")
    await bot.wait_for(2)


async def test_repeating_ends(sim: SimulatorClient, bot: Recorder):
    await sim.settings(retries=[0.0, 0.0])
    bot.answers.extend([500] * 9)
    await sim.say("messenger", "1", "hola")
    stats = (await sim.stats(wait=5))["webhooks"]
    assert (len(bot.calls), stats["given_up"], stats["pending"]) == (3, 1, 0)


async def test_a_bot_that_is_down_gets_it_once_it_is_up(sim: SimulatorClient, simulator, bot: Recorder):
    port = int(bot.url.split(":")[2].split("/")[0])
    await sim.settings(retries=[0.05] * 100)
    object.__setattr__(simulator.config, "webhook", bot.url.replace(str(port), "1"))
    said = await sim.say("messenger", "1", "hola")
    assert (said.status, said.error) == (0, "ConnectError")
    object.__setattr__(simulator.config, "webhook", bot.url)
    await bot.wait_for(1)


async def test_a_reset_ends_all_repeating(sim: SimulatorClient, bot: Recorder):
    await sim.settings(retries=[60.0])
    bot.answers.append(500)
    await sim.say("messenger", "1", "hola")
    assert (await sim.stats())["webhooks"]["pending"] == 1
    await sim.reset()
    stats = await sim.stats()
    assert (stats["webhooks"]["pending"], stats["messages"]["customer"], await sim.phones()) == (0, 0, [])
    assert (await sim.settings())["retries"] != [60.0]


async def test_the_same_delivery_can_come_again_and_in_parallel(sim: SimulatorClient, bot: Recorder):
    said = await sim.say("messenger", "1", "hola")
    await sim.say("messenger", "1", "¿hola?")
    assert await sim.redeliver(mid=said.mid, copies=3) == [200, 200, 200]
    assert await sim.redeliver(last=2) == [200, 200]
    texts = [item["message"]["text"] for item in bot.items]
    assert texts[:5] == ["hola", "¿hola?", "hola", "hola", "hola"]
    assert sorted(texts[5:]) == ["hola", "¿hola?"]
    with pytest.raises(SimulatorError, match="no webhook carried"):
        await sim.redeliver(mid="m_0")


async def test_copies_go_out_with_the_first(sim: SimulatorClient, bot: Recorder):
    await sim.say("messenger", "1", "hola", copies=4)
    assert len({call.body for call in bot.calls}) == 1
    assert len(bot.calls) == 4


async def test_a_held_message_comes_when_it_is_asked_for(sim: SimulatorClient, bot: Recorder):
    held = await sim.say("messenger", "1", "primero", hold=True)
    assert (held.status, bot.calls) == (None, [])
    await sim.say("messenger", "1", "segundo")
    await sim.redeliver(mid=held.mid)
    assert [item["message"]["text"] for item in bot.items] == ["segundo", "primero"]
    assert bot.items[1]["timestamp"] <= bot.items[0]["timestamp"]


SAYS = [{"channel": "messenger", "user": "1", "text": str(n)} for n in range(6)]


async def test_a_batch_is_one_call_with_many_entries(sim: SimulatorClient, bot: Recorder):
    await sim.batch(SAYS)
    assert [len(entry["messaging"]) for entry in bot.calls[0].document["entry"]] == [1] * 6
    await sim.batch(SAYS, layout="items")
    assert [len(entry["messaging"]) for entry in bot.calls[1].document["entry"]] == [6]


async def test_a_batch_over_both_channels_is_one_call_each(sim: SimulatorClient, bot: Recorder):
    await sim.batch([*SAYS, {"channel": "instagram", "user": "2", "text": "hola"}])
    assert [call.document["object"] for call in bot.calls] == ["instagram", "page"]


async def test_a_shuffle_is_another_order_and_always_the_same(sim: SimulatorClient, bot: Recorder):
    await sim.batch(SAYS, order="shuffled", seed=7)
    await sim.batch(SAYS, order="shuffled", seed=7)
    await sim.batch(SAYS, order="reversed")
    first, second, third = ([item["message"]["text"] for item in call.items] for call in bot.calls)
    assert first == second != ["0", "1", "2", "3", "4", "5"]
    assert third == ["5", "4", "3", "2", "1", "0"]


async def test_separate_posts_come_at_the_same_time(sim: SimulatorClient, bot: Recorder):
    waiting: list[Webhook] = []
    everyone = asyncio.Event()

    async def wait_for_the_others(call: Webhook) -> None:
        waiting.append(call)
        if len(waiting) == 6:
            everyone.set()
        await everyone.wait()

    bot.on_call = wait_for_the_others
    results = await sim.batch(SAYS, layout="posts", order="shuffled")
    assert [result["status"] for result in results["results"]] == [200] * 6


async def test_an_item_can_come_as_a_change_or_in_standby(sim: SimulatorClient, bot: Recorder):
    await sim.say("instagram", "1", "hola", shape="changes")
    await sim.act("instagram", "1", postback={"title": "Sí", "payload": "/x"}, shape="standby")
    change, standby = (call.document["entry"][0] for call in bot.calls)
    assert (change["changes"][0]["field"], change["changes"][0]["value"]["message"]["text"]) == ("messages", "hola")
    assert change["time"] < 10**11  # change entries carry seconds
    assert standby["standby"][0]["postback"] == {"title": "Sí"}


# --- echoes ------------------------------------------------------------


async def test_messengers_echo_names_app_and_metadata_instagrams_does_not(
    sim: SimulatorClient, bot: Recorder, graph: GraphCaller
):
    await sim.say("messenger", "1", "hola")
    await sim.say("instagram", "2", "hola")
    page = (await graph.send("1", {"text": "¿sí?", "metadata": "rasa:1"})).json()["message_id"]
    await bot.wait_for(3)
    instagram = (await graph.send("2", {"text": "¿sí?", "metadata": "rasa:2"})).json()["message_id"]
    await bot.wait_for(4)
    first, second = bot.echoes
    assert (first["sender"]["id"], first["recipient"]["id"]) == (graph.page_id, "1")
    assert first["message"] == {"mid": page, "text": "¿sí?", "is_echo": True, "app_id": 555, "metadata": "rasa:1"}
    assert second["message"] == {"mid": instagram, "text": "¿sí?", "is_echo": True}


async def test_the_echo_of_a_template_carries_the_template(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    await sim.say("messenger", "1", "hola")
    payload = {"template_type": "button", "text": "x", "buttons": [{"type": "postback", "title": "Sí", "payload": "/x"}]}
    await graph.send("1", {"attachment": {"type": "template", "payload": payload}})
    await bot.wait_for(2)
    assert bot.echoes[0]["message"]["attachments"] == [{"type": "template", "payload": payload}]


async def test_an_echo_can_come_before_the_answer(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    await sim.settings(echoes="before")
    await sim.say("messenger", "1", "hola")
    echoed = asyncio.Event()
    release = asyncio.Event()

    async def hold(call: Webhook) -> None:
        echoed.set()
        await release.wait()

    bot.on_call = hold
    sending = asyncio.create_task(graph.text("1"))
    await asyncio.wait_for(echoed.wait(), 5)
    assert not sending.done()
    release.set()
    assert (await sending).json()["message_id"] == bot.echoes[0]["message"]["mid"]


async def test_an_echo_can_come_late_or_never(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    await sim.say("messenger", "1", "hola")
    await sim.settings(echo_delay=0.2)
    answered = await graph.text("1")
    assert (answered.status_code, len(bot.calls)) == (200, 1)
    await bot.wait_for(2)
    await sim.settings(echoes="off")
    await graph.text("1")
    await sim.stats(wait=5)
    assert len(bot.calls) == 2
