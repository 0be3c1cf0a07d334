"""All that tells others what happened, in one running bot: notices, events, and the daily look at the accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timezone

from connectors.http import http_client
from connectors.registry import build
from crm.port import Crm
from notify.courier import LONGEST_WAIT, Courier
from notify.feed import Feed
from notify.guard import Poster
from notify.notices import Notices
from notify.outlets import Outlets
from notify.watch import Checked, Watch
from omnicrm.settings import Settings
from omnicrm.tasks import end

# What `raise_notice` and every new event announce.
NEWS_CHANNEL = "omnicrm_notice"
NOTICES_AT_ONCE = 4
EVENTS_AT_ONCE = 20
# Where the database announces nothing, looking is all there is.
POLL_SECONDS = 2.0
STOP_SECONDS = 5.0


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(timezone.utc)


class Service:
    """Runs until stopped; any number of processes may."""

    def __init__(self, settings: Settings, crm: Crm, worker: str, platforms: Sequence[str]) -> None:
        self._settings = settings
        self._crm = crm
        self._platforms = tuple(platforms)
        self._http = http_client(settings)
        self._poster = Poster(settings.webhook_allow_networks)
        self._outlets = Outlets(settings, self._http, self._poster, utc_now)
        notices = Notices(crm, settings, self._outlets, utc_now)
        feed = Feed(crm, self._poster, utc_now)
        wait = LONGEST_WAIT if crm.wakes else POLL_SECONDS
        self._notices = Courier("notify", notices.claim, notices.deliver, concurrency=NOTICES_AT_ONCE, longest_wait=wait)
        self._events = Courier("feed", feed.claim, feed.deliver, concurrency=EVENTS_AT_ONCE, longest_wait=wait)
        self._watch = Watch(crm, worker, self._look, utc_now)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; needs a running event loop."""
        work = (self._notices.run(), self._events.run(), self._hear_news(), self._watch.run())
        self._tasks += [asyncio.create_task(one) for one in work]

    async def stop(self) -> None:
        """Give what is under way a moment to end, then close everything but the database."""
        await asyncio.gather(self._notices.stop(STOP_SECONDS), self._events.stop(STOP_SECONDS))
        await end(self._tasks)
        await self._outlets.close()
        await self._poster.close()
        await self._http.aclose()

    async def _hear_news(self) -> None:
        async for _ in self._crm.listen(NEWS_CHANNEL):
            self._notices.wake()
            self._events.wake()

    async def _look(self, check: Callable[[Checked], Awaitable[None]]) -> None:
        # Made anew, with connections of their own: a check closes what it opened, and a send may be under way.
        async with http_client(self._settings) as http:
            for name in self._platforms:
                await check(build(name, self._settings, http))
