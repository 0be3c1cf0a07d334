"""The turn worker: claims conversations, runs their dialogue, commits, sends. Any number of them share one database."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

import async_timeout

from connectors.fit import fit_turn
from connectors.message import Json, SendError
from connectors.platform import Platform
from crm.port import Crm, CrmError
from omnicrm.tasks import within
from turns.incoming import next_turn
from turns.model import Claimed, Dialogue, TurnInput, TurnResult
from turns.sender import Sender, account_key

logger = logging.getLogger(__name__)

# A turn that failed this often answers with an apology and a person instead.
MAX_TURN_ATTEMPTS = 3
RETRY_TURN_SECONDS = 1.0


class Worker:
    """Works until stopped. ``wake`` tells it that there may be work; without it, it looks every ``poll_seconds``.

    ``reply_max_age``: seconds, of a channel's code.
    """

    def __init__(
        self, name: str, crm: Crm, platforms: Mapping[str, Platform], dialogue: Dialogue, sender: Sender, *,
        concurrency: int, lease_seconds: float, poll_seconds: float, takeover_seconds: float,
        reply_max_age: Callable[[str], float], clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._crm = crm
        self._platforms = platforms
        self._dialogue = dialogue
        self._sender = sender
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._takeover_seconds = takeover_seconds
        self._reply_max_age = reply_max_age
        self._clock = clock
        self._wake = asyncio.Event()
        self._next_due: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._asides: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._claims_no_more = asyncio.Event()
        self._claims_no_more.set()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def run(self) -> None:
        """Claim and work until ``stop``. Survives an absent database: what is committed waits there."""
        self._claims_no_more.clear()
        try:
            while not self._stopping:
                await self._round()
        finally:
            self._claims_no_more.set()

    async def _round(self) -> None:
        self._wake.clear()
        wanted = self._free()
        claimed = await self._claim(wanted)
        for work in claimed:
            self._spawn(self._work(work))
        # Fewer than wanted: nothing else is due, and whatever comes wakes us.
        if not self._stopping and (len(claimed) < wanted or self._free() == 0):
            await self._wait()

    async def stop(self) -> None:
        """Claim nothing more and finish what is under way."""
        self._stopping = True
        self._wake.set()
        # What it is claiming now is leased to us alone.
        await self._claims_no_more.wait()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._lease_seconds)
        for task in self._asides:
            task.cancel()

    def _free(self) -> int:
        return self._concurrency - len(self._tasks)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _aside(self, courtesy: Coroutine[Any, Any, None]) -> None:
        """Do something that no answer waits for, and that takes no turn's place."""
        task = asyncio.create_task(courtesy)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    def _finished(self, task: asyncio.Task[None]) -> None:
        was_busy = self._free() == 0
        self._tasks.discard(task)
        if was_busy:
            self._wake.set()

    async def _claim(self, wanted: int) -> list[Claimed]:
        if wanted == 0:
            return []
        try:
            answer = await self._crm.call(
                "omnicrm_claim", p_worker=self._name, p_accounts=list(self._platforms), p_limit=wanted,
                p_lease_seconds=self._lease_seconds,
            )
        except CrmError as error:
            logger.warning("cannot look for work action=claim error=%s", error)
            self._next_due = None
            return []
        seconds = answer["next_due_seconds"]
        self._next_due = None if seconds is None else self._clock() + seconds
        return [Claimed.from_json(item) for item in answer["work"]]

    async def _wait(self) -> None:
        timeout = self._poll_seconds
        if self._next_due is not None and self._free():
            timeout = min(timeout, max(0.0, self._next_due - self._clock()))
        with suppress(asyncio.TimeoutError):
            await within(timeout, self._wake.wait())

    async def _work(self, work: Claimed) -> None:
        try:
            begun = await self._turn(work) if work.inbound else None
            due = await self._sender.deliver(work, begun)
            if due is not None:
                self._wake.set()
        except CrmError as error:
            # The lease ends by itself; whoever gets the conversation then goes on from what is committed.
            logger.warning("conversation left to its lease action=work thread=%s error=%s", work.thread, error)
        except Exception:
            logger.exception("conversation failed action=work thread=%s", work.thread)

    async def _turn(self, work: Claimed) -> Json:
        """Decide and commit; returns the first send, or whatever else ``omnicrm_next_send`` may give."""
        platform = self._platforms[account_key(work)]
        turn = next_turn(work.inbound, work.choices)
        if not work.opted_out:
            # Never waited for, and left to finish: to break off a request costs a connection.
            self._aside(platform.signal(work.address, "seen"))
            self._aside(platform.signal(work.address, "typing"))
        result = await self._decide(work, turn, platform)
        if result is None:
            await self._crm.call(
                "omnicrm_release", p_thread=work.thread, p_token=work.token, p_retry_seconds=RETRY_TURN_SECONDS * work.attempts
            )
            return {"released": True}
        begun = await self._crm.call(
            "omnicrm_answer", p_thread=work.thread, p_token=work.token, p_turn=self._document(turn, result, platform),
            p_reply_max_age=self._reply_max_age(work.address.channel), p_lease_seconds=self._lease_seconds,
            p_rate=platform.capabilities.sends_per_second, p_media_rate=platform.capabilities.media_per_second,
        )
        if work.needs_profile:
            self._aside(self._profile(work, platform))
        return begun

    async def _decide(self, work: Claimed, turn: TurnInput, platform: Platform) -> TurnResult | None:
        """The turn's result; None when it should be tried again."""
        if work.attempts > MAX_TURN_ATTEMPTS:
            if work.opted_out:
                return TurnResult(dialogue=work.dialogue, silent="opted_out")
            return self._dialogue.stumbled(work)
        try:
            # Well before the lease ends: a commit after it would be refused.
            async with async_timeout.timeout(self._lease_seconds * 0.8):
                return await self._dialogue.run(work, turn, platform.name)
        except Exception as error:
            logger.exception(
                "turn failed action=turn thread=%s attempt=%s error=%s", work.thread, work.attempts, type(error).__name__
            )
            return None

    def _document(self, turn: TurnInput, result: TurnResult, platform: Platform) -> dict[str, Any]:
        replies = fit_turn(result.replies, platform.capabilities)
        ids = list(turn.message_ids)
        return {
            "handled": [] if result.silent else ids,
            "ignored": {str(i): result.silent for i in ids} if result.silent else {},
            "dialogue": result.dialogue,
            "replies": [{"message": reply.to_json(), "payloads": reply.payloads()} for reply in replies],
            "effects": [self._with_limits(effect) for effect in result.effects],
        }

    def _with_limits(self, effect: dict[str, Any]) -> dict[str, Any]:
        return {"seconds": self._takeover_seconds, **effect} if effect["effect"] == "handover" else effect

    async def _profile(self, work: Claimed, platform: Platform) -> None:
        try:
            profile = await platform.profile(work.address)
            await self._crm.call(
                "omnicrm_set_profile", p_thread=work.thread, p_name=profile.name if profile else None,
                p_username=profile.username if profile else None, p_picture_url=profile.picture_url if profile else None,
            )
        except (SendError, CrmError) as error:
            logger.warning("no profile action=profile thread=%s error=%s", work.thread, type(error).__name__)
