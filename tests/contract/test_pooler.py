"""Behind a transaction pooler nothing of a session may be relied on."""

from __future__ import annotations

import asyncio

import pytest

from crm.connect import open_crm
from crm.port import CrmMisconfigured
from omnicrm.migrate import migrate
from omnicrm.settings import Settings
from tests.support.eventually import eventually
from tests.support.pooler import TransactionPooler
from tests.support.postgres import Database


async def test_an_announced_pooler_serves_any_number_of_calls(database: Database) -> None:
    async with TransactionPooler(database) as pooler:
        crm = await open_crm(Settings(database_url=pooler.url + "?pgbouncer=true"))
        results = await asyncio.gather(*(crm.call("omnicrm_search_knowledge", p_query="x", p_limit=n) for n in range(60)))
        assert results == [[]] * 60
        await crm.close()
    assert database.run("select count(*) from pg_prepared_statements") == [(0,)]


async def test_a_pooler_that_was_not_announced_is_explained(database: Database) -> None:
    async with TransactionPooler(database) as pooler:
        crm = await open_crm(Settings(database_url=pooler.url))
        with pytest.raises(CrmMisconfigured, match=r"prepared statement"):
            for _ in range(20):
                await crm.call("omnicrm_schema_version")
        await crm.close()


async def test_a_listener_whose_session_was_exchanged_notices(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm.postgres.HEARTBEAT_SECONDS", 1.0)
    async with TransactionPooler(database) as pooler:
        crm = await open_crm(Settings(database_url=pooler.url))
        heard: list[str] = []

        async def listen() -> None:
            async for payload in crm.listen():
                heard.append(payload)  # noqa: PERF401 - one by one, as they come

        async def announced_twice() -> bool:
            return heard == ["", ""]

        task = asyncio.create_task(listen())
        # Each "" makes the worker look for work, so nothing waits longer than a heartbeat.
        await eventually(announced_twice)
        await crm.close()
        await asyncio.wait_for(task, 5)


async def test_migrations_go_through_a_pooler(empty_database: Database) -> None:
    async with TransactionPooler(empty_database, sessions=1) as pooler:
        assert await asyncio.to_thread(migrate, pooler.url)
        assert await asyncio.to_thread(migrate, pooler.url) == []
