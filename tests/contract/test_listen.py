"""Notifications wake the listener, and a lost connection is announced instead of hidden."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from crm.connect import open_crm
from crm.port import WORK_CHANNEL, Crm
from omnicrm.settings import Settings
from tests.support.eventually import eventually
from tests.support.postgres import Database
from tests.support.supabase import SupabaseProject


@pytest.fixture
async def crm(settings: Settings) -> AsyncIterator[Crm]:
    """The port over DATABASE_URL, the only one that is announced to."""
    opened = await open_crm(settings)
    yield opened
    await opened.close()


class Listener:
    """Collects what a port's ``listen`` yields."""

    def __init__(self, crm: Crm) -> None:
        self.heard: list[str] = []
        self._task = asyncio.create_task(self._listen(crm))

    async def _listen(self, crm: Crm) -> None:
        async for payload in crm.listen():
            self.heard.append(payload)

    async def hears(self, expected: list[str]) -> None:
        async def look() -> bool:
            return self.heard == expected

        await eventually(look, within=15)

    async def ended(self) -> None:
        await asyncio.wait_for(self._task, 5)


def _notify(database: Database, payload: str) -> None:
    database.run("select pg_notify(%s, %s)", WORK_CHANNEL, payload)


async def test_a_listener_hears_that_it_listens_and_then_each_notification(crm: Crm, database: Database) -> None:
    listener = Listener(crm)
    await listener.hears([""])
    _notify(database, "one")
    _notify(database, "two")
    await listener.hears(["", "one", "two"])
    await crm.close()
    await listener.ended()


async def test_a_listener_reconnects_and_says_that_it_may_have_missed_something(crm: Crm, database: Database) -> None:
    listener = Listener(crm)
    await listener.hears([""])
    database.run("select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %%'")
    await listener.hears(["", ""])
    _notify(database, "after")
    await listener.hears(["", "", "after"])
    await crm.close()
    await listener.ended()


async def test_a_listener_survives_a_restart_of_the_server(crm: Crm, database: Database) -> None:
    listener = Listener(crm)
    await listener.hears([""])
    await asyncio.to_thread(database.server.stop)
    await asyncio.to_thread(database.server.start)
    await listener.hears(["", ""])
    _notify(database, "after")
    await listener.hears(["", "", "after"])
    await crm.close()
    await listener.ended()


async def test_behind_a_transaction_pooler_nobody_listens(database: Database) -> None:
    crm = await open_crm(Settings(database_url=database.url + "?pgbouncer=true"))
    assert not crm.wakes
    await Listener(crm).ended()
    await crm.close()


async def test_over_supabase_the_listener_ends_at_once(supabase_project: SupabaseProject) -> None:
    crm = await open_crm(supabase_project.settings())
    assert not crm.wakes
    await Listener(crm).ended()
    await crm.close()
