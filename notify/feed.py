"""Events for the shop's own programs: claim, sign, post, settle."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm.port import Crm
from notify.guard import Answer, Forbidden, NoAnswer, NotSent, Poster
from notify.schedule import TRIES_IN_ORDER, webhook_delay
from notify.signing import signed

logger = logging.getLogger(__name__)

# Longer than a post may take.
LEASE_SECONDS = 60.0
GONE = 410
# Within one version, fields are only added.
VERSION = 1

TYPES = (
    "message.received", "message.written", "message.status", "message.changed", "message.removed",
    "conversation.state", "conversation.closed", "conversation.reopened",
    "client.created", "client.updated", "client.merged", "client.unmerged", "client.stage", "client.tags",
)  # fmt: skip
FAMILIES = tuple(dict.fromkeys(name.partition(".")[0] for name in TYPES))
TEST = "webhook.test"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a post came to. ``wanted``: how long the receiver asks us to wait, in seconds."""

    outcome: str
    status: int | None = None
    error: str | None = None
    wanted: float | None = None


def body_of(kind: str, at: str, sequence: int, data: dict[str, Any]) -> str:
    """The body of an event. ``at``: ISO 8601, UTC. ``sequence`` grows; of one conversation, later events have greater ones."""
    document = {"type": kind, "timestamp": at, "version": VERSION, "sequence": sequence, "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


async def post(poster: Poster, url: str, uid: str, body: str, secrets: Sequence[str], now: datetime) -> Tried:
    """Post one signed event."""
    try:
        answer = await poster.post(url, body, signed(uid, body, secrets, now))
    except Forbidden as error:
        return Tried("retry", error=str(error))
    except (NotSent, NoAnswer) as error:
        return Tried("retry", error=str(error))
    return _judged(answer)


def _judged(answer: Answer) -> Tried:
    if answer.ok:
        return Tried("delivered", answer.status)
    if answer.status == GONE:
        return Tried("gone", answer.status, "HTTP 410")
    # Anything else, a redirect among it, may be mended: the receiver is tried again.
    return Tried("retry", answer.status, f"HTTP {answer.status}", answer.retry_after)


class Feed:
    """The events of one database."""

    def __init__(
        self, crm: Crm, poster: Poster, clock: Callable[[], datetime], *,
        random_number: Callable[[], float] = random.random, lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._crm = crm
        self._poster = poster
        self._clock = clock
        self._random = random_number
        self._lease_seconds = lease_seconds

    async def claim(self, limit: int) -> tuple[Sequence[dict[str, Any]], float | None]:
        """Take what is due, and the seconds until more is. Raises ``CrmError``."""
        answer = await self._crm.call(
            "omnicrm_claim_events", p_limit=limit, p_lease_seconds=self._lease_seconds, p_in_order=TRIES_IN_ORDER
        )
        return answer["work"], answer["next_due_seconds"]

    async def deliver(self, work: dict[str, Any]) -> None:
        """Post one event and settle it. Raises ``CrmError``."""
        body = body_of(work["type"], work["at"], work["id"], work["data"])
        tried = await post(self._poster, work["url"], work["uid"], body, work["secrets"], self._clock())
        outcome, seconds = tried.outcome, 0.0
        if outcome == "retry":
            delay = webhook_delay(work["attempts"], self._random(), tried.wanted)
            outcome, seconds = ("failed", 0.0) if delay is None else (outcome, delay)
        if outcome != "delivered":
            logger.warning("event not delivered action=feed event=%s outcome=%s error=%s", work["id"], outcome, tried.error)
        await self._crm.call(
            "omnicrm_settle_event", p_event=work["id"], p_token=work["token"], p_outcome=outcome, p_status=tried.status,
            p_error=tried.error, p_retry_seconds=seconds,
        )
