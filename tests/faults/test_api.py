"""What other software sends over the API reaches the customer's phone once, and the bot knows who has the word."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from connectors.message import Json
from router.routes import PREFIX
from tests.support.api import Api, new_api_key
from tests.support.crash import VARIABLE
from tests.support.eventually import eventually
from tests.support.scene import CHANNELS, USERS, Scene, inbox, outbox

ANA = {"author": "agent", "person": "Ana", "text": "Hola, soy Ana"}
NOTICE = {"author": "system", "text": "Tu pedido salió hoy"}


async def caller(scene: Scene) -> Api:
    """A caller of the bot that the webhooks go to."""
    address = scene.bots[-1].webhook.partition("/api/")[0] + PREFIX
    headers = {"Authorization": f"Bearer {await new_api_key(scene.crm)}"}
    return Api(httpx.AsyncClient(base_url=address, headers=headers, timeout=20, trust_env=False))


async def greeted(scene: Scene, channel: str) -> str:
    """A customer says hello and is answered; returns the address of their conversation."""
    await scene.simulator.say(channel, USERS[channel], "hola")
    await scene.simulator.wait_for_replies(channel, USERS[channel], 1)
    held = await scene.settled(channel)
    return f"/conversations/{held['conversation']}"


async def texts(scene: Scene, channel: str) -> list[str]:
    """What the shop said to the customer; below a mail's own words stands what it answers."""
    phone = await scene.phone(channel, USERS[channel])
    return [(text or "").partition("\n\n")[0] for text in phone.texts]


async def out(api: Api, sent: Json) -> list[Json]:
    """The messages of a send, once they are out."""

    async def look() -> Any:
        found = [await api.get(message["href"].removeprefix(PREFIX)) for message in sent["messages"]]
        return found if all(message["status"] == "sent" for message in found) else None

    made: list[Json] = await eventually(look)
    return made


@pytest.mark.parametrize("echoes", ["before", "after"])
@pytest.mark.parametrize("channel", CHANNELS)
async def test_what_is_sent_arrives_and_its_echo_is_no_stranger(channel: str, echoes: str, scene: Scene) -> None:
    await scene.simulator.settings(echoes=echoes, echo_delay=0.0 if echoes == "before" else 0.2)
    await scene.start_bot()
    api, conversation = await caller(scene), await greeted(scene, channel)
    await out(api, await api.post(conversation + "/messages", NOTICE, 202))
    await scene.simulator.stats(wait=10)
    held = await scene.settled(channel)
    assert (held["owner"], held["state"]) == ("bot", "open"), "software took nothing over"

    await out(api, await api.post(conversation + "/messages", ANA, 202))
    await scene.simulator.stats(wait=10)
    held = await scene.settled(channel)
    assert outbox(held) == [("eco: hola", "sent"), (NOTICE["text"], "sent"), (ANA["text"], "sent")]
    assert (held["state"], held["person"], held["attention"]) == ("with_person", "Ana", None)
    assert await texts(scene, channel) == ["eco: hola", NOTICE["text"], ANA["text"]]
    await api.http.aclose()


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_person_silences_the_bot_until_they_hand_back(channel: str, scene: Scene) -> None:
    await scene.start_bot()
    api, conversation = await caller(scene), await greeted(scene, channel)
    await out(api, await api.post(conversation + "/messages", ANA, 202))
    await scene.simulator.say(channel, USERS[channel], "gracias")
    held = await scene.settled(channel, inbound=2)
    assert inbox(held)["gracias", "ignored"] == 1
    await api.post(conversation + "/handback")
    await scene.simulator.say(channel, USERS[channel], "otra cosa")
    await scene.simulator.wait_for_replies(channel, USERS[channel], 3)
    assert await texts(scene, channel) == ["eco: hola", ANA["text"], "eco: otra cosa"]
    await api.http.aclose()


async def test_a_person_who_writes_while_the_bot_thinks_has_the_word(scene: Scene) -> None:
    await scene.start_bot(OMNICRM_TEST_THINKING="0.8", LEASE_SECONDS="5")
    channel = "instagram"
    api, conversation = await caller(scene), await greeted(scene, channel)
    await scene.simulator.say(channel, USERS[channel], "¿y el precio?")

    async def thinking() -> bool:
        return (await scene.phone(channel)).typing

    await eventually(thinking, every=0.02)
    await api.post(conversation + "/messages", ANA, 202)
    await scene.simulator.wait_for_replies(channel, USERS[channel], 2)

    async def withdrawn() -> bool:
        return ("eco: ¿y el precio?", "withdrawn") in outbox(await scene.held(channel))

    await eventually(withdrawn)
    assert await texts(scene, channel) == ["eco: hola", ANA["text"]]
    await api.http.aclose()


async def test_twenty_equal_requests_at_once_are_one_message_on_the_phone(scene: Scene) -> None:
    await scene.start_bot()
    await scene.start_bot(elsewhere=True)
    other, channel = await caller(scene), "whatsapp"
    scene.bots.reverse()
    api, conversation = await caller(scene), await greeted(scene, channel)
    key = {"Authorization": api.http.headers["authorization"], "Idempotency-Key": "pedido-7"}
    answers = await asyncio.gather(
        *(one.http.post(conversation + "/messages", json=NOTICE, headers=key) for one in [api, other] * 10)
    )
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    await out(api, json.loads(answers[0].text))
    await scene.settled(channel)
    assert await texts(scene, channel) == ["eco: hola", NOTICE["text"]]
    for one in (api, other):
        await one.http.aclose()


@pytest.mark.parametrize("step", ["before omnicrm_send_message", "after omnicrm_send_message"])
async def test_a_bot_that_dies_over_a_send_sends_it_once_when_it_is_asked_again(step: str, scene: Scene) -> None:
    """Before its commit, or after it and before anybody was told."""
    channel = "messenger"
    victim = await scene.start_bot(**{VARIABLE: step})
    api, conversation = await caller(scene), await greeted(scene, channel)
    key = {"Idempotency-Key": "pedido-8"}
    with pytest.raises(httpx.HTTPError):
        await api.http.post(conversation + "/messages", json=ANA, headers=key)
    await victim.dead()
    await scene.start_bot()
    answer = await api.http.post(conversation + "/messages", json=ANA, headers=key)
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (202, step.startswith("after"))
    await out(api, answer.json())
    held = await scene.settled(channel)
    assert outbox(held) == [("eco: hola", "sent"), (ANA["text"], "sent")]
    assert await texts(scene, channel) == ["eco: hola", ANA["text"]]
    await api.http.aclose()
