"""Graph refuses a send for certain: it is tried again, kept for the staff, or stops the queue, as the reason asks."""

from __future__ import annotations

import asyncio
import time

import pytest

from connectors.message import Json
from omnicrm.processes import free_ports
from tests.support.eventually import eventually
from tests.support.scene import META_CHANNELS, USERS, Scene, outbox
from tests.support.stack import KEYS

DAY_SECONDS = 24 * 3600


@pytest.mark.parametrize("fault", ["500", "transient"])
@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_a_passing_fault_of_graph_is_tried_again_and_the_answer_comes_once(
    channel: str, fault: str, scene: Scene
) -> None:
    await scene.simulator.fault(fault)
    await scene.start_bot()
    await scene.simulator.say(channel, USERS[channel], "hola")
    held = await scene.settled(channel)
    assert outbox(held) == [("eco: hola", "sent")]
    assert (await scene.phone(channel)).texts == ["eco: hola"]
    assert len(await scene.send_requests(USERS[channel])) == 2
    assert held["attention"] is None


@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_an_answer_that_cannot_reach_graph_waits_until_it_can(channel: str, scene: Scene) -> None:
    cut_off = await scene.start_bot(META_GRAPH_URL=f"http://127.0.0.1:{free_ports(1)[0]}")
    await scene.simulator.say(channel, USERS[channel], "hola")

    async def tried() -> bool:
        held = await scene.held(channel)
        return any(m["status"] == "queued" and m["attempts"] for m in held["messages"])

    await eventually(tried)
    cut_off.kill()
    await scene.start_bot()
    assert outbox(await scene.settled(channel)) == [("eco: hola", "sent")]
    assert (await scene.phone(channel)).texts == ["eco: hola"]


async def test_a_dead_token_stops_the_queue_and_a_new_one_lets_it_go_on_in_order(scene: Scene) -> None:
    await scene.simulator.call("POST", "token", {"valid": False})
    await scene.start_bot(OMNICRM_TEST_PAUSE="0.6")
    for line in ("uno", "dos"):
        await asyncio.gather(*(scene.simulator.say(channel, USERS[channel], line) for channel in META_CHANNELS))
        await asyncio.gather(*(queued(scene, channel, line) for channel in META_CHANNELS))
    paused = (await scene.crm.call("omnicrm_overview"))["paused"]
    assert {account["channel"] for account in paused} == {"IG", "FB"}
    assert all("META_ACCESS_TOKEN" in account["reason"] for account in paused)
    await scene.simulator.call("POST", "token", {"valid": True})
    for channel in META_CHANNELS:
        held = await scene.settled(channel, inbound=2)
        assert outbox(held) == [("eco: uno", "sent"), ("eco: dos", "sent")]
        assert (await scene.phone(channel)).texts == ["eco: uno", "eco: dos"]
    assert (await scene.crm.call("omnicrm_overview"))["paused"] == []


async def test_a_secret_that_meta_does_not_have_yet_stops_the_queue_and_loses_nothing(scene: Scene) -> None:
    early = await scene.start_bot(META_APP_SECRET=f"the-next-secret,{KEYS.app_secret}", OMNICRM_TEST_PAUSE="0.6")
    for channel in META_CHANNELS:
        await scene.simulator.say(channel, USERS[channel], "hola")
        await queued(scene, channel, "hola")
    paused = (await scene.crm.call("omnicrm_overview"))["paused"]
    assert {account["channel"] for account in paused} == {"IG", "FB"}
    assert all("META_APP_SECRET" in account["reason"] for account in paused)
    early.kill()
    await scene.start_bot(META_APP_SECRET=f"{KEYS.app_secret},the-last-secret")
    for channel in META_CHANNELS:
        assert outbox(await scene.settled(channel)) == [("eco: hola", "sent")]
        assert (await scene.phone(channel)).texts == ["eco: hola"]


async def test_while_the_token_is_dead_one_send_per_pause_tries_it_however_many_wait(scene: Scene) -> None:
    await scene.simulator.call("POST", "token", {"valid": False})
    await scene.start_bot(WORKER_CONCURRENCY="1")
    for number in range(5):
        await scene.simulator.say("instagram", f"90001{number}", "hola")
        await queued(scene, "instagram", "hola", f"90001{number}")
    tried = [r for n in range(5) for r in await scene.send_requests(f"90001{n}")]
    assert len(tried) == 1


async def test_a_rate_limit_rests_the_account_as_long_as_its_headers_say(scene: Scene) -> None:
    """Used up without a time: 10 seconds. All of the account rests, and then everybody is answered once."""
    await scene.simulator.fault("613", channel="messenger")
    await scene.simulator.fault("80002", channel="instagram")
    await scene.start_bot()
    began = time.monotonic()
    for channel in META_CHANNELS:
        await scene.simulator.say(channel, USERS[channel], "hola")
        await queued(scene, channel, "hola")
        await scene.simulator.say(channel, f"7{USERS[channel]}", "hola")
    for channel in META_CHANNELS:
        for user in (USERS[channel], f"7{USERS[channel]}"):
            held = await scene.settled(channel, user)
            assert outbox(held) == [("eco: hola", "sent")]
            assert (await scene.phone(channel, user)).texts == ["eco: hola"]
    refused = [r for r in await scene.simulator.call("GET", "requests", params={"where": "send"}) if r["status"] != 200]
    assert len(refused) == 2, "a rest means that nothing is tried"
    assert time.monotonic() - began >= 10


@pytest.mark.parametrize(("channel", "fault"), [("messenger", "613"), ("instagram", "80002")])
async def test_a_rate_limit_that_names_its_minutes_is_kept(channel: str, fault: str, scene: Scene) -> None:
    await scene.simulator.fault(fault, minutes=3)
    await scene.start_bot()
    await scene.simulator.say(channel, USERS[channel], "hola")

    async def waits() -> float:
        rows = scene.database.run(
            "select extract(epoch from next_attempt_at - now())::float8 from omnicrm.messages where status = 'queued'"
        )
        return rows[0][0] if rows and rows[0][0] else 0.0

    assert 170 < await eventually(waits) <= 181
    assert (await scene.phone(channel)).texts == []


async def arrived_at_nobody(scene: Scene, channel: str, reason: str) -> Json:
    """The answer was kept for the staff, and Graph was asked once."""
    held = await scene.settled(channel)
    assert outbox(held) == [("eco: hola", "failed")]
    assert [m["reason"] for m in held["messages"] if m["direction"] == "out"] == [reason]
    assert held["attention"] == f"no se pudo enviar: {reason}"
    assert (await scene.phone(channel)).texts == []
    assert len(await scene.send_requests(USERS[channel])) == 1
    return held


@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_an_answer_after_the_window_has_closed_is_kept_for_the_staff(channel: str, scene: Scene) -> None:
    await scene.simulator.say(channel, USERS[channel], "hola")
    await scene.simulator.call("POST", "clock", {"advance": DAY_SECONDS + 60})
    await scene.start_bot()
    await arrived_at_nobody(scene, channel, "window")


@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_a_customer_who_blocked_the_shop_is_shown_to_the_staff(channel: str, scene: Scene) -> None:
    await scene.simulator.say(channel, USERS[channel], "hola")
    await scene.simulator.user(channel, USERS[channel], blocked=True)
    await scene.start_bot()
    await arrived_at_nobody(scene, channel, "unreachable")


@pytest.mark.parametrize("channel", META_CHANNELS)
async def test_a_thread_that_another_app_owns_silences_the_bot_there_and_only_there(channel: str, scene: Scene) -> None:
    await scene.simulator.say(channel, USERS[channel], "hola")
    await scene.simulator.user(channel, USERS[channel], owner_app="263902037430900")
    await scene.start_bot()
    held = await arrived_at_nobody(scene, channel, "not_ours")
    assert (held["owner"], held["owner_reason"]) == ("human", "otra aplicación tiene la conversación")
    await scene.simulator.say(channel, f"7{USERS[channel]}", "hola")
    assert outbox(await scene.settled(channel, f"7{USERS[channel]}")) == [("eco: hola", "sent")]


async def test_one_customers_trouble_holds_up_nobody_else(scene: Scene) -> None:
    await scene.simulator.fault("500", times=100, user=USERS["instagram"])
    await scene.start_bot()
    await scene.simulator.say("instagram", USERS["instagram"], "hola")
    for number in range(3):
        await scene.simulator.say("instagram", "900009", str(number))
        await scene.simulator.wait_for_replies("instagram", "900009", number + 1, timeout=10)
    assert outbox(await scene.held("instagram")) == [("eco: hola", "queued")]


async def queued(scene: Scene, channel: str, line: str, user: str = "") -> None:
    """Wait until the answer to this line waits in the queue."""

    async def look() -> bool:
        held = await scene.held(channel, user)
        return held is not None and (f"eco: {line}", "queued") in outbox(held)

    await eventually(look, within=15)
