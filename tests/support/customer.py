"""A customer of the real bot whom nobody has met before."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from connectors.message import Json
from crm.port import Crm
from omnicrm.conversation import Expected, compare_joined, responses_of
from simulator.client import SimulatorClient
from tests.support.scene import settled
from tests.support.stack import PROJECT, user_on

_numbers = count(7_000_001)


@dataclass(frozen=True)
class Customer:
    """Writes on one channel, and looks at phone and CRM."""

    simulator: SimulatorClient
    crm: Crm
    channel: str
    user: str

    @staticmethod
    def new(simulator: SimulatorClient, crm: Crm, channel: str = "instagram") -> Customer:
        """Somebody with an id of their own."""
        return Customer(simulator, crm, channel, user_on(channel, next(_numbers)))

    async def says(self, text: str) -> int | None:
        """Write one message; returns the webhook's status."""
        return (await self.simulator.say(self.channel, self.user, text)).status

    async def held(self, *, inbound: int = 1, within: float = 30.0) -> Json:
        """The conversation in the CRM once nothing of it is under way."""
        return await settled(self.crm, self.channel, self.user, inbound=inbound, within=within)

    async def texts(self) -> list[str]:
        """The words of every reply on the phone."""
        return [text or "" for text in (await self.simulator.phone(self.channel, self.user)).texts]

    async def asks(self, text: str, *, within: float = 30.0) -> list[str]:
        """Write one message; returns the replies to it, all of them."""
        phone = await self.simulator.phone(self.channel, self.user)
        assert await self.says(text) == 200
        await self.held(inbound=len(phone.messages) - phone.shop_messages + 1, within=within)
        return (await self.texts())[phone.shop_messages :]


def is_response(name: str, text: str) -> bool:
    """Whether these words are a variation of that response of the domain; a mail has its choices below them."""
    return compare_joined([Expected(kind="utter", value=name)], [text], responses_of(PROJECT)) == []
