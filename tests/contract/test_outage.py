"""When the database goes away callers hear it soon, and when it comes back calls work again without help."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from crm.connect import open_crm
from crm.port import Crm, CrmMisconfigured, CrmUnavailable
from omnicrm.settings import Settings
from tests.support.backends import Backend
from tests.support.eventually import eventually
from tests.support.postgres import Database, free_port
from tests.support.supabase import SupabaseProject


@pytest.fixture
def repaired(backend: Backend) -> Iterator[Backend]:
    """The backend, whose server runs again whatever the test did."""
    yield backend
    backend.recover()


async def _works(crm: Crm) -> bool:
    return bool(await crm.call("omnicrm_contract_integer") == 42)


async def test_a_stopped_database_is_unavailable_soon_and_works_again_by_itself(crm: Crm, repaired: Backend) -> None:
    await asyncio.gather(*(crm.call("omnicrm_contract_integer") for _ in range(8)))
    await asyncio.to_thread(repaired.crash)
    for _ in range(3):
        started = time.monotonic()
        results = await asyncio.gather(*(crm.call("omnicrm_contract_integer") for _ in range(20)), return_exceptions=True)
        assert time.monotonic() - started < 5
        assert {type(result) for result in results} == {CrmUnavailable}
    await asyncio.to_thread(repaired.recover)
    assert await eventually(lambda: _works(crm), within=40, every=0.2, ignoring=CrmUnavailable)


async def test_calls_in_flight_when_the_database_dies_are_told(crm: Crm, repaired: Backend) -> None:
    calls = [asyncio.create_task(crm.call("omnicrm_contract_sleep", p_seconds=4)) for _ in range(3)]
    await asyncio.sleep(0.5)
    await asyncio.to_thread(repaired.crash)
    results = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
    assert {type(result) for result in results} == {CrmUnavailable}
    await asyncio.to_thread(repaired.recover)
    assert await eventually(lambda: _works(crm), within=40, every=0.2, ignoring=CrmUnavailable)


async def test_a_restart_between_calls_goes_unnoticed(database: Database) -> None:
    crm = await open_crm(Settings(database_url=database.url))
    try:
        await asyncio.gather(*(crm.call("omnicrm_overview") for _ in range(8)))
        await asyncio.to_thread(database.server.stop)
        await asyncio.to_thread(database.server.start)
        assert await crm.call("omnicrm_schema_version")
    finally:
        await crm.close()


async def test_a_process_may_start_while_its_database_is_away(database: Database) -> None:
    await asyncio.to_thread(database.server.stop)
    try:
        crm = await open_crm(Settings(database_url=database.url))
        with pytest.raises(CrmUnavailable):
            await crm.call("omnicrm_schema_version")
    finally:
        await asyncio.to_thread(database.server.start)
    assert await crm.call("omnicrm_schema_version")
    await crm.close()


async def test_a_server_that_hangs_is_given_up_and_works_when_it_wakes(database: Database) -> None:
    crm = await open_crm(Settings(database_url=database.url))
    await crm.call("omnicrm_schema_version")
    backends = [pid for (pid,) in database.run("select pid from pg_stat_activity where application_name = 'omnicrm'")]
    assert backends
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(CrmUnavailable):
            await crm.call("omnicrm_schema_version")
        assert time.monotonic() - started < 8
    finally:
        for pid in backends:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)
    assert await crm.call("omnicrm_schema_version")
    await crm.close()


async def test_a_statement_is_stopped_after_its_time(database: Database) -> None:
    database.run(
        """create function public.omnicrm_test_sleep() returns jsonb language plpgsql
        as $$ begin perform pg_sleep(30); return '1'; end $$"""
    )
    crm = await open_crm(Settings(database_url=database.url))
    started = time.monotonic()
    with pytest.raises(CrmUnavailable, match="57014"):
        await crm.call("omnicrm_test_sleep")
    assert 4 < time.monotonic() - started < 6.4
    await crm.close()


@pytest.mark.parametrize(
    "change",
    [("shop_owner", "somebody_else"), ("a%20password", "wrong"), ("/test_", "/no_such_")],
    ids=["user", "password", "database"],
)
async def test_what_only_the_operator_can_mend_is_told_apart(database: Database, change: tuple[str, str]) -> None:
    crm = await open_crm(Settings(database_url=database.url.replace(*change)))
    with pytest.raises(CrmMisconfigured) as caught:
        await crm.call("omnicrm_schema_version")
    assert "password: with" not in str(caught.value)
    await crm.close()


async def test_nobody_at_the_address_is_unavailable_at_once() -> None:
    for settings in (
        Settings(database_url=f"postgresql://me:secret@127.0.0.1:{free_port()}/shop"),
        Settings(supabase_url=f"http://127.0.0.1:{free_port()}", supabase_secret_key="sb_secret_x"),
    ):
        crm = await open_crm(settings)
        started = time.monotonic()
        with pytest.raises(CrmUnavailable) as caught:
            await crm.call("omnicrm_schema_version")
        assert time.monotonic() - started < 2
        assert not isinstance(caught.value, CrmMisconfigured)
        await crm.close()


async def test_postgrest_away_is_unavailable_and_works_again(supabase_project: SupabaseProject) -> None:
    crm = await open_crm(supabase_project.settings())
    assert await crm.call("omnicrm_schema_version")
    supabase_project.postgrest.stop()
    with pytest.raises(CrmUnavailable):
        await crm.call("omnicrm_schema_version")
    supabase_project.postgrest.start()
    assert await crm.call("omnicrm_schema_version")
    await crm.close()
