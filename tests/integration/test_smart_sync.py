"""Enrichment against a real PostgreSQL and a simulator that speaks HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.message import Address
from connectors.platform import Platform
from crm.port import Crm, CrmRejected
from omnicrm.cli import PROJECT
from omnicrm.settings import Settings
from people.batches import undo
from people.database import connection
from people.sync import SyncReport, smart_sync
from people.sync_cli import build_platforms
from simulator.bot import ForBot
from simulator.client import SimulatorClient
from tests.integration.test_import import content
from tests.support.events import inbound, receive
from tests.support.eventually import eventually
from tests.support.postgres import Database
from tests.support.stack import address_of, simulated, user_on

# The shop's pace would be the tests'.
LOOKUPS_PER_SECOND = 1e6


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForBot]:
    """A simulator; no bot answers its webhooks."""
    with simulated(tmp_path_factory.mktemp("logs")) as made:
        yield made


@pytest.fixture
async def simulator(shop: ForBot) -> AsyncIterator[SimulatorClient]:
    async with SimulatorClient(shop.address) as client:
        await client.reset()
        yield client


@pytest.fixture
async def platforms(shop: ForBot) -> AsyncIterator[Mapping[str, Platform]]:
    async with httpx.AsyncClient(trust_env=False) as http:
        built, missing = build_platforms(Settings.load(shop.environment(), dotenv=None), http)
        assert missing == {}
        for platform in built.values():
            platform.capabilities = replace(platform.capabilities, lookups_per_second=LOOKUPS_PER_SECOND)
        yield built


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


async def run(crm: Crm, platforms: Mapping[str, Platform], *, apply: bool = True, sleep: Any = no_sleep) -> SyncReport:
    return await smart_sync(crm, platforms, apply=apply, by="prueba", sleep=sleep)


async def customer(crm: Crm, simulator: SimulatorClient, channel: str, number: int, **facts: Any) -> Address:
    """Somebody who wrote: to the simulated platform, which lets us read their profile since, and into the CRM."""
    user = user_on(channel, number)
    await simulator.say(channel, user, "hola")
    await simulator.user(channel, user, **facts)
    address = address_of(channel, user)
    await receive(crm, inbound(address=address))
    return address


def names(database: Database) -> list[tuple[Any, ...]]:
    return database.run("select name, instagram_username, phone from public.clients order by name, phone")


async def test_profiles_fill_what_is_missing(
    database: Database, crm: Crm, simulator: SimulatorClient, platforms: Mapping[str, Platform]
) -> None:
    await customer(crm, simulator, "instagram", 1, name="ANA RUIZ", username="ana.mx")
    await customer(crm, simulator, "messenger", 2, name="Beto Díaz")
    await customer(crm, simulator, "whatsapp", 3, name="Caro")
    before = content(database)
    rehearsed = await run(crm, platforms, apply=False)
    assert content(database) == before
    assert (dict(rehearsed.to_look_up), rehearsed.filled["phone"]) == ({"IG": 1, "FB": 1, "WA": 1}, 1)
    assert rehearsed.seconds == pytest.approx(dict.fromkeys(["IG", "FB", "WA"], 1 / LOOKUPS_PER_SECOND))
    report = await run(crm, platforms)
    assert names(database) == [("Ana Ruiz", "ana.mx", None), ("Beto Díaz", None, None), ("Caro", None, "+525510000003")]
    assert (dict(report.looked_up), dict(report.filled)) == (
        {"IG": 1, "FB": 1, "WA": 1},
        {"name": 3, "phone": 1, "instagram_username": 1},
    )
    again = await run(crm, platforms)
    assert (again.batch, dict(again.looked_up), dict(again.filled)) == (None, {}, {})
    with connection(Settings(database_url=database.url)) as connected:
        assert undo(connected, int(report.batch or 0), "prueba")["left"] == []
    assert content(database) == before


async def test_a_rest_that_the_platform_asks_for_is_kept(
    database: Database, crm: Crm, simulator: SimulatorClient, platforms: Mapping[str, Platform]
) -> None:
    await customer(crm, simulator, "instagram", 1, name="Ana", username="ana.mx")
    await simulator.fault("80002", where="profile", times=1)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    report = await smart_sync(crm, platforms, apply=True, by="x", sleep=sleep)
    assert names(database) == [("Ana", "ana.mx", None)]
    assert max(slept) > 3
    assert report.stopped == {}


async def test_a_dead_token_stops_its_channel_alone(
    database: Database, crm: Crm, simulator: SimulatorClient, platforms: Mapping[str, Platform]
) -> None:
    await customer(crm, simulator, "instagram", 1, name="Ana", username="ana.mx")
    await customer(crm, simulator, "instagram", 2, name="Eva", username="eva.mx")
    await customer(crm, simulator, "whatsapp", 3, name="Caro")
    await simulator.fault("190", where="profile", times=5, channel="instagram")
    report = await run(crm, platforms)
    assert "META_ACCESS_TOKEN" in report.stopped["IG"]
    assert report.looked_up == {"WA": 1}
    assert database.run("select count(*) from omnicrm.threads where profile_checked_at is null") == [(2,)]
    assert len(await simulator.requests(where="profile")) == 2
    await simulator.clear_faults()
    assert (await run(crm, platforms)).looked_up == {"IG": 2}


async def test_conversations_fill_what_is_missing_and_claims_become_proposals(database: Database, crm: Crm) -> None:
    ana = address_of("instagram", "1")
    await receive(crm, inbound("hola, me llamo Ana Ruiz", address=ana), inbound("mi cel es 55 1234 5678", address=ana))
    database.run("insert into public.clients (name, phone) values ('PEDRO  PÉREZ', '55 1234 5678')")
    report = await run(crm, {})
    assert database.run("select name, phone from public.clients order by name") == [
        ("Ana Ruiz", None),
        ("Pedro Pérez", "+525512345678"),
    ]
    assert report.proposals == 1
    assert database.run("select evidence -> 0 ->> 'kind' from omnicrm.proposals") == [("phone",)]


async def test_namesakes_of_one_city_and_shared_usernames_are_proposed_once(database: Database, crm: Crm) -> None:
    city = '{"contact": {"city": "Puebla"}}'
    database.run(
        """insert into public.clients (name, platform_metadata)
        values ('Ana Ruiz', %s), ('ANA RUÍZ', %s), ('Ana', %s), ('Eva Paz', '{}')""",
        city,
        city.lower(),
        city,
    )
    database.run("insert into public.clients (instagram_username) values ('@tienda.mx')")
    database.run("""insert into public.clients (platform_metadata) values ('{"tiktok_username": "Tienda.MX"}')""")
    assert (await run(crm, {}, apply=False)).proposals == 2
    assert (await run(crm, {})).proposals == 2
    assert (await run(crm, {})).proposals == 0
    kinds = database.run("select evidence -> 0 ->> 'kind' from omnicrm.proposals order by 1")
    assert kinds == [("name_and_city",), ("username",)]


async def test_two_runs_at_once_do_not_write_the_same_page(database: Database, crm: Crm) -> None:
    database.run("insert into public.clients (name) values ('ANA RUIZ')")
    started = await crm.call("omnicrm_sync_start", p_by="a")
    assert (await crm.call("omnicrm_sync_start", p_by="b"))["batch"] == started["batch"]
    page: dict[str, Any] = {"fields": [], "claims": [], "checked": []}
    step = {"p_batch": started["batch"], "p_page": page, "p_from": {}, "p_to": {"after": "x"}, "p_apply": True, "p_by": "a"}
    await crm.call("omnicrm_sync_apply", **step)
    with pytest.raises(CrmRejected) as raised:
        await crm.call("omnicrm_sync_apply", **step)
    assert raised.value.sqlstate == "OC409"


async def test_a_run_that_is_killed_goes_on_where_it_was(
    database: Database, crm: Crm, simulator: SimulatorClient, shop: ForBot, tmp_path: Path
) -> None:
    for number in range(45):
        await customer(crm, simulator, "messenger", 100 + number, name=f"Cliente {number} Real")
    environment = {**os.environ, **shop.environment(), "DATABASE_URL": database.url, "NO_PROXY": "127.0.0.1"}
    # The shop's pace would be the test's.
    code = """if True:
        from dataclasses import replace
        from connectors.meta.platform import Messenger
        Messenger.capabilities = replace(Messenger.capabilities, lookups_per_second=15)
        from omnicrm.cli import main
        main(['smart-sync', '--apply'])
    """
    process = subprocess.Popen(  # noqa: ASYNC220 - it starts in no time
        [sys.executable, "-c", code], cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL
    )

    async def went_forward() -> bool:
        return (
            database.run("select count(*) from omnicrm.batches where cursor ? 'after'") == [(1,)] or process.poll() is not None
        )

    await eventually(went_forward, within=30, every=0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    named = "select count(*) from public.clients where name like 'Cliente % Real'"
    (before,) = database.run(named)[0]
    assert 20 <= before < 45
    asked = len(await simulator.requests(where="profile"))
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "Siguió donde se había cortado" in done
    assert database.run(named) == [(45,)]
    assert database.run("select status, (report #>> '{filled,name}')::int from omnicrm.batches") == [("applied", 45)]
    # Who was asked before the page was committed is not asked again.
    assert len(await simulator.requests(where="profile")) - asked == 45 - before
