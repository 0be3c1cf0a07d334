"""Customers who all write at once, each message with a number of its own, and the recount of what became of each."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from connectors.message import Json
from crm.connect import open_crm
from crm.port import Crm
from omnicrm.settings import Settings
from simulator.client import SimulatorClient
from tests.support.scene import CHANNELS, inbox, settled
from tests.support.stack import user_on

SETTLING_SECONDS = 60.0


class Load:
    """``customers`` on all channels who write ``messages`` lines each, not waiting for answers.

    ``first`` numbers the first of them: two loads on one database need customers of their own.
    """

    def __init__(self, client: SimulatorClient, *, customers: int, messages: int, first: int = 0) -> None:
        self.client = client
        channels = [CHANNELS[i % len(CHANNELS)] for i in range(first, first + customers)]
        self.people = [(channel, user_on(channel, 9000000 + first + i)) for i, channel in enumerate(channels)]
        self._messages = messages

    def start(self) -> asyncio.Task[Any]:
        """Let everybody write."""
        return asyncio.ensure_future(asyncio.gather(*(self._write(channel, user) for channel, user in self.people)))

    async def _write(self, channel: str, user: str) -> None:
        for line in self.lines(user):
            await self.client.say(channel, user, line)

    def lines(self, user: str) -> list[str]:
        """What this customer writes."""
        return [f"m-{user}-{number}" for number in range(self._messages)]


async def recount(load: Load, database_url: str) -> Counter[str]:
    """Compare every message with what came of it, once nothing is under way any more.

    Each is stored once and handled; each is answered exactly once, in the order in which it was stored, or not at all and
    then a person is asked to look. Returns how often which.
    """
    crm = await open_crm(Settings(database_url=database_url))
    try:
        return sum([await _recount_one(load, crm, channel, user) for channel, user in load.people], Counter[str]())
    finally:
        await crm.close()


async def _recount_one(load: Load, crm: Crm, channel: str, user: str) -> Counter[str]:
    lines = load.lines(user)
    held = await settled(crm, channel, user, inbound=len(lines), within=SETTLING_SECONDS)
    expected = Counter((line, "handled") for line in lines)
    assert inbox(held) == expected, f"a message is missing, stored twice or not handled: {held}"
    # A mail holds all that a turn says.
    shown = [line for text in (await load.client.phone(channel, user)).texts for line in (text or "").split("\n\n")]
    asked = [f"eco: {m['text']}" for m in held["messages"] if m["direction"] == "in"]
    answered = [reply for reply in asked if reply in shown]
    assert shown == answered, f"twice, unasked or in disorder: {shown}, asked for {asked}"
    left = len(asked) - len(answered)
    assert not left or held["attention"], f"{left} were not answered, and nobody was told: {_short(held)}"
    return Counter({"answered": len(answered), "left to a person": left})


def _short(held: Json) -> list[tuple[Any, ...]]:
    return [(m["direction"], m["text"], m["status"], m["reason"]) for m in held["messages"]]
