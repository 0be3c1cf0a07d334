"""One running bot: database, platforms, worker, put together once per process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping, Sequence

from connectors.message import AccountState, AccountWarning, AnyEvent, Unsupported, event_to_json
from connectors.platform import Listener, Platform
from crm.port import Crm, CrmRejected
from notify.service import Service
from omnicrm.settings import Settings
from omnicrm.tasks import end
from turns.desk import CrmDesk
from turns.housekeeping import Housekeeping, silence_limits
from turns.model import Dialogue
from turns.overheard import Overhearing
from turns.sender import Sender
from turns.worker import Worker

logger = logging.getLogger(__name__)

# A platform may deliver a thousand events at once, and repeats them all if it is refused: what is committed then is known.
SLICE = 250


class Runtime:
    """Receives events for the database and works off what is there."""

    def __init__(self, settings: Settings, crm: Crm, platforms: Sequence[Platform]) -> None:
        self._settings = settings
        self._crm = crm
        self._platforms: Mapping[str, Platform] = {f"{p.channel}:{p.account}": p for p in platforms}
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._worker: Worker | None = None
        self._overhearing: Overhearing | None = None
        self._service: Service | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def receive(self, events: Sequence[AnyEvent]) -> list[dict[str, object]]:
        """Commit events; returns what became of each. Raises ``CrmUnavailable`` when the database cannot take them.

        An event that the database refuses is kept as ``Unsupported`` and does not harm its siblings.
        """
        if not events:
            return []
        if len(events) > SLICE:
            slices = (events[start : start + SLICE] for start in range(0, len(events), SLICE))
            return [result for part in slices for result in await self.receive(part)]
        try:
            results = await self._store(events)
        except CrmRejected as error:
            if len(events) == 1:
                logger.exception("event refused action=receive key=%s", events[0].key)
                refused = Unsupported(
                    key=f"refused:{events[0].key}", address=None, timestamp=events[0].timestamp, raw=repr(events[0].raw),
                    reason=f"the database refused it: {error.sqlstate}",
                )
                return await self._store([refused])
            return [result for event in events for result in await self.receive([event])]
        for event in events:
            if isinstance(event, AccountState) and not event.ok:
                told = "account cannot send action=receive account=%s:%s reason=%s"
                logger.error(told, event.channel, event.account, event.reason)
            elif isinstance(event, AccountWarning):
                told = "account warned action=receive account=%s:%s reason=%s"
                logger.error(told, event.channel, event.account, event.text)
        if any(result.get("due") for result in results):
            self.wake()
        if self._overhearing is not None and any("message" in result and not result["due"] for result in results):
            self._overhearing.wake()
        return results

    async def _store(self, events: Sequence[AnyEvent]) -> list[dict[str, object]]:
        # A delivery is one channel's.
        channel = next((event.address.channel for event in events if event.address is not None), "")
        results: list[dict[str, object]] = await self._crm.call(
            "omnicrm_receive", p_events=[event_to_json(event) for event in events],
            p_burst_seconds=self._settings.burst_of(channel), p_takeover_seconds=self._settings.takeover_hours * 3600,
            p_stale_seconds=self._settings.reply_max_age_of(channel),
        )
        return results

    @property
    def settings(self) -> Settings:
        """All settings."""
        return self._settings

    @property
    def crm(self) -> Crm:
        """The database."""
        return self._crm

    @property
    def platforms(self) -> Mapping[str, Platform]:
        """What this bot sends to, by channel and account: ``IG:17841…``."""
        return self._platforms

    def wake(self) -> None:
        """Let the worker look for work now, if there is one."""
        if self._worker is not None:
            self._worker.wake()

    def listen(self) -> None:
        """Begin all that needs no model: platforms that fetch, housekeeping, telling others. Needs a running event loop."""
        desk = CrmDesk(self._crm, self.receive, self._name)
        keeping = Housekeeping(self._crm, self._name, silence_limits(self._settings.close_after_hours))
        self._tasks.append(asyncio.create_task(keeping.run()))
        self._tasks += [asyncio.create_task(p.listen(desk)) for p in self._platforms.values() if isinstance(p, Listener)]
        self._service = Service(self._settings, self._crm, self._name, [p.name for p in self._platforms.values()])
        self._service.start()

    def start(self, dialogue: Dialogue) -> None:
        """Start working; needs a running event loop."""
        settings = self._settings
        takeover = settings.takeover_hours * 3600
        sender = Sender(self._crm, self._platforms, lease_seconds=settings.lease_seconds, takeover_seconds=takeover)
        self._worker = Worker(
            self._name, self._crm, self._platforms, dialogue, sender,
            concurrency=settings.worker_concurrency, lease_seconds=settings.lease_seconds, poll_seconds=settings.poll_seconds,
            takeover_seconds=takeover, reply_max_age=settings.reply_max_age_of,
        )
        self._overhearing = Overhearing(self._crm, dialogue)
        self._tasks += [
            asyncio.create_task(self._worker.run()), asyncio.create_task(self._wake_on_news(self._worker)),
            asyncio.create_task(self._overhearing.run()),
        ]

    async def _wake_on_news(self, worker: Worker) -> None:
        async for _ in self._crm.listen():
            worker.wake()

    async def stop(self) -> None:
        """Finish what is under way and close everything."""
        if self._worker is not None:
            await self._worker.stop()
        if self._service is not None:
            await self._service.stop()
        await end(self._tasks)
        await self._crm.close()
