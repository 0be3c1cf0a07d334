"""Takes what is due out of the database, delivers it, and looks again: for notices and for events alike."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from crm.port import CrmError
from omnicrm.tasks import end, within

logger = logging.getLogger(__name__)

Work = TypeVar("Work")

# What is due and was announced by nobody is found after so long.
LONGEST_WAIT = 5.0
AFTER_TROUBLE = 2.0


class Courier(Generic[Work]):
    """Works until stopped; any number of them share one database.

    ``claim`` takes a number and returns so much work at most, and the seconds until more is due (None: nothing is known).
    ``deliver`` does one and settles it.
    """

    def __init__(
        self, name: str, claim: Callable[[int], Awaitable[tuple[Sequence[Work], float | None]]],
        deliver: Callable[[Work], Awaitable[None]], *, concurrency: int, longest_wait: float = LONGEST_WAIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._claim = claim
        self._deliver = deliver
        self._concurrency = concurrency
        self._longest_wait = longest_wait
        self._clock = clock
        self._wake = asyncio.Event()
        self._stopping = False
        self._looks_no_more = asyncio.Event()
        self._looks_no_more.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until ``stop``. Survives an absent database."""
        self._looks_no_more.clear()
        try:
            while not self._stopping:
                await self._round()
        finally:
            self._looks_no_more.set()

    async def _round(self) -> None:
        self._wake.clear()
        free = self._concurrency - len(self._tasks)
        work, due = await self._look(free) if free else ((), None)
        for one in work:
            task = asyncio.create_task(self._do(one))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if not self._stopping and (len(work) < free or not free):
            await self._wait(self._longest_wait if due is None else min(max(due, 0.02), self._longest_wait))

    async def stop(self, seconds: float = 5.0) -> None:
        """Take nothing more, and give what is under way some seconds to end."""
        self._stopping = True
        self._wake.set()
        # What it is taking out now is leased to us alone.
        await self._looks_no_more.wait()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await end(self._tasks)

    async def _look(self, free: int) -> tuple[Sequence[Work], float | None]:
        try:
            return await self._claim(free)
        except CrmError as error:
            logger.warning("cannot look for what to tell action=%s error=%s", self._name, error)
            return (), AFTER_TROUBLE

    async def _do(self, one: Work) -> None:
        try:
            await self._deliver(one)
        except CrmError as error:
            # The lease ends by itself, and what is sent for sure or not at all is told then.
            logger.warning("outcome not stored action=%s error=%s", self._name, error)
        except Exception:
            # A bug of ours must not end the telling of everything else.
            logger.exception("delivery failed action=%s", self._name)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # There is room again, and what stood behind it in its conversation may go.
        self._wake.set()

    async def _wait(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await within(seconds, self._wake.wait())
