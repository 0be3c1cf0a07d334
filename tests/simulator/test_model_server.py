"""The fake model answers as an OpenAI-compatible server would, well and badly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from simulator.client import SimulatorClient, SimulatorError

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = {"model": "m", "messages": [{"role": "system", "content": "Eres Ara"}, {"role": "user", "content": "¿precio?"}]}


@pytest_asyncio.fixture(loop_scope="module")
async def llm(simulator) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer sk-test"}
    base = f"{simulator.url}/llm/v1/"
    async with httpx.AsyncClient(
        base_url=base, headers=headers, timeout=0.5, trust_env=False, verify=simulator.url.startswith("https:")
    ) as http:
        yield http


async def ask(llm: httpx.AsyncClient, **changes) -> httpx.Response:
    return await llm.post("chat/completions", json={**ASKED, **changes})


def words(answer: httpx.Response) -> str:
    return answer.json()["choices"][0]["message"]["content"]


async def test_a_scripted_answer_stays_and_queued_ones_come_first(sim: SimulatorClient, llm: httpx.AsyncClient):
    await sim.model(answer="siempre")
    await sim.model(answers=["uno", "dos"])
    assert [words(await ask(llm)) for _ in range(4)] == ["uno", "dos", "siempre", "siempre"]


async def test_an_answer_has_the_usual_shape(sim: SimulatorClient, llm: httpx.AsyncClient):
    await sim.model(answer="cuesta lo que dice la lista")
    document = (await ask(llm)).json()
    assert document["object"] == "chat.completion"
    assert document["choices"][0]["finish_reason"] == "stop"
    assert document["usage"] == {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}


@pytest.mark.parametrize(("fault", "status"), [("429", 429), ("500", 500), ("401", 401)])
async def test_an_error_strikes_as_often_as_asked(sim: SimulatorClient, llm: httpx.AsyncClient, fault, status):
    await sim.model(fault=fault, times=1)
    answer = await ask(llm)
    assert (answer.status_code, "message" in answer.json()["error"]) == (status, True)
    assert (await ask(llm)).status_code == 200


async def test_the_model_can_hang_or_break_off(sim: SimulatorClient, llm: httpx.AsyncClient):
    await sim.model(fault="hang", times=1)
    with pytest.raises(httpx.ReadTimeout):
        await ask(llm)
    await sim.model(fault="reset", times=1)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await ask(llm)
    assert (await ask(llm)).status_code == 200


async def test_the_model_can_answer_garbage_nothing_or_half(sim: SimulatorClient, llm: httpx.AsyncClient):
    for fault in ("garbage", "empty", "no_choices", "cut_short"):
        await sim.model(fault=fault, times=1)
    garbage, empty, none, half = [await ask(llm) for _ in range(4)]
    assert garbage.text.startswith("<!DOCTYPE")
    assert (words(empty), none.json()["choices"], half.json()["choices"][0]["finish_reason"]) == ("", [], "length")


async def test_what_was_asked_is_told_without_the_key(sim: SimulatorClient, llm: httpx.AsyncClient):
    await ask(llm)
    (request,) = await sim.model_requests()
    assert request == {"body": ASKED, "authorized": True}


@pytest.mark.parametrize("changes", [{"model": None}, {"messages": []}, {"messages": [{"content": "x"}]}, {"stream": True}])
async def test_a_wrong_request_is_refused(llm: httpx.AsyncClient, changes):
    assert (await ask(llm, **changes)).status_code == 400


async def test_without_a_key_there_is_no_answer(llm: httpx.AsyncClient):
    assert (await llm.post("chat/completions", json=ASKED, headers={"Authorization": ""})).status_code == 401


@pytest.mark.parametrize("script", [{"fault": "gremlin"}, {"times": 0}, {"answers": "x"}, {"words": "x"}])
async def test_a_senseless_script_is_refused(sim: SimulatorClient, script):
    with pytest.raises(SimulatorError):
        await sim.model(**script)
