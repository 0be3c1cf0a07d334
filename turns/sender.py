"""Out: the replies of one conversation, in order, each at most once where the platform gives no key."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from connectors.message import (
    BadPayload,
    Json,
    NeedsOperator,
    NotOurThread,
    OutcomeUnknown,
    Outgoing,
    Retry,
    SendError,
    Unreachable,
    WindowClosed,
)
from connectors.platform import Platform
from crm.port import Crm, CrmError
from turns.model import Claimed

logger = logging.getLogger(__name__)

OUTCOMES: dict[type[SendError], str] = {
    Retry: "retry", WindowClosed: "window", Unreachable: "unreachable", NotOurThread: "not_ours", BadPayload: "failed",
    NeedsOperator: "operator", OutcomeUnknown: "unknown",
}
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 120.0


def retry_delay(attempts: int, jitter: float) -> float:
    """Seconds before try ``attempts + 1``: doubling, with full jitter in its upper half. ``jitter`` is in [0, 1)."""
    longest = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** (attempts - 1))
    return longest * (0.5 + jitter / 2)


class Sender:
    """Delivers what is queued for a conversation that this worker holds."""

    def __init__(
        self, crm: Crm, platforms: Mapping[str, Platform], *, lease_seconds: float, takeover_seconds: float,
        random_number: Callable[[], float] = random.random, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._crm = crm
        self._platforms = platforms
        self._lease_seconds = lease_seconds
        self._takeover_seconds = takeover_seconds
        self._random = random_number
        self._sleep = sleep

    async def deliver(self, work: Claimed, begun: Json = None) -> float | None:
        """Send all that may go now, then release the conversation. ``begun``: the first step, where the commit gave it.

        Returns the seconds until it wants attention again; None when there is nothing to do, or the lease was lost.
        """
        platform = self._platforms[account_key(work)]
        step = begun or await self._next(work, platform, None)
        while "send" in step or "wait" in step:
            settled = None
            if "send" in step:
                settled = await self._send(work, platform, step["send"])
            else:
                await self._sleep(max(0.0, step["wait"]))
            step = await self._next(work, platform, settled)
        due: float | None = step.get("due_seconds")
        return due

    async def _next(self, work: Claimed, platform: Platform, settled: Json) -> Json:
        arguments = {
            "p_thread": work.thread, "p_token": work.token, "p_lease_seconds": self._lease_seconds,
            "p_rate": platform.capabilities.sends_per_second, "p_media_rate": platform.capabilities.media_per_second,
            "p_settled": settled, "p_takeover_seconds": self._takeover_seconds,
        }
        try:
            return await self._crm.call("omnicrm_next_send", **arguments)
        except CrmError:
            # What became of a send must not be lost for a moment's outage: a second settle of the same changes nothing.
            if settled is None:
                raise
            await self._sleep(1.0)
            return await self._crm.call("omnicrm_next_send", **arguments)

    async def _send(self, work: Claimed, platform: Platform, item: Json) -> dict[str, Any]:
        message_id, attempts = item["id"], item["attempts"]
        try:
            platform_id = await platform.send(work.address, Outgoing.from_json(item["message"]), f"omnicrm:{message_id}")
        except SendError as error:
            outcome = OUTCOMES[type(error)]
            logger.warning("send failed action=send message=%s outcome=%s code=%s", message_id, outcome, error.code)
            settled = {"message": message_id, "outcome": outcome, "error": {"detail": error.detail, "code": error.code}}
            if isinstance(error, Retry):
                settled["retry_seconds"] = max(error.after or 0.0, retry_delay(attempts, self._random()))
            return settled
        return {"message": message_id, "outcome": "sent", "platform_id": platform_id}


def account_key(work: Claimed) -> str:
    """How the database names one of our accounts."""
    return f"{work.address.channel}:{work.address.account}"
