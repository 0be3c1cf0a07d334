"""What one fault test plays in: a database of its own, customers with phones, and as many stand-in bots as it wants."""

from __future__ import annotations

from collections import Counter
from typing import Any

from connectors.message import Json
from crm.port import Crm
from omnicrm.processes import free_ports
from simulator.bot import ForBot
from simulator.client import PhoneView, SimulatorClient
from tests.support.eventually import eventually
from tests.support.postgres import Database
from tests.support.stack import Nursery, StandinBot, address_of, bot_environment, user_on

CHANNELS = ("instagram", "messenger", "whatsapp", "email")
# Where a turn may say several messages one after the other; a mail holds them all.
CHAT_CHANNELS = CHANNELS[:3]
# Meta's two, for what only Graph does.
META_CHANNELS = CHANNELS[:2]
# A customer's id per channel: a platform's ids are never equal across channels.
USERS = {channel: user_on(channel, 900001 + number) for number, channel in enumerate(CHANNELS)}
UNSETTLED = frozenset({("in", "received"), ("out", "queued"), ("out", "sending")})
# Short, so that a dead bot's work is taken over soon.
QUICK = {"LEASE_SECONDS": "4", "POLL_SECONDS": "0.1", "SEND_TIMEOUT_SECONDS": "2.5"}


class Scene:
    """The bots that a test starts end with it."""

    def __init__(
        self, simulator: SimulatorClient, platforms: ForBot, database: Database, crm: Crm, nursery: Nursery
    ) -> None:
        self.simulator, self.database, self.crm = simulator, database, crm
        self._platforms, self._nursery = platforms, nursery
        self.bots: list[StandinBot] = []

    async def start_bot(self, *, elsewhere: bool = False, **environment: str) -> StandinBot:
        """Start a bot where the webhooks go, or ``elsewhere``: then it shares the database alone."""
        port = free_ports(1)[0] if elsewhere else self._platforms.bot_port
        variables = bot_environment(self.database.url, self._platforms, **{**QUICK, **environment})
        bot = self._nursery.bot(port, variables)
        self.bots.append(bot)
        await bot.ready()
        return bot

    def close(self) -> None:
        """Kill every bot."""
        for bot in self.bots:
            bot.kill()

    # --- looking ---------------------------------------------------------------------------------------------------------

    async def held(self, channel: str, user: str = "") -> Json:
        """The conversation as the CRM holds it; None before its first message."""
        return await self.crm.call("omnicrm_conversation", p_key=address_of(channel, user or USERS[channel]).key)

    async def settled(self, channel: str, user: str = "", *, inbound: int = 1, within: float = 30.0) -> Json:
        """The conversation once ``inbound`` messages are stored and nothing of it is under way."""
        return await settled(self.crm, channel, user or USERS[channel], inbound=inbound, within=within)

    async def phone(self, channel: str, user: str = "") -> PhoneView:
        """The customer's phone."""
        return await self.simulator.phone(channel, user or USERS[channel])

    async def send_requests(self, user: str) -> list[Json]:
        """How often the platform was asked to show this customer a message."""
        found: list[Json] = await self.simulator.call("GET", "requests", params={"user": user, "where": "send"})
        return found


async def settled(crm: Crm, channel: str, user: str, *, inbound: int, within: float = 30.0) -> Json:
    """The conversation once ``inbound`` messages are stored and nothing of it is under way."""

    async def look() -> Any:
        held = await crm.call("omnicrm_conversation", p_key=address_of(channel, user).key)
        if held is None or {(m["direction"], m["status"]) for m in held["messages"]} & UNSETTLED:
            return None
        return held if sum(m["direction"] == "in" for m in held["messages"]) >= inbound else None

    return await eventually(look, within=within, every=0.1)


def outbox(held: Json) -> list[tuple[str, str]]:
    """The shop's messages as (text, status), oldest first."""
    return [(m["text"], m["status"]) for m in held["messages"] if m["direction"] == "out"]


def inbox(held: Json) -> Counter[tuple[str, str]]:
    """The customer's messages as (text, status)."""
    return Counter((m["text"], m["status"]) for m in held["messages"] if m["direction"] == "in")
