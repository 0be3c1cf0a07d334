"""What platforms that fetch by themselves rely on, the same over every way to the database."""

from __future__ import annotations

import secrets

from crm.port import Crm
from tests.support.events import inbound
from tests.support.eventually import eventually
from turns.desk import CrmDesk


async def _nowhere(_events: object) -> None:
    raise AssertionError("nothing was to be received")


async def test_what_is_remembered_is_recalled_by_every_process(crm: Crm) -> None:
    name = f"mail:{secrets.token_hex(6)}"
    one, two = CrmDesk(crm, _nowhere, "one"), CrmDesk(crm, _nowhere, "two")
    assert await one.recall(name) is None
    await one.remember(name, {"uidvalidity": 7, "uid": 12, "ñ": [None, True]})
    await two.remember(name, {"uidvalidity": 7, "uid": 13, "ñ": [None, True]})
    assert await one.recall(name) == {"uidvalidity": 7, "uid": 13, "ñ": [None, True]}


async def test_one_process_at_a_time_holds_a_lease_and_the_next_gets_it_when_it_ends(crm: Crm) -> None:
    name = f"mail:{secrets.token_hex(6)}"
    one, two = CrmDesk(crm, _nowhere, "one"), CrmDesk(crm, _nowhere, "two")
    assert await one.lease(name, 30.0)
    assert not await two.lease(name, 30.0)
    assert await one.lease(name, 0.05), "the holder goes on"

    async def free() -> bool:
        return await two.lease(name, 30.0)

    await eventually(free)
    assert not await one.lease(name, 30.0)


async def test_what_is_received_goes_the_way_of_all_events(crm: Crm) -> None:
    taken: list[object] = []

    async def receive(events: object) -> None:
        taken.append(events)

    events = [inbound()]
    await CrmDesk(crm, receive, "one").receive(events)
    assert taken == [events]
