"""The watch over the number's link: it tells each change, in one process at a time, and outlives every trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from connectors.http import http_client
from connectors.message import AccountState, AnyEvent, Json
from connectors.platform import Listener
from crm.port import CrmUnavailable
from tests.unit.whapi.server import CHANNEL, TOKEN, Reply, Trouble, open_platform, settings, whapi

BEGIN = datetime(2025, 11, 22, 8, 30, tzinfo=timezone.utc)
LEASE = f"whapi-health:{CHANNEL}"


class MemoryDesk:
    """A desk for one process of several, all in memory; the others may hold a lease, the database may be away."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.asked: list[tuple[str, float]] = []
        self.taken: set[str] = set()
        self.away = False
        self._memory: dict[str, Json] = {}

    async def receive(self, events: Sequence[AnyEvent]) -> None:
        self._open()
        known = {event.key for event in self.events}
        self.events += [event for event in events if event.key not in known]

    async def recall(self, name: str) -> Json:
        self._open()
        return self._memory.get(name)

    async def remember(self, name: str, value: Json) -> None:
        self._open()
        self._memory[name] = value

    async def lease(self, name: str, seconds: float) -> bool:
        self._open()
        self.asked.append((name, seconds))
        return name not in self.taken

    def _open(self) -> None:
        if self.away:
            raise CrmUnavailable("away")

    @property
    def told(self) -> list[tuple[bool, str]]:
        assert all(isinstance(event, AccountState) and event.account == CHANNEL for event in self.events)
        return [(event.ok, event.reason) for event in self.events if isinstance(event, AccountState)]


class Rounds:
    """Stands in for time: each sleep is a step of the story, the end of which cancels the watch."""

    def __init__(self, *steps: Any) -> None:
        self.now = BEGIN
        self.slept: list[float] = []
        self._steps = list(steps)

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        if not self._steps:
            raise asyncio.CancelledError
        step = self._steps.pop(0)
        if step is not None:
            step()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(settings()) as opened:
        yield opened


def health(word: str) -> Reply:
    return Reply({"channel_id": CHANNEL, "status": {"text": word}})


async def watch(http: httpx.AsyncClient, desk: MemoryDesk, rounds: Rounds, *replies: Reply | Trouble) -> list[str]:
    """Let the platform listen through these answers; returns the addresses that it called."""
    async with whapi(*replies) as server:
        platform = open_platform(server, http, more={"clock": rounds.clock, "sleep": rounds.sleep})
        assert isinstance(platform, Listener)
        with pytest.raises(asyncio.CancelledError):
            await platform.listen(desk)
        assert server.replies == []
        return [f"{request.method} {request.path}" for request in server.heard]


async def test_the_state_is_told_at_the_start_and_when_it_changes(http: httpx.AsyncClient) -> None:
    desk = MemoryDesk()
    rounds = Rounds(None, None, None)
    calls = await watch(http, desk, rounds, health("AUTH"), health("AUTH"), health("QR"), health("AUTH"))
    assert [ok for ok, _ in desk.told] == [True, False, True]
    assert "QR" in desk.told[1][1]
    assert rounds.slept == [60.0] * 4
    # Looking must not start a channel that somebody stopped.
    assert set(calls) == {"GET /health?wakeup=false"}
    assert set(desk.asked) == {(LEASE, 180.0)}


async def test_each_telling_has_a_key_of_its_own(http: httpx.AsyncClient) -> None:
    desk = MemoryDesk()
    await watch(http, desk, Rounds(None, None), health("QR"), health("AUTH"), health("QR"))
    assert len({event.key for event in desk.events}) == len(desk.events) == 3


async def test_a_state_that_stays_is_told_again_after_ten_minutes(http: httpx.AsyncClient) -> None:
    desk = MemoryDesk()
    await watch(http, desk, Rounds(*[None] * 11), *[health("AUTH")] * 12)
    assert [event.timestamp - BEGIN for event in desk.events] == [timedelta(0), timedelta(minutes=10)]


async def test_a_process_without_the_lease_asks_nobody_and_tells_all_when_it_gets_it(http: httpx.AsyncClient) -> None:
    desk = MemoryDesk()
    rounds = Rounds(lambda: desk.taken.add(LEASE), None, desk.taken.clear)
    calls = await watch(http, desk, rounds, health("AUTH"), health("AUTH"))
    assert len(calls) == 2
    # Another process may have told something else meanwhile.
    assert [ok for ok, _ in desk.told] == [True, True]


async def test_a_token_that_is_no_longer_taken_is_told(http: httpx.AsyncClient) -> None:
    desk = MemoryDesk()
    dead = Reply({"error": {"code": 401, "message": f"{TOKEN} unauthorised"}}, 401)
    gone = Reply({"error": {"code": 404, "message": "Channel not found"}}, 404)
    await watch(http, desk, Rounds(None), dead, gone)
    assert [ok for ok, _ in desk.told] == [False, False]
    assert "WHAPI_TOKEN" in desk.told[1][1] and TOKEN not in str(desk.told)


@pytest.mark.parametrize("trouble", ["hang up", Reply(None, 500), Reply(None, 503), Reply(b"oops"), Reply({"status": 7})])
async def test_an_absent_whapi_says_nothing_about_the_number(http: httpx.AsyncClient, trouble: Reply | Trouble) -> None:
    desk = MemoryDesk()
    await watch(http, desk, Rounds(None, None), health("AUTH"), trouble, health("AUTH"))
    assert desk.told == [(True, "")]


async def test_an_absent_database_hears_it_when_it_is_back(http: httpx.AsyncClient) -> None:
    desk = MemoryDesk()
    desk.away = True

    def back() -> None:
        desk.away = False

    await watch(http, desk, Rounds(None, back), health("QR"))
    assert [ok for ok, _ in desk.told] == [False]


async def test_what_could_not_be_stored_is_told_in_the_next_round(http: httpx.AsyncClient) -> None:
    class Forgetful(MemoryDesk):
        refusals = 1

        async def receive(self, events: Sequence[AnyEvent]) -> None:
            if self.refusals:
                self.refusals -= 1
                raise CrmUnavailable("away")
            await super().receive(events)

    desk = Forgetful()
    await watch(http, desk, Rounds(None), health("QR"), health("QR"))
    assert [ok for ok, _ in desk.told] == [False]


async def test_a_cancelled_watch_ends_even_while_it_waits_for_an_answer(http: httpx.AsyncClient) -> None:
    async with whapi("silence") as server:
        task = asyncio.create_task(open_platform(server, http).listen(MemoryDesk()))
        await server.called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
