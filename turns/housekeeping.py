"""What has to be done now and then, by one process of all that share the database: close what is silent, forget old events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from crm.port import Crm, CrmError
from omnicrm.setting import by_channel

logger = logging.getLogger(__name__)

ROUND_SECONDS = 60.0
# A process that is gone keeps the others waiting for so many rounds.
LEASE_ROUNDS = 3
ROUNDS_BETWEEN_PRUNINGS = 24 * 60
LEASE = "housekeeping"


def silence_limits(close_after_hours: Sequence[str]) -> dict[str, float]:
    """The setting's ``("WA=72", …)`` as seconds per channel."""
    return {channel: hours * 3600 for channel, hours in by_channel(close_after_hours).items()}


class Housekeeping:
    """Runs until cancelled; survives an absent database."""

    def __init__(
        self, crm: Crm, worker: str, limits: dict[str, float], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """``limits``: seconds of silence after which a conversation is closed, by channel code."""
        self._crm = crm
        self._worker = worker
        self._limits = limits
        self._sleep = sleep

    async def run(self) -> None:
        """Do a round a minute."""
        number = 0
        while True:
            try:
                await self.round(number)
            except CrmError as error:
                logger.warning("housekeeping waits action=housekeeping error=%s", error)
            number += 1
            await self._sleep(ROUND_SECONDS)

    async def round(self, number: int) -> None:
        """One round, if this process holds the lease. Raises ``CrmError``."""
        seconds = LEASE_ROUNDS * ROUND_SECONDS
        if not await self._crm.call("omnicrm_lease", p_name=LEASE, p_worker=self._worker, p_seconds=seconds):
            return
        closed = (await self._crm.call("omnicrm_close_silent", p_limits=self._limits))["closed"]
        if closed:
            logger.info("silent conversations closed action=housekeeping count=%s", closed)
        if number % ROUNDS_BETWEEN_PRUNINGS == 0:
            await self._crm.call("omnicrm_prune")
