"""A person of the staff answers from the inbox: the bot is silent from then on, whatever it was about to say."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.eventually import eventually
from tests.support.scene import CHANNELS, CHAT_CHANNELS, USERS, Scene, inbox, outbox

THINKING = "1.5"


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_person_who_writes_while_the_bot_thinks_has_the_word(channel: str, scene: Scene) -> None:
    await scene.start_bot(OMNICRM_TEST_THINKING=THINKING, LEASE_SECONDS="5")
    await scene.simulator.say(channel, USERS[channel], "hola")

    async def thinking() -> bool:
        # A mail shows no typing: its turn has begun once it is there.
        held = await scene.held(channel)
        return bool(held) if channel == "email" else (await scene.phone(channel)).typing

    await eventually(thinking, every=0.02)
    await scene.simulator.agent_writes(channel, USERS[channel], "Soy Ana, te ayudo yo")
    held = await scene.settled(channel)

    async def committed() -> bool:
        return ("eco: hola", "withdrawn") in outbox(await scene.held(channel))

    await eventually(committed)
    assert held["owner"] == "human"
    await scene.simulator.say(channel, USERS[channel], "gracias")
    held = await scene.settled(channel, inbound=2)
    assert inbox(held)["gracias", "ignored"] == 1
    # The mailbox tells of a person just before an answer leaves: the turn is over then.
    assert held["dialogue"] is None or channel == "email", "what a person interrupted did not happen"
    # Below their words a person's mail quotes the customer's.
    assert [(text or "").partition("\n\n")[0] for text in (await scene.phone(channel)).texts] == ["Soy Ana, te ayudo yo"]


@pytest.mark.parametrize("echoes", ["before", "after"])
@pytest.mark.parametrize("channel", CHANNELS)
async def test_our_own_echo_is_no_person_whichever_of_echo_and_response_comes_first(
    channel: str, echoes: str, scene: Scene
) -> None:
    await scene.simulator.settings(echoes=echoes, echo_delay=0.0 if echoes == "before" else 0.3)
    await scene.start_bot()
    for number, line in enumerate(("uno", "dos", "tres"), 1):
        await scene.simulator.say(channel, USERS[channel], line)
        await scene.simulator.wait_for_replies(channel, USERS[channel], number)
    await scene.simulator.stats(wait=10)
    held = await scene.settled(channel, inbound=3)
    assert outbox(held) == [("eco: uno", "sent"), ("eco: dos", "sent"), ("eco: tres", "sent")]
    assert (held["owner"], held["attention"]) == ("bot", None)


@pytest.mark.parametrize("echoes", ["before", "after"])
@pytest.mark.parametrize("channel", CHAT_CHANNELS)
async def test_a_person_who_writes_while_an_answer_is_on_its_way_stops_the_rest(
    channel: str, echoes: str, scene: Scene
) -> None:
    """Three answers, the first of which takes its time at Graph."""
    await scene.simulator.settings(echoes=echoes)
    await scene.simulator.fault("slow", seconds=1.5)
    await scene.start_bot(SEND_TIMEOUT_SECONDS="5", LEASE_SECONDS="5", BURST_SECONDS="1")
    for line in ("uno", "dos", "tres"):
        await scene.simulator.say(channel, USERS[channel], line)

    async def on_its_way() -> bool:
        return bool(await scene.send_requests(USERS[channel]))

    await eventually(on_its_way, every=0.02)
    await scene.simulator.agent_writes(channel, USERS[channel], "Soy Ana")
    held = await scene.settled(channel, inbound=3)
    assert dict(outbox(held)) == {
        "eco: uno": "sent", "eco: dos": "withdrawn", "eco: tres": "withdrawn", "Soy Ana": "sent",
    }  # fmt: skip
    assert held["owner"] == "human"
    assert sorted(filter(None, (await scene.phone(channel)).texts)) == ["Soy Ana", "eco: uno"]


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_person_with_the_same_words_as_the_bot_is_a_person_all_the_same(channel: str, scene: Scene) -> None:
    await scene.simulator.fault("slow", seconds=1.5)
    await scene.start_bot(SEND_TIMEOUT_SECONDS="5", LEASE_SECONDS="5")
    await scene.simulator.say(channel, USERS[channel], "hola")

    async def on_its_way() -> bool:
        return bool(await scene.send_requests(USERS[channel]))

    await eventually(on_its_way, every=0.02)
    await scene.simulator.agent_writes(channel, USERS[channel], "eco: hola")
    await scene.settled(channel)

    async def taken_over() -> bool:
        return bool((await scene.held(channel))["owner"] == "human")

    await eventually(taken_over)


async def test_a_person_silences_the_bot_for_their_own_conversation_alone(scene: Scene) -> None:
    await scene.start_bot()
    await asyncio.gather(*(scene.simulator.say(channel, USERS[channel], "hola") for channel in CHANNELS))
    await asyncio.gather(*(scene.settled(channel) for channel in CHANNELS))
    await scene.simulator.agent_writes("instagram", USERS["instagram"], "Soy Ana")
    await asyncio.gather(*(scene.simulator.say(channel, USERS[channel], "otra") for channel in CHANNELS))
    held = {channel: await scene.settled(channel, inbound=2) for channel in CHANNELS}
    assert inbox(held["instagram"])["otra", "ignored"] == 1
    assert (await scene.phone("messenger")).texts == ["eco: hola", "eco: otra"]
    assert (await scene.phone("instagram")).texts == ["eco: hola", "Soy Ana"]
