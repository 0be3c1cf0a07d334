"""Events reach their receivers: in order, at least once, through restarts and outages."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from crm.connect import open_crm
from crm.port import Crm
from omnicrm.settings import Settings
from tests.support.events import CUSTOMER, inbound, receive
from tests.support.postgres import Database
from tests.support.telling import HOOK, claimed_events, claimed_notices, drained, follow, settle_event


async def write(crm: Crm, *texts: str, user: str = "1") -> None:
    for text in texts:
        await receive(crm, inbound(text, address=replace(CUSTOMER, user=user)))


def texts(work: list[dict[str, object]]) -> list[str]:
    return [one["data"]["message"]["text"] for one in work]  # type: ignore[index]


def rest_is_over(database: Database) -> None:
    database.run("update omnicrm.subscriptions set rest_until = null")
    database.run("update omnicrm.feed set due_at = now() where status = 'waiting'")


async def test_of_one_conversation_one_event_is_under_way_and_of_many_many(crm: Crm) -> None:
    await follow(crm, "message.received")
    await write(crm, "uno", "dos", "tres", user="1")
    await write(crm, "a", "b", user="2")
    first = await claimed_events(crm)
    assert texts(first) == ["uno", "a"]
    assert await claimed_events(crm) == []
    await settle_event(crm, first[0])
    assert texts(await claimed_events(crm)) == ["dos"]


async def test_an_event_that_fails_holds_up_its_conversation_for_three_tries(crm: Crm, database: Database) -> None:
    await follow(crm, "message.received")
    await write(crm, "uno", "dos")
    for _ in range(3):
        rest_is_over(database)
        (work,) = await claimed_events(crm)
        assert texts([work]) == ["uno"]
        await settle_event(crm, work, "retry", p_retry_seconds=60)
    database.run("update omnicrm.subscriptions set rest_until = null, failures = 0")
    assert texts(await claimed_events(crm)) == ["dos"]


async def test_a_receiver_that_fails_again_and_again_is_tried_with_one_event(crm: Crm, database: Database) -> None:
    await follow(crm, "message.received")
    for user in range(6):
        await write(crm, "hola", user=str(user))
    for one in await claimed_events(crm):
        await settle_event(crm, one, "retry", p_retry_seconds=0)
    assert await claimed_events(crm) == []
    answer = await crm.call("omnicrm_claim_events", p_limit=50, p_lease_seconds=30)
    assert answer["next_due_seconds"] is None or answer["next_due_seconds"] > 0
    rest_is_over(database)
    (probe,) = await claimed_events(crm)
    await settle_event(crm, probe)
    assert len(await claimed_events(crm)) == 5


async def test_after_days_without_success_it_is_switched_off_and_the_staff_is_told(crm: Crm, database: Database) -> None:
    await follow(crm, "message.received")
    await write(crm, "hola", "adiós")
    (work,) = await claimed_events(crm)
    await settle_event(crm, work, "retry")
    database.run("update omnicrm.subscriptions set failing_since = now() - interval '6 days'")
    rest_is_over(database)
    (work,) = await claimed_events(crm)
    await settle_event(crm, work, "retry")
    (listed,) = await crm.call("omnicrm_webhooks")
    assert (listed["enabled"], listed["disabled_reason"]) == (False, "no recibió nada en 5 días")
    await write(crm, "otra vez")
    assert database.run("select count(*) from omnicrm.feed") == [(2,)]
    (notice,) = await claimed_notices(crm)
    (item,) = notice["items"]
    assert item["kind"] == "webhook_off"
    told = {"host": "crm.example.com", "reason": "no recibió nada en 5 días", "subscription": listed["webhook"]}
    assert item["detail"] == told


async def test_a_success_forgives_what_failed_before(crm: Crm, database: Database) -> None:
    await follow(crm, "message.received")
    await write(crm, "hola")
    (work,) = await claimed_events(crm)
    await settle_event(crm, work, "retry")
    (work,) = await claimed_events(crm)
    await settle_event(crm, work)
    assert database.run("select failures, failing_since, rest_until from omnicrm.subscriptions") == [(0, None, None)]


async def test_what_a_killed_process_was_posting_is_posted_again_with_the_same_id(crm: Crm) -> None:
    await follow(crm, "message.received")
    await write(crm, "hola")
    (first,) = await claimed_events(crm, lease=0)
    (again,) = await claimed_events(crm)
    assert (again["uid"], again["data"], again["at"]) == (first["uid"], first["data"], first["at"])
    # The slow one's word counts no more, unless it delivered before the other one took it.
    assert (await settle_event(crm, first, "retry"))["settled"] is False
    assert (await settle_event(crm, again))["settled"] is True


async def test_two_processes_never_have_the_same_event(crm: Crm, settings: Settings) -> None:
    await follow(crm, "message.received")
    await asyncio.gather(*(write(crm, "uno", "dos", user=str(user)) for user in range(20)))
    others = [await open_crm(settings) for _ in range(4)]
    seen: list[int] = []
    for _ in range(12):
        for other, work in zip(others, await asyncio.gather(*(claimed_events(o, limit=5) for o in others)), strict=True):
            seen += [one["id"] for one in work]
            for one in work:
                await settle_event(other, one)
    for other in others:
        await other.close()
    assert len(seen) == len(set(seen)) == 40


async def test_a_slow_receiver_takes_no_other_ones_place(crm: Crm) -> None:
    await follow(crm, "message.received", url=HOOK + "/slow")
    for user in range(30):
        await write(crm, "hola", user=str(user))
    slow = await claimed_events(crm, limit=20)
    assert len(slow) == 10
    await follow(crm, "message.received", url=HOOK + "/quick")
    await write(crm, "hola", user="otro")
    assert [one["url"] for one in await claimed_events(crm, limit=10)] == [HOOK + "/quick"]


async def test_an_old_secret_signs_along_until_its_time_is_over(crm: Crm) -> None:
    number = await follow(crm, "message.received")
    await crm.call("omnicrm_rotate_webhook", p_webhook=number, p_secret="whsec_bmV3")
    await write(crm, "hola")
    (work,) = await claimed_events(crm)
    assert len(work["secrets"]) == 2 and work["secrets"][0] == "whsec_bmV3"


async def test_delivered_events_are_forgotten_after_three_days(crm: Crm, database: Database) -> None:
    await follow(crm, "message.received")
    await write(crm, "hola", "adiós")
    await drained(crm)
    database.run("update omnicrm.feed set settled_at = now() - interval '4 days' where id = (select min(id) from omnicrm.feed)")
    assert await crm.call("omnicrm_prune_told") == {"deleted": 1, "more": False}
    assert await crm.call("omnicrm_prune_told", p_most=1) == {"deleted": 0, "more": False}


async def test_a_removed_webhook_takes_its_events_along(crm: Crm, database: Database) -> None:
    number = await follow(crm)
    await write(crm, "hola")
    await crm.call("omnicrm_remove_webhook", p_webhook=number)
    assert database.run("select count(*) from omnicrm.feed") == [(0,)]
