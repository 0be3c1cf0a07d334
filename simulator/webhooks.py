"""Deliver webhooks and mail: POST, and repeat the same bytes until the bot takes them or the schedule is over."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from simulator.config import Json
from simulator.errors import ControlError
from simulator.poster import NoAnswer, Poster
from simulator.state import World
from simulator.wire import meta_json, signed_headers

REMEMBERED = 20_000
NO_ANSWER = 0  # stands in place of a status when the bot did not answer at all
DROPPED = 200  # and this when a mail lies in the mailbox: nobody was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where deliveries of one kind go: the bot's address as it is when they are sent, and which answers count as taken.

    An answer that is ``final`` ends all repeating. With ``drop`` nothing is posted: it puts the bytes into a mailbox.
    """

    url: Callable[[], str] = str
    method: str = "POST"
    taken: Callable[[int], bool] = lambda status: 200 <= status < 300
    final: Callable[[int], bool] = lambda status: False
    drop: Callable[[bytes], None] | None = None


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One POST with everything needed to repeat it byte by byte."""

    id: int
    body: bytes
    headers: dict[str, str]
    door: Door
    mids: tuple[str, ...] = ()
    statuses: list[int] = field(default_factory=list)
    answer: str = ""
    error: str | None = None

    def as_json(self) -> dict[str, Json]:
        """As control answers and ``GET /sim/deliveries`` show it."""
        shown: dict[str, Json] = {
            "delivery": self.id,
            "status": self.statuses[-1] if self.statuses else None,
            "statuses": self.statuses,
            "mids": list(self.mids),
        }
        return {**shown, "error": self.error} if self.error else shown


class Webhooks:
    """The sender of webhooks of one simulator."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.deliveries: deque[Delivery] = deque(maxlen=REMEMBERED)
        self._by_mid: dict[str, Delivery] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._poster = Poster()
        self.meta = Door(url=lambda: self.world.config.webhook)

    # --- life ----------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Drop what is under way and close the connections."""
        await self.forget()
        await self._poster.close()

    async def forget(self) -> None:
        """Cancel redeliveries and late echoes, forget all deliveries."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.deliveries.clear()
        self._by_mid.clear()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in the background, to be cancelled by ``forget``."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def pending(self) -> int:
        """How many deliveries, redeliveries and late echoes are under way."""
        return len(self._tasks)

    # --- deliver -------------------------------------------------------------------------------------------------------

    def prepare(self, document: Json, mids: Iterable[str] = ()) -> Delivery:
        """Serialise and sign a webhook without sending it."""
        body = meta_json(document)
        return self.prepare_raw(body, signed_headers(self.world.config.app_secret, body), mids)

    def prepare_raw(self, body: bytes, headers: dict[str, str], mids: Iterable[str] = (), door: Door | None = None) -> Delivery:
        """Remember bytes and headers as a delivery; without a door it goes where Meta's go."""
        self._count += 1
        delivery = Delivery(id=self._count, body=body, headers=headers, door=door or self.meta, mids=tuple(mids))
        self.deliveries.append(delivery)
        for mid in delivery.mids:
            self._by_mid[mid] = delivery
        return delivery

    async def deliver(self, delivery: Delivery, *, retry: bool = True) -> int:
        """POST once and return the status (0: no answer); what is not taken is repeated in the background."""
        # The attempt is a task of its own: a caller who hangs up meanwhile does not take the webhook back.
        status: int = await asyncio.shield(self.spawn(self._attempt(delivery)))
        if retry and not delivery.door.taken(status):
            self.spawn(self._repeat(delivery))
        return status

    async def _repeat(self, delivery: Delivery) -> None:
        for delay in self.world.knobs.retries:
            if delivery.door.final(delivery.statuses[-1]):
                break
            await asyncio.sleep(delay)
            self.world.counts["webhook", "redeliveries"] += 1
            if delivery.door.taken(await self._attempt(delivery)):
                return
        self.world.counts["webhook", "given_up"] += 1

    async def _attempt(self, delivery: Delivery) -> int:
        door, limit = delivery.door, self.world.knobs.webhook_timeout
        if door.drop is not None:
            door.drop(delivery.body)
            delivery.statuses.append(DROPPED)
            return DROPPED
        self.world.counts["webhook", "sent"] += 1
        try:
            answer = await self._poster.request(door.method, door.url(), delivery.headers, delivery.body, limit)
            status, delivery.error = answer.status, None
            delivery.answer = answer.body[:2000].decode("utf-8", "replace")
        except NoAnswer as error:
            status, delivery.error = NO_ANSWER, str(error)
        delivery.statuses.append(status)
        self.world.counts["webhook_status", str(status)] += 1
        return status

    # --- again -----------------------------------------------------------------------------------------------------------

    def of(self, mid: str) -> Delivery:
        """The newest delivery that carried this message. Raises ``ControlError``."""
        if mid not in self._by_mid:
            raise ControlError(f"no webhook carried {mid!r}")
        return self._by_mid[mid]

    def last(self, count: int) -> list[Delivery]:
        """The newest deliveries, oldest first."""
        return list(self.deliveries)[-count:] if count else []

    async def verify(self, token: str, challenge: str) -> tuple[int, str, str]:
        """The GET handshake of the App Dashboard: status, content type and body of the answer. Raises ``ControlError``."""
        query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": challenge}
        url = f"{self.world.config.webhook}?{urlencode(query)}"
        try:
            answer = await self._poster.request("GET", url, {}, b"", self.world.knobs.webhook_timeout)
        except NoAnswer as error:
            raise ControlError(f"the webhook did not answer: {error}") from error
        return answer.status, answer.content_type, answer.body.decode("utf-8", "replace")

    async def settle(self, seconds: float) -> int:
        """Wait until nothing is under way or the time is over; returns what is left."""
        deadline = time.monotonic() + seconds
        while self._tasks and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return len(self._tasks)
