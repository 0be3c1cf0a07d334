"""Ways for a real process to die by SIGKILL at one exact step: nothing is flushed, closed or told.

A point is "before NAME" or "after NAME"; names are the database's functions (``omnicrm_claim``…), ``send`` (the request to
the platform) and ``dialogue``. ``after omnicrm_receive`` means: committed, and nobody was told.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from typing import Any

from connectors.message import Address, Capabilities, ChannelCode, Outgoing
from connectors.platform import Answer, Finding, Platform, Profile, Request
from crm.port import WORK_CHANNEL, Crm

VARIABLE = "OMNICRM_TEST_DIE_AT"
# Every step of the way, in order. "after omnicrm_receive" is after its commit and before the 200.
WAY = (
    "omnicrm_receive",
    "omnicrm_claim",
    "dialogue",
    "omnicrm_answer",
    "send",
    "omnicrm_settle_send",
)
STEPS = [f"{when} {what}" for what in WAY for when in ("before", "after")]
# Seconds that an account rests after trouble with its token; a test does not wait for the minute of a shop.
PAUSE_VARIABLE = "OMNICRM_TEST_PAUSE"


class Death:
    """Dies at the ``nth`` passing of its point, e.g. ``after omnicrm_answer:3``. Without a point it never does."""

    def __init__(self, spec: str) -> None:
        self._point, _, nth = spec.partition(":")
        self._left = int(nth or 1)

    @staticmethod
    def from_environment() -> Death:
        """The point that the test chose for this process."""
        return Death(os.environ.get(VARIABLE, ""))

    def passing(self, point: str) -> None:
        """Go on, or die."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class MortalCrm:
    """A database port whose process may die around any call."""

    def __init__(self, crm: Crm, death: Death, pause_seconds: float = 60.0) -> None:
        self._crm, self._death, self.wakes = crm, death, crm.wakes
        self._pause_seconds = pause_seconds

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """Call, unless it is time to die."""
        # `settle` and `next` are one function: a send's request lies between two calls of it.
        step = "omnicrm_settle_send" if arguments.get("p_settled") else function
        if any(event["type"] == "accountstate" for event in arguments.get("p_events", ())):
            step = "omnicrm_receive of an account's state"  # told once at the start, before any customer writes
        if function == "omnicrm_next_send":
            arguments["p_pause_seconds"] = self._pause_seconds
        self._death.passing(f"before {step}")
        result = await self._crm.call(function, **arguments)
        self._death.passing(f"after {step}")
        return result

    def listen(self, channel: str = WORK_CHANNEL) -> AsyncIterator[str]:
        """Listen as the port does."""
        return self._crm.listen(channel)

    async def close(self) -> None:
        """Close the port."""
        await self._crm.close()


class MortalPlatform:
    """A platform whose process may die around a send."""

    def __init__(self, platform: Platform, death: Death) -> None:
        self._platform, self._death = platform, death
        self.name: str = platform.name
        self.channel: ChannelCode = platform.channel
        self.account: str = platform.account
        self.webhook_path: str = platform.webhook_path
        self.webhook_methods: tuple[str, ...] = platform.webhook_methods
        self.webhook_below: bool = platform.webhook_below
        self.max_body: int = platform.max_body
        self.capabilities: Capabilities = platform.capabilities

    def __getattr__(self, name: str) -> Any:
        """``listen``, where the platform has it."""
        return getattr(self._platform, name)

    def webhook(self, request: Request) -> Answer:
        """Verify and parse."""
        return self._platform.webhook(request)

    async def send(self, to: Address, message: Outgoing, reference: str) -> str:
        """Send, unless it is time to die."""
        self._death.passing("before send")
        platform_id = await self._platform.send(to, message, reference)
        self._death.passing("after send")
        return platform_id

    async def signal(self, to: Address, signal: Any) -> None:
        """Pass it on."""
        await self._platform.signal(to, signal)

    async def profile(self, of: Address) -> Profile | None:
        """Pass it on."""
        return await self._platform.profile(of)

    async def check(self) -> list[Finding]:
        """Pass it on."""
        return await self._platform.check()
