"""The action server is dead, hangs, or dies in the middle: the customer gets an apology and a person, once and soon."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from omnicrm.processes import answers, until
from simulator.client import SimulatorClient
from tests.faults.conftest import ACTION_SECONDS
from tests.support.customer import Customer, is_response
from tests.support.eventually import eventually
from tests.support.real_bot import START_SECONDS, RealBot
from tests.support.scene import CHANNELS

PRICE = "cuánto cuesta el extracto de árnica?"
NewCustomer = Callable[..., Customer]


def kill_actions(bot: RealBot) -> None:
    """SIGKILL, to the whole group."""
    process = bot.children["actions"].process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


async def start_actions(bot: RealBot) -> None:
    """Start it again, and wait until it answers."""
    await until(functools.partial(answers, bot.actions + "/health"), bot.start_actions(), START_SECONDS)


@pytest.fixture
def hanging(real: RealBot) -> Iterator[None]:
    """The action server takes connections and says nothing."""
    group = real.children["actions"].process.pid
    os.killpg(group, signal.SIGSTOP)
    yield
    os.killpg(group, signal.SIGCONT)


@pytest.fixture
async def back(real: RealBot) -> AsyncIterator[None]:
    """Whatever the test does to the action server, the next one finds it alive."""
    yield
    if real.children["actions"].process.poll() is not None:
        await start_actions(real)


async def apologised_once(customer: Customer) -> None:
    """The one reply is the apology, and a person is called."""
    held = await customer.held()
    (text,) = await customer.texts()
    assert is_response("utter_tropiezo", text)
    assert (held["owner"], held["owner_reason"]) == ("human", "el bot no pudo contestar")
    assert held["attention"]
    assert held["orders"] == []


async def test_an_action_server_that_hangs_is_waited_for_once_and_then_a_person_is_called(
    hanging: None, new_customer: NewCustomer
) -> None:
    customers = [new_customer(channel) for channel in CHANNELS]
    began = time.monotonic()
    await asyncio.gather(*(customer.asks(PRICE) for customer in customers))
    # Both the session's start and the answer hang in this turn: together they may cost the time of one.
    assert time.monotonic() - began < 1.95 * ACTION_SECONDS
    for customer in customers:
        await apologised_once(customer)


async def test_a_dead_action_server_costs_an_apology_each_and_once_it_is_back_all_is_normal(
    real: RealBot, back: None, new_customer: NewCustomer
) -> None:
    kill_actions(real)
    unlucky = [new_customer(CHANNELS[number % 2]) for number in range(8)]
    await asyncio.gather(*(customer.says(PRICE) for customer in unlucky))
    for customer in unlucky:
        await apologised_once(customer)
    greeted = [new_customer(channel) for channel in CHANNELS]
    for customer in greeted:
        (text,) = await customer.asks("hola")
        assert is_response("utter_saludar", text), "a greeting needs no action"
        assert (await customer.held())["owner"] == "bot"
    await start_actions(real)
    for customer in greeted:
        (text,) = await customer.asks(PRICE)
        assert "$120" in text
    assert await unlucky[0].asks("hola?") == [], "a person has been called: the bot is silent"


async def test_an_action_server_killed_in_the_middle_of_an_action_costs_an_apology(
    real: RealBot, back: None, new_customer: NewCustomer, real_simulator: SimulatorClient
) -> None:
    await real_simulator.model(fault="slow", seconds=0.7)
    customer = new_customer("messenger")
    await customer.says("quién va a ganar el mundial de fútbol")

    async def asked() -> bool:
        return bool(await real_simulator.model_requests())

    await eventually(asked, every=0.02)
    kill_actions(real)
    await apologised_once(customer)
    await start_actions(real)
    (text,) = await new_customer("messenger").asks(PRICE)
    assert "$120" in text


GARBAGE = {
    "a proxy's page": (200, b"<html>502</html>"),
    "another program's JSON": (200, b"[1, 2]"),
    "an answer of another shape": (200, b'{"events": 5, "responses": "hola"}'),
    "events that do not exist": (200, b'{"events": [{"event": "dance"}], "responses": []}'),
    "its own fault": (500, b"{}"),
    "nothing": (200, b""),
}


async def test_an_action_server_that_answers_garbage_costs_an_apology(
    real: RealBot, back: None, new_customer: NewCustomer
) -> None:
    kill_actions(real)
    garbage: list[tuple[int, bytes]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        status, body = garbage[-1]
        writer.write(f"HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nConnection: close\r\n".encode())
        writer.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    port = int(real.actions.rsplit(":", 1)[1])
    async with await asyncio.start_server(answer, "127.0.0.1", port):
        for told in GARBAGE.values():
            garbage.append(told)
            customer = new_customer()
            await customer.asks(PRICE)
            await apologised_once(customer)
