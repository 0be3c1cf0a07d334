"""Notices: claim, write, send, settle."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.message import BadPayload, NeedsOperator, OutcomeUnknown, Retry, SendError, Unreachable
from crm.port import Crm
from notify.outlets import Outlets
from notify.quiet import quiet_until
from notify.schedule import LONGEST_NOTICE_SECONDS, NOTICE_TRIES, notice_delay
from notify.settings import Target, told
from notify.texts import Item, masked_target, tell
from omnicrm.settings import Settings

logger = logging.getLogger(__name__)

# Longer than the longest send: three and a half times the mail server's time, or a WhatsApp message that is typed.
LEASE_SECONDS = 120.0

OUTCOMES: dict[type[SendError], str] = {
    # Repairing takes a person and a while: it is tried again, slowly.
    Retry: "retry", NeedsOperator: "retry", OutcomeUnknown: "unknown", BadPayload: "failed", Unreachable: "failed",
}


class Notices:
    """The notices of one database, told as the settings say."""

    def __init__(
        self, crm: Crm, settings: Settings, outlets: Outlets, clock: Callable[[], datetime], *,
        random_number: Callable[[], float] = random.random, lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._crm = crm
        self._settings = settings
        self._outlets = outlets
        self._clock = clock
        self._random = random_number
        self._lease_seconds = lease_seconds
        self._zone = ZoneInfo(settings.business_timezone)
        self._targets = {kind: [str(target) for target in found] for kind, found in told(settings).items()}
        self._always = [*settings.notify_always, *(("channel_up",) if "channel_down" in settings.notify_always else ())]

    async def claim(self, limit: int) -> tuple[Sequence[dict[str, Any]], float | None]:
        """Take what is due, and the seconds until more is. Raises ``CrmError``."""
        quiet = quiet_until(self._clock(), self._settings.notify_quiet_hours, self._zone)
        plan = {
            "targets": self._targets, "window_seconds": self._settings.notify_window_minutes * 60,
            "quiet_until": None if quiet is None else quiet.isoformat(), "always": self._always,
        }  # fmt: skip
        answer = await self._crm.call(
            "omnicrm_claim_notices", p_plan=plan, p_limit=limit, p_lease_seconds=self._lease_seconds
        )
        return answer["work"], answer["next_due_seconds"]

    async def deliver(self, work: dict[str, Any]) -> None:
        """Send one message and settle it. Raises ``CrmError``."""
        outcome, error, seconds = await self._send(work)
        await self._crm.call(
            "omnicrm_settle_notice", p_message=work["id"], p_token=work["token"], p_outcome=outcome, p_error=error,
            p_retry_seconds=seconds, p_most_tries=NOTICE_TRIES,
        )

    async def _send(self, work: dict[str, Any]) -> tuple[str, str | None, float]:
        quiet = self._settings.notify_quiet_hours
        held = str(quiet or "sin horario") if work["held"] else ""
        message = tell([Item.from_json(item) for item in work["items"]], link=self._settings.notify_link, held=held)
        target = Target.read(work["target"])
        try:
            await self._outlets.send(target, message, work["uid"])
        except SendError as error:
            outcome = OUTCOMES.get(type(error), "failed")
            if target.means == "webhook" and outcome == "unknown":
                # It knows the repetition by its id.
                outcome = "retry"
            wanted = LONGEST_NOTICE_SECONDS if isinstance(error, NeedsOperator) and work["attempts"] > 1 else None
            wanted = error.after if isinstance(error, Retry) else wanted
            logger.warning(
                "notice not sent action=notify message=%s to=%s outcome=%s code=%s",
                work["id"], masked_target(work["target"]), outcome, error.code,
            )  # fmt: skip
            return outcome, str(error), notice_delay(work["attempts"], self._random(), wanted)
        return "sent", None, 0.0
