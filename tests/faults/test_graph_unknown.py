"""Nobody knows whether a send arrived: it is never repeated. Its echo settles it; without one, a person is asked to look."""

from __future__ import annotations

import pytest

from simulator.client import SimulatorClient
from tests.support.scene import META_CHANNELS, Scene, outbox

# Graph took the message, and we learn of it late, wrongly or never.
TAKEN = ("timeout_after_accept", "slow", "reset", "garbage", "no_message_id", "1357046")
# Graph did not take it, and we cannot tell.
NOT_TAKEN = ("timeout_before_accept", "reset_before_accept", "502")
# Less than "slow" takes.
IMPATIENT = {"SEND_TIMEOUT_SECONDS": "1.2"}


async def everybody_writes(simulator: SimulatorClient, channel: str, faults: tuple[str, ...]) -> dict[str, str]:
    """One customer per fault, each with the first answer going wrong that way; returns who has which."""
    customers = {f"80{META_CHANNELS.index(channel)}0{number}": fault for number, fault in enumerate(faults)}
    for user, fault in customers.items():
        await simulator.fault(fault, user=user)
        await simulator.say(channel, user, "hola")
    return customers


@pytest.mark.parametrize("echoes", ["before", "after"])
@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_an_echo_settles_a_send_whose_answer_was_lost(channel: str, echoes: str, scene: Scene) -> None:
    await scene.simulator.settings(echoes=echoes, echo_delay=0.0 if echoes == "before" else 1.0)
    await scene.start_bot(**IMPATIENT)
    customers = await everybody_writes(scene.simulator, channel, TAKEN)
    await scene.simulator.stats(wait=10)
    for user, fault in customers.items():
        held = await scene.settled(channel, user)
        assert outbox(held) == [("eco: hola", "sent")], fault
        assert (held["owner"], held["attention"]) == ("bot", None), fault
        assert (await scene.phone(channel, user)).texts == ["eco: hola"], fault
        assert len(await scene.send_requests(user)) == 1, fault


@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_without_an_echo_a_person_is_asked_to_look_and_the_conversation_goes_on(channel: str, scene: Scene) -> None:
    await scene.simulator.settings(echoes="off")
    await scene.start_bot(**IMPATIENT)
    customers = await everybody_writes(scene.simulator, channel, TAKEN + NOT_TAKEN)
    for user, fault in customers.items():
        held = await scene.settled(channel, user)
        assert outbox(held) == [("eco: hola", "unknown")], fault
        assert held["attention"] == "envío sin confirmar", fault
        assert (await scene.phone(channel, user)).texts == (["eco: hola"] if fault in TAKEN else []), fault
        await scene.simulator.say(channel, user, "¿sigues?")
        held = await scene.settled(channel, user, inbound=2)
        assert outbox(held) == [("eco: hola", "unknown"), ("eco: ¿sigues?", "sent")], fault
        assert len(await scene.send_requests(user)) == 2, fault
