"""The real bot, Rasa and all, killed under load: another one on the same database finishes what it had begun."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from omnicrm.processes import Child, answers, free_ports, until
from tests.support.crash import VARIABLE
from tests.support.customer import Customer, is_response
from tests.support.eventually import eventually
from tests.support.real_bot import START_SECONDS, RealBot
from tests.support.scene import CHANNELS

NewCustomer = Callable[..., Customer]
CREDENTIALS = "".join(
    f"tests.support.mortal_channels.Mortal{name}:\n" for name in ("Instagram", "Messenger", "Whatsapp", "Email")
)
PRICE = "cuánto cuesta el extracto de árnica?"
ORDER = "kiero 3 frascos d arnica xfa"
# Where a process of the bot's own steps dies. A third one dies when it calls an action, a fourth when an order was taken.
STEPS = {"committed": "after omnicrm_answer:2", "sent": "after send:2"}
TAKES_ORDER = "action_registrar_pedido"
MOST_CUSTOMERS = 150


def kill(child: Child) -> None:
    """SIGKILL, to the whole group."""
    os.killpg(child.process.pid, signal.SIGKILL)


@asynccontextmanager
async def deadly_action_server(real_one: str, kill_caller: Callable[[], None], *, after: str = "") -> AsyncIterator[str]:
    """An address whose caller dies as soon as it has asked for an action; or when the action ``after`` was carried out."""

    async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        (length,) = (int(line.partition(":")[2]) for line in head.splitlines() if line.startswith("content-length:"))
        body = await reader.readexactly(length)
        if after:
            answer = await http.post(f"{real_one}/webhook", content=body, headers={"content-type": "application/json"})
            told = f"HTTP/1.1 {answer.status_code} X\r\nContent-Type: application/json\r\nConnection: close\r\n"
            told += f"Content-Length: {len(answer.content)}\r\n\r\n"
        if not after or json.loads(body)["next_action"] == after:
            kill_caller()
        else:
            writer.write(told.encode() + answer.content)
        writer.close()

    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        server = await asyncio.start_server(asked, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def victims(real: RealBot) -> AsyncIterator[dict[str, Child]]:
    """Four more bots on the real one's database; each has a step at which it dies."""
    credentials = real.folder / "mortal.yml"
    credentials.write_text(CREDENTIALS)
    started: dict[str, Child] = {}
    addresses = [f"http://127.0.0.1:{port}" for port in free_ports(len(STEPS) + 2)]

    def start(name: str, **options: str) -> None:
        address = addresses[len(started)]
        started[name] = real.start_bot(
            f"bot-{name}", address, credentials=str(credentials), WORKER_CONCURRENCY="2", SANIC_WORKERS="1", **options
        )

    async with AsyncExitStack() as servers:
        asking = await servers.enter_async_context(deadly_action_server(real.actions, lambda: kill(started["asking"])))
        ordering = await servers.enter_async_context(
            deadly_action_server(real.actions, lambda: kill(started["ordering"]), after=TAKES_ORDER)
        )
        for name, step in STEPS.items():
            start(name, **{VARIABLE: step})
        start("asking", actions=asking)
        start("ordering", actions=ordering)
        for child, address in zip(started.values(), addresses, strict=True):
            await until(functools.partial(answers, address), child, START_SECONDS)
        yield started


async def settle(customers: list[tuple[Customer, str]], counted: Counter[str]) -> None:
    """Look at every customer once nothing is under way: what came of each message, in the CRM and on the phone."""
    for customer, said in customers:
        held = await customer.held(within=60)
        ((status, text),) = [(m["status"], m["text"]) for m in held["messages"] if m["direction"] == "in"]
        assert (status, text) == ("handled", said)
        replies = await customer.texts()
        expected = "utter_pedido_registrado" if said == ORDER else "$120"
        assert len(replies) <= 1, f"answered more than once: {replies}"
        assert all(is_response(expected, reply) or expected in reply for reply in replies)
        assert replies or held["attention"], f"nobody was told that this was not answered: {held}"
        orders = [{"product": "Árnica", "quantity": 3}] if said == ORDER else []
        assert held["orders"] == orders, "an order is missing or was taken twice"
        counted["answered" if replies else "left to a person"] += 1


async def test_real_bots_killed_under_load_lose_nothing_and_repeat_nothing(real: RealBot, new_customer: NewCustomer) -> None:
    customers: list[tuple[Customer, str]] = []
    async with victims(real) as doomed:

        async def all_dead() -> bool:
            for said in (PRICE, ORDER):
                customer = new_customer(CHANNELS[len(customers) // 2 % len(CHANNELS)])
                customers.append((customer, said))
                await customer.says(said)
            assert len(customers) < MOST_CUSTOMERS, "a bot did not come to its step"
            return all(child.process.poll() is not None for child in doomed.values())

        await eventually(all_dead, within=120, every=0.3)
    assert {name: child.process.returncode for name, child in doomed.items()} == dict.fromkeys(doomed, -signal.SIGKILL)
    counted = Counter[str]()
    await settle(customers, counted)
    assert counted["answered"] > len(customers) - 10
