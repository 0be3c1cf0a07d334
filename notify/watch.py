"""Once a day, in one process: does every account still work, and for how long? And old rows are forgotten."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from connectors.platform import Finding
from crm.port import Crm, CrmError

logger = logging.getLogger(__name__)

MEMORY = "notify:watched"
LEASE = "notify:watch"
EVERY = timedelta(days=1)
# A bot that has just started has better things to do, and may be about to be stopped again.
FIRST_LOOK_SECONDS = 600.0
ROUND_SECONDS = 600.0
# An error that is gone by now was the network's.
SECOND_LOOK_SECONDS = 60.0
CHECK_SECONDS = 60.0
LEASE_SECONDS = 900.0
PRUNE_ROUNDS = 200

Sleep = Callable[[float], Awaitable[None]]


class Checked(Protocol):
    """What can be looked at: a platform."""

    name: str
    channel: Any
    account: str

    async def check(self) -> list[Finding]:
        """Look at token, permissions and subscription."""


class Watch:
    """Looks once a day. ``open_platforms`` makes the platforms anew for each look, so that no send of theirs is disturbed."""

    def __init__(
        self, crm: Crm, worker: str, look: Callable[[Callable[[Checked], Awaitable[None]]], Awaitable[None]],
        clock: Callable[[], datetime], *, sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._crm = crm
        self._worker = worker
        self._look = look
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Run until cancelled. Survives an absent database and absent platforms."""
        await self._sleep(FIRST_LOOK_SECONDS)
        while True:
            try:
                await self.round()
            except CrmError as error:
                logger.warning("accounts not looked at action=watch error=%s", error)
            except Exception:
                # A bug of ours; tomorrow is another day.
                logger.exception("accounts not looked at action=watch")
            await self._sleep(ROUND_SECONDS)

    async def round(self) -> bool:
        """Look and prune, unless it was done within the day or another process does it. Raises ``CrmError``."""
        now = self._clock()
        last = await self._crm.call("omnicrm_recall", p_name=MEMORY)
        if isinstance(last, str) and now - datetime.fromisoformat(last) < EVERY:
            return False
        if not await self._crm.call("omnicrm_lease", p_name=LEASE, p_worker=self._worker, p_seconds=LEASE_SECONDS):
            return False
        await self._look(self._check)
        await self._prune()
        await self._crm.call("omnicrm_remember", p_name=MEMORY, p_value=now.isoformat())
        return True

    async def _check(self, platform: Checked) -> None:
        findings = await self._findings(platform)
        if any(finding.level == "error" for finding in findings):
            await self._sleep(SECOND_LOOK_SECONDS)
            again = {finding.text for finding in await self._findings(platform)}
            findings = [finding for finding in findings if finding.level != "error" or finding.text in again]
        report = [
            {"kind": "channel_down" if finding.level == "error" else "token", "text": finding.text}
            for finding in findings
            if finding.level == "error" or finding.token
        ]
        if report:
            await self._crm.call(
                "omnicrm_report_account", p_channel=platform.channel, p_account=platform.account, p_findings=report
            )

    async def _findings(self, platform: Checked) -> Sequence[Finding]:
        try:
            return await asyncio.wait_for(platform.check(), CHECK_SECONDS)
        except asyncio.TimeoutError:
            return ()

    async def _prune(self) -> None:
        for _ in range(PRUNE_ROUNDS):
            if not (await self._crm.call("omnicrm_prune_told"))["more"]:
                return
