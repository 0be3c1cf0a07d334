"""What is taken out of the database as a bot stops is still done: its lease would keep everybody else from it."""

from __future__ import annotations

import asyncio
from typing import Any

from connectors.message import Address, Outgoing
from connectors.meta.capabilities import INSTAGRAM
from crm.port import Crm
from notify.courier import Courier
from omnicrm.settings import Settings
from tests.support.events import CUSTOMER, inbound, receive
from tests.support.postgres import Database
from turns.model import Claimed, TurnInput, TurnResult
from turns.runtime import Runtime


class SlowToClaim:
    """The database, whose answer to a claim that found work takes its time."""

    wakes = True

    def __init__(self, crm: Crm) -> None:
        self._crm = crm
        self.claimed, self.go_on = asyncio.Event(), asyncio.Event()

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """Ask the real one."""
        answer = await self._crm.call(function, **arguments)
        if function == "omnicrm_claim" and answer["work"]:
            self.claimed.set()
            await self.go_on.wait()
        return answer

    def listen(self, channel: str = "") -> Any:
        """Hear what the real one hears."""
        return self._crm.listen(channel)

    async def close(self) -> None:
        """Stay open, to look at what became of it all."""


class Phone:
    """A customer's phone, and the way there."""

    name, channel, account, capabilities = "instagram", "IG", CUSTOMER.account, INSTAGRAM

    def __init__(self) -> None:
        self.texts: list[str | None] = []

    async def send(self, to: Address, message: Outgoing, reference: str) -> str:
        """Show it."""
        self.texts.append(message.text)
        return f"sent-{len(self.texts)}"

    async def signal(self, to: Address, signal: str) -> None:
        """Show nothing."""

    async def profile(self, of: Address) -> None:
        """Nobody is known."""


class Greeting:
    """Says hello to everybody."""

    async def run(self, work: Claimed, turn: TurnInput, channel_name: str) -> TurnResult:
        """One reply."""
        return TurnResult(dialogue=None, replies=(Outgoing(text="¡Hola!"),))


async def test_a_conversation_that_is_being_claimed_as_the_bot_stops_is_answered(crm: Crm, database: Database) -> None:
    await receive(crm, inbound("hola"))
    slow, phone = SlowToClaim(crm), Phone()
    bot = Runtime(Settings(), slow, [phone])  # type: ignore[arg-type, list-item]
    bot.start(Greeting())  # type: ignore[arg-type]
    await asyncio.wait_for(slow.claimed.wait(), 10)
    stopping = asyncio.create_task(bot.stop())
    await asyncio.sleep(0.05)
    slow.go_on.set()
    await asyncio.wait_for(stopping, 10)
    assert phone.texts == ["¡Hola!"]
    assert database.run("select status from omnicrm.messages order by id") == [("handled",), ("sent",)]
    assert database.run("select count(*) from omnicrm.threads where lease_until > now()") == [(0,)]


async def test_what_is_being_taken_out_to_be_told_as_the_bot_stops_is_told() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    told: list[str] = []

    async def claim(_: int) -> tuple[list[str], None]:
        asked.set()
        await go_on.wait()
        return ["new order"], None

    async def deliver(news: str) -> None:
        await asyncio.sleep(0)
        told.append(news)

    courier = Courier("feed", claim, deliver, concurrency=2)
    running = asyncio.create_task(courier.run())
    await asyncio.wait_for(asked.wait(), 5)
    stopping = asyncio.create_task(courier.stop())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait_for(stopping, 5)
    assert told == ["new order"]
    await asyncio.wait_for(running, 5)
