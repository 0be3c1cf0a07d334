"""What is done now and then: by one of many processes, and again after the database was away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from crm.port import Crm, CrmUnavailable
from tests.support.events import CUSTOMER, conversation, inbound, receive
from tests.support.postgres import Database
from turns.housekeeping import Housekeeping, silence_limits


class Enough(Exception):
    """The test has seen what it came for."""


def sleeper(rounds: int) -> Any:
    left = iter(range(rounds))

    async def sleep(_seconds: float) -> None:
        if next(left, None) is None:
            raise Enough

    return sleep


def test_the_setting_is_read_as_seconds_per_channel() -> None:
    assert silence_limits(("WA=72", "EMAIL=0.5")) == {"WA": 259200.0, "EMAIL": 1800.0}


async def test_silent_conversations_are_closed_and_old_events_forgotten(crm: Crm, database: Database) -> None:
    await receive(crm, inbound())
    database.run("update omnicrm.messages set status = 'handled'")
    database.run("update public.conversations set last_message_at = now() - interval '2 hours'")
    database.run(
        "insert into omnicrm.platform_events (key, type, payload, created_at) "
        "values ('old', 'fact', '{}', now() - interval '30 days')"
    )
    with pytest.raises(Enough):
        await Housekeeping(crm, "w", {"IG": 3600.0}, sleep=sleeper(0)).run()
    assert (await conversation(crm, CUSTOMER.key))["state"] == "closed"
    assert database.run("select count(*) from omnicrm.platform_events") == [(0,)]


async def test_one_process_does_it_while_others_look_on(crm: Crm, database: Database) -> None:
    await Housekeeping(crm, "first", {}).round(0)
    await receive(crm, inbound())
    database.run("update omnicrm.messages set status = 'handled'")
    database.run("update public.conversations set last_message_at = now() - interval '2 hours'")
    await Housekeeping(crm, "second", {"IG": 1.0}).round(0)
    assert (await conversation(crm, CUSTOMER.key))["state"] == "open"
    await Housekeeping(crm, "first", {"IG": 1.0}).round(1)
    assert (await conversation(crm, CUSTOMER.key))["state"] == "closed"


async def test_an_absent_database_is_waited_for(crm: Crm, database: Database, caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    class Away:
        wakes = False

        async def call(self, function: str, /, **arguments: Any) -> Any:
            calls.append(function)
            if len(calls) < 3:
                raise CrmUnavailable("away")
            return await crm.call(function, **arguments)

    with pytest.raises(Enough):
        await asyncio.wait_for(Housekeeping(Away(), "w", {}, sleep=sleeper(2)).run(), 10)  # type: ignore[arg-type]
    assert calls == ["omnicrm_lease", "omnicrm_lease", "omnicrm_lease", "omnicrm_close_silent"]
    assert caplog.text.count("housekeeping waits") == 2
