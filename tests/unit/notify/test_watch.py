"""The daily look at the accounts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from connectors.platform import Finding
from notify.watch import MEMORY, Checked, Watch

EXPIRES = Finding(level="warning", text="El token vence el 2026-12-01", token=True)
HINT = Finding(level="warning", text="Pon META_APP_ID")
FINE = Finding(level="ok", text="Todo bien")
BROKEN = Finding(level="error", text="El token ya no es válido")


class Platform:
    """One whose looks find this, one after the other."""

    name, channel, account = "instagram", "IG", "1784"

    def __init__(self, *looks: list[Finding]) -> None:
        self.looks = list(looks)

    async def check(self) -> list[Finding]:
        return self.looks.pop(0)


class Database:
    """What a look asks of the database."""

    wakes = False

    def __init__(self, *, free: bool = True) -> None:
        self.free = free
        self.memory: Any = None
        self.reports: list[Any] = []

    async def call(self, function: str, /, **arguments: Any) -> Any:
        if function == "omnicrm_recall":
            assert arguments == {"p_name": MEMORY}
            return self.memory
        if function == "omnicrm_remember":
            self.memory = arguments["p_value"]
        if function == "omnicrm_report_account":
            self.reports += arguments["p_findings"]
        return {"omnicrm_lease": self.free, "omnicrm_prune_told": {"deleted": 0, "more": False}}.get(function)

    def listen(self, channel: str = "") -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class Clock:
    """A clock that is set by hand, or by sleeping."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def watch(database: Database, clock: Clock, *platforms: Platform) -> Watch:
    async def look(check: Callable[[Checked], Awaitable[None]]) -> None:
        for platform in platforms:
            await check(platform)

    return Watch(database, "uno", look, clock, sleep=clock.sleep)


async def test_what_is_about_to_end_and_what_is_broken_is_reported_and_nothing_else() -> None:
    database = Database()
    found = [EXPIRES, HINT, FINE, BROKEN]
    assert await watch(database, Clock(), Platform(found, found)).round()
    assert database.reports == [
        {"kind": "token", "text": EXPIRES.text}, {"kind": "channel_down", "text": BROKEN.text},
    ]  # fmt: skip


async def test_an_error_that_is_gone_a_minute_later_was_the_networks() -> None:
    database = Database()
    await watch(database, Clock(), Platform([BROKEN], [FINE])).round()
    assert database.reports == []


async def test_it_looks_once_a_day() -> None:
    database, clock = Database(), Clock()
    looking = watch(database, clock, Platform([FINE], [FINE]))
    assert [await looking.round(), await looking.round()] == [True, False]
    clock.now += timedelta(hours=23, minutes=59)
    assert not await looking.round()
    clock.now += timedelta(minutes=1)
    assert await looking.round()


async def test_another_process_that_is_looking_is_enough() -> None:
    platform = Platform([BROKEN])
    assert not await watch(Database(free=False), Clock(), platform).round()
    assert platform.looks
