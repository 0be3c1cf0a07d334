"""Customers who all write at once, each message with a number of its own, and the recount of what became of each."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from connectors.message import Address
from crm.connect import open_crm
from crm.port import Crm
from omnicrm.settings import Settings
from simulator.client import SimulatorClient
from tests.support.eventually import eventually
from tests.support.stack import KEYS

SETTLING_SECONDS = 60.0
UNSETTLED = {("in", "received"), ("out", "queued"), ("out", "sending")}


class Load:
    """``customers`` on both channels who write ``messages`` lines each, not waiting for answers."""

    def __init__(self, client: SimulatorClient, *, customers: int, messages: int, prefix: str = "m") -> None:
        self.client = client
        self.people = [
            (("instagram", "IG", KEYS.ig_id) if i % 2 else ("messenger", "FB", KEYS.page_id), f"90000{i}")
            for i in range(customers)
        ]
        self._messages = messages
        self._prefix = prefix

    def start(self) -> asyncio.Task[Any]:
        """Let everybody write."""
        return asyncio.ensure_future(asyncio.gather(*(self._write(channel[0], user) for channel, user in self.people)))

    async def _write(self, channel: str, user: str) -> None:
        for line in self.lines(user):
            await self.client.say(channel, user, line)

    def lines(self, user: str) -> list[str]:
        """What this customer writes."""
        return [f"{self._prefix}-{user}-{number}" for number in range(self._messages)]


async def recount(load: Load, database_url: str) -> Counter[str]:
    """Compare every message with what came of it.

    Each is stored once and handled; each is answered exactly once, or not at all and then a person is asked to look. Returns
    how often which.
    """
    crm = await open_crm(Settings(database_url=database_url))
    try:
        return await _recount(load, crm)
    finally:
        await crm.close()


async def _recount(load: Load, crm: Crm) -> Counter[str]:
    counted: Counter[str] = Counter()
    for (channel, code, account), user in load.people:
        key = Address(channel=code, account=account, user=user).key  # type: ignore[arg-type]

        async def settled(key: str = key, user: str = user) -> Any:
            held = await crm.call("omnicrm_conversation", p_key=key)
            if held is None or {(m["direction"], m["status"]) for m in held["messages"]} & UNSETTLED:
                return None
            return held if sum(m["direction"] == "in" for m in held["messages"]) >= len(load.lines(user)) else None

        held = await eventually(settled, within=SETTLING_SECONDS, every=0.1)
        stored = Counter(m["text"] for m in held["messages"] if m["direction"] == "in")
        assert stored == Counter(load.lines(user)), "a message is missing or stored twice"
        fates = {(m["text"], m["status"], m["reason"]) for m in held["messages"] if m["direction"] == "in"}
        assert {status for _, status, _ in fates} == {"handled"}, f"{sorted(fates)}: {held}"
        replies = Counter((await load.client.phone(channel, user)).texts)
        for line in load.lines(user):
            answers = replies.pop(f"eco: {line}", 0)
            assert answers <= 1, f"{line} was answered {answers} times"
            if answers == 0:
                assert held["attention"], f"{line} was not answered, and nobody was told: {held}"
            counted["answered" if answers else "left to a person"] += 1
        assert not replies, f"replies that nobody asked for: {replies}"
    return counted
