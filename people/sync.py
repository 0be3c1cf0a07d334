"""Fill the gaps of the clients who are there, page by page; a run that is cut off goes on where it was."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from connectors.message import Json, NeedsOperator, Retry
from connectors.platform import Platform, Profile
from crm.port import Crm
from people.findings import Known, Page, Thread, learn, to_look_up

PAGE = 20
MOST_PROPOSALS = 500
# A platform that wants a longer rest is left alone until the next run.
LONGEST_REST = 120.0
MOST_RESTS = 3

Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class SyncReport:
    """What a run did, or would do.

    ``stopped``: channel -> why it is not asked any more. ``batch``: None where nothing was written. ``seconds``: channel -> how
    long ``to_look_up`` would take.
    """

    applied: bool
    batch: int | None = None
    resumed: bool = False
    clients: int = 0
    looked_up: Counter[str] = field(default_factory=Counter)
    to_look_up: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    found: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    proposals: int = 0
    stopped: dict[str, str] = field(default_factory=dict)


class Profiles:
    """Looks customers up, slowly. A channel that cannot answer is not asked again; ``stopped`` says why."""

    def __init__(
        self, platforms: Mapping[str, Platform], report: SyncReport, *, sleep: Sleep, clock: Callable[[], float]
    ) -> None:
        self._platforms = platforms
        self._report = report
        self._sleep = sleep
        self._clock = clock
        self._next: dict[str, float] = {}

    def channels(self) -> list[str]:
        """Those that may be asked."""
        return [channel for channel in self._platforms if channel not in self._report.stopped]

    def answers_for(self, thread: Thread) -> bool:
        """Whether the conversation is on an account of ours that may be asked."""
        channel = thread.address.channel
        return channel in self.channels() and self._platforms[channel].account == thread.address.account

    def seconds_for(self, thread: Thread) -> float:
        """How long asking for one more profile of that channel takes."""
        return 1 / self._platforms[thread.address.channel].capabilities.lookups_per_second

    async def of(self, thread: Thread) -> Profile | None:
        """The profile behind a conversation; None where there is none, or where ``answers_for`` it has just ended."""
        channel = thread.address.channel
        for _ in range(MOST_RESTS):
            wait = self._next.get(channel, 0.0) - self._clock()
            if wait > 0:
                await self._sleep(wait)
            self._next[channel] = self._clock() + self.seconds_for(thread)
            try:
                profile = await self._platforms[channel].profile(thread.address)
            except NeedsOperator as error:
                self._report.stopped[channel] = error.detail
                return None
            except Retry as error:
                if (error.after or 0.0) > LONGEST_REST:
                    break
                self._next[channel] = self._clock() + (error.after or 1.0)
                continue
            self._report.looked_up[channel] += 1
            self._report.found[channel] += profile is not None
            return profile
        self._report.stopped[channel] = "pide esperar; lo que falta se consulta en la próxima corrida"
        return None


async def smart_sync(
    crm: Crm, platforms: Mapping[str, Platform], *, apply: bool, by: str, sleep: Sleep,
    clock: Callable[[], float] = time.monotonic, tell: Callable[[int], None] = lambda done: None,
) -> SyncReport:  # fmt: skip
    """Go over all clients; ``platforms`` by channel. Without ``apply`` nothing is written and no platform is asked.

    Raises ``CrmError``; what was written until then stays in its batch, and the next run goes on from there.
    """
    report = SyncReport(applied=apply)
    profiles = Profiles(platforms, report, sleep=sleep, clock=clock)
    cursor: Json = {}
    if apply:
        started = await crm.call("omnicrm_sync_start", p_by=by)
        report.batch, cursor, report.resumed = started["batch"], started["cursor"], started["resumed"]
        report.filled.update(started["report"].get("filled", {}))
        report.proposals = started["report"].get("proposals", 0)
        report.clients = cursor.get("clients", 0)
    while rows := await crm.call("omnicrm_sync_page", p_after=cursor.get("after"), p_size=PAGE):
        page = await _page([Known.from_json(row) for row in rows], profiles, report, ask=apply)
        report.clients += len(rows)
        following = {"after": rows[-1]["id"], "clients": report.clients}
        done = await crm.call(
            "omnicrm_sync_apply",
            p_batch=report.batch,
            p_page=page.to_json(),
            p_from=cursor,
            p_to=following,
            p_apply=apply,
            p_by=by,
        )
        cursor = following
        report.filled.update(done["filled"])
        report.skipped.update(done["skipped"])
        report.proposals += done["proposals"]
        tell(report.clients)
    pairs = await crm.call("omnicrm_sync_pairs", p_batch=report.batch, p_most=MOST_PROPOSALS, p_apply=apply, p_by=by)
    report.proposals += pairs["proposals"]
    if apply:
        report.batch = (await crm.call("omnicrm_sync_finish", p_batch=report.batch))["batch"]
    return report


async def _page(clients: list[Known], profiles: Profiles, report: SyncReport, *, ask: bool) -> Page:
    page = Page()
    for client in clients:
        looked: list[tuple[Thread, Profile | None]] = []
        wanted = [thread for thread in to_look_up(client, profiles.channels()) if profiles.answers_for(thread)]
        if not ask:
            for thread in wanted:
                report.to_look_up[thread.address.channel] += 1
                report.seconds[thread.address.channel] += profiles.seconds_for(thread)
            wanted = []
        for thread in wanted:
            if not profiles.answers_for(thread):
                continue
            profile = await profiles.of(thread)
            if profiles.answers_for(thread):
                looked.append((thread, profile))
        found = learn(client, looked)
        page.fields += found.fields
        page.claims += found.claims
        page.checked += found.checked
    return page
