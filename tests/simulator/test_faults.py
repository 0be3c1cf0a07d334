"""Faults strike where, when and as often as they are asked to, and no further."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
import pytest_asyncio

from simulator.client import SimulatorClient, SimulatorError

from .conftest import GraphCaller, Recorder, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def customers(sim: SimulatorClient) -> None:
    await sim.settings(echoes="off")
    await sim.say("messenger", "fb1", "hola")
    await sim.say("instagram", "ig1", "hola")


async def shown(sim: SimulatorClient) -> int:
    return len((await sim.phone("messenger", "fb1")).replies)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("500", 500, (2, None)),
        ("503", 503, (2, None)),
        ("429", 429, (4, None)),
        ("190", 401, (190, 463)),
        ("613", 400, (613, None)),
        ("4", 400, (4, None)),
        ("80002", 400, (80002, None)),
        ("transient", 400, (2, 1545133)),
        ("window", 400, (10, 2018278)),
        ("blocked", 400, (551, 1545041)),
        ("thread_owner", 400, (10, 2018300)),
        ("unknown_recipient", 400, (100, 2018001)),
    ],
)
async def test_a_refusal_has_its_code_strikes_once_and_sends_nothing(
    sim: SimulatorClient, graph: GraphCaller, fault, status, code
):
    await sim.fault(fault)
    answer = await graph.text("fb1")
    assert (answer.status_code, error_of(answer), await shown(sim)) == (status, code, 0)
    assert (await graph.text("fb1")).status_code == 200


async def test_rate_answers_say_how_full_and_how_long(sim: SimulatorClient, graph: GraphCaller):
    await sim.fault("613", minutes=7)
    headers = (await graph.text("fb1")).headers
    assert '"estimated_time_to_regain_access": 7' in headers["x-business-use-case-usage"]
    assert '"call_count": 100' in headers["x-app-usage"]


async def test_any_error_can_be_asked_for(sim: SimulatorClient, graph: GraphCaller):
    await sim.fault("error", code=368, subcode=1390008, status=403, message="blocked for now")
    answer = await graph.text("fb1")
    assert (answer.status_code, error_of(answer)) == (403, (368, 1390008))


async def test_a_gateway_error_is_not_json(sim: SimulatorClient, graph: GraphCaller):
    await sim.fault("502")
    answer = await graph.text("fb1")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0], await shown(sim)) == (502, "text/html", 0)


@pytest.mark.parametrize(("fault", "accepted"), [("timeout_after_accept", 1), ("timeout_before_accept", 0)])
async def test_a_call_can_hang_before_or_after_it_is_carried_out(sim: SimulatorClient, graph: GraphCaller, fault, accepted):
    await sim.fault(fault)
    with pytest.raises(httpx.ReadTimeout):
        await graph.post({"recipient": {"id": "fb1"}, "message": {"text": "x"}}, timeout=0.2)
    assert await shown(sim) == accepted
    assert (await sim.requests(where="send"))[0]["status"] is None
    assert (await graph.text("fb1")).status_code == 200


@pytest.mark.parametrize(("fault", "accepted"), [("reset", 1), ("reset_before_accept", 0)])
async def test_the_connection_can_break_before_or_after(sim: SimulatorClient, graph: GraphCaller, fault, accepted):
    await sim.fault(fault)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await graph.text("fb1")
    assert await shown(sim) == accepted
    assert (await graph.text("fb1")).status_code == 200


async def test_a_lost_answer_is_still_echoed(sim: SimulatorClient, bot: Recorder, graph: GraphCaller):
    await sim.settings(echoes="after")
    await sim.fault("reset")
    with pytest.raises(httpx.HTTPError):
        await graph.send("fb1", {"text": "x", "metadata": "rasa:9"})
    await bot.wait_for(3)
    assert bot.echoes[0]["message"]["metadata"] == "rasa:9"


async def test_an_answer_can_be_slow(sim: SimulatorClient, graph: GraphCaller):
    await sim.fault("slow", seconds=0.3)
    started = time.monotonic()
    sending = asyncio.create_task(graph.text("fb1"))
    assert (await sim.phone("messenger", "fb1", after=0, wait=2)).shop_messages == 1  # shown before it is answered
    assert (await sending).status_code == 200
    assert time.monotonic() - started >= 0.3


async def test_answers_can_be_garbage_nameless_or_wrongly_an_error(sim: SimulatorClient, graph: GraphCaller):
    for fault in ("garbage", "no_message_id", "1/1357046"):
        await sim.fault(fault)
    garbage, nameless, wrong = [await graph.text("fb1") for _ in range(3)]
    assert garbage.text.startswith("<!DOCTYPE")
    assert nameless.json() == {"recipient_id": "fb1"}
    assert (wrong.status_code, error_of(wrong)) == (500, (1, 1357046))
    assert await shown(sim) == 3


async def test_a_fault_can_be_for_one_user_one_channel_or_one_kind_of_call(sim: SimulatorClient, graph: GraphCaller):
    await sim.fault("500", times=9, user="fb1")
    await sim.fault("503", times=9, channel="instagram", where="sender_action")
    await sim.fault("190", times=9, where="profile")
    assert (await graph.text("fb1")).status_code == 500
    assert (await graph.text("ig1")).status_code == 200
    assert (await graph.action("ig1", "typing_on")).status_code == 503
    assert (await graph.action("fb1", "typing_on")).status_code == 200
    assert (await graph.profile("ig1")).status_code == 401
    assert (await graph.http.get("/v25.0/me")).status_code == 200
    await sim.clear_faults()
    assert (await graph.text("fb1")).status_code == 200


async def test_a_fault_can_start_later_and_strike_several_times(sim: SimulatorClient, graph: GraphCaller):
    await sim.fault("500", times=2, skip=1)
    assert [(await graph.text("fb1")).status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert (await sim.call("GET", "faults"))[0]["hits"] == 2


async def test_a_refused_call_does_not_use_up_a_fault_that_needs_an_accepted_one(sim: SimulatorClient, graph: GraphCaller):
    await sim.fault("no_message_id")
    assert (await graph.text("nobody")).status_code == 400
    assert "message_id" not in (await graph.text("fb1")).json()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"fault": "gremlin"}, "fault must be one of"),
        ({"fault": "500", "where": "moon"}, "where must be one of"),
        ({"fault": "500", "times": 0}, "times must be"),
        ({"fault": "500", "time": 1}, "unknown keys"),
        ({"fault": "error"}, "needs a code"),
        ({"fault": "slow", "seconds": "x"}, "seconds must be"),
        ({"fault": "no_message_id", "where": "profile"}, "can only happen to a send"),
    ],
)
async def test_a_senseless_fault_is_refused_with_words(sim: SimulatorClient, wish, words):
    with pytest.raises(SimulatorError, match=words):
        await sim.call("POST", "faults", wish)


@pytest.mark.parametrize(
    "knobs",
    [{"echoes": "maybe"}, {"retries": 3}, {"latency": -1}, {"require_proof": "yes"}, {"send_rate_instagram": 1.5}, {"x": 1}],
)
async def test_a_senseless_setting_changes_nothing(sim: SimulatorClient, knobs):
    before = await sim.settings()
    with pytest.raises(SimulatorError):
        await sim.settings(model_latency=1, **knobs)
    assert await sim.settings() == before


async def test_a_senseless_time_or_token_is_refused(sim: SimulatorClient):
    for path, body in (
        ("clock", {"advance": "x"}),
        ("clock", {"set": "noon"}),
        ("token", {"valid": "no"}),
        ("user", {"channel": "x"}),
    ):
        with pytest.raises(SimulatorError):
            await sim.call("POST", path, body)


async def test_the_clock_can_be_set(sim: SimulatorClient, bot: Recorder):
    await sim.call("POST", "clock", {"set": "2030-01-01T00:00:00Z"})
    await sim.say("messenger", "fb1", "hola")
    assert bot.items[-1]["timestamp"] // 10**5 == 1893456000000 // 10**5
