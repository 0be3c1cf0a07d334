"""Watches whether our number is still linked, and tells it, so that answers wait instead of failing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from connectors.message import AccountState, NeedsOperator, SendError
from connectors.platform import Desk
from connectors.values import make_key
from connectors.whapi.client import WhapiClient
from connectors.whapi.state import State, state_of

logger = logging.getLogger(__name__)

# A state that stays is told again now and then: a webhook may have told another one meanwhile, to another process, and what
# ended it may never have arrived. Without this the queue could wait for ever.
TELL_AGAIN = timedelta(minutes=10)
# How many rounds a process that is gone keeps the others from watching.
LEASE_ROUNDS = 3


class Watch:
    """Looks at the channel's health every ``seconds``, in one process at a time."""

    def __init__(
        self,
        client: WhapiClient,
        channel: str,
        *,
        seconds: float,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._channel = channel
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._told: State | None = None
        self._told_at: datetime | None = None

    async def listen(self, desk: Desk) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self._look(desk)
            except Exception as error:
                # An absent database or a bug of ours: the next round tries again.
                logger.warning("whapi health not told action=watch channel=%s error=%s", self._channel, type(error).__name__)
            await self._sleep(self._seconds)

    async def _look(self, desk: Desk) -> None:
        if not await desk.lease(f"whapi-health:{self._channel}", LEASE_ROUNDS * self._seconds):
            # What another process tells from now on is not known here.
            self._told = None
            return
        state = await self._state()
        now = self._clock()
        if state is None or (state == self._told and self._told_at is not None and now - self._told_at < TELL_AGAIN):
            return
        await desk.receive([self._event(state, now)])
        self._told, self._told_at = state, now
        level = logging.INFO if state.ok else logging.ERROR
        logger.log(level, "whapi channel action=watch channel=%s ok=%s reason=%s", self._channel, state.ok, state.reason)

    async def _state(self) -> State | None:
        """The channel's state; None when it cannot be known now."""
        try:
            return state_of(await self._client.get_health())
        except NeedsOperator as error:
            return State(ok=False, reason=error.detail)
        except SendError as error:
            logger.warning("whapi health unknown action=watch channel=%s code=%s", self._channel, error.code)
            return None

    def _event(self, state: State, now: datetime) -> AccountState:
        return AccountState(
            # The same state twice is two observations.
            key=make_key("whapi", self._channel, "account", "watch", now.isoformat()),
            address=None,
            timestamp=now,
            channel="WA",
            account=self._channel,
            ok=state.ok,
            reason=state.reason,
        )
