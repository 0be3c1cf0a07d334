"""Who is told, how often, and what becomes of it when processes die: on a real database."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

from connectors.message import Json
from crm.connect import open_crm
from crm.port import Crm
from omnicrm.settings import Settings
from tests.support.events import CUSTOMER, account_state, account_warning, inbound, receive
from tests.support.postgres import Database
from tests.support.telling import (
    ANA,
    GROUP,
    ask_for_a_person,
    claimed_notices,
    plan,
    raise_notice,
    settle_notice,
)


def counts(work: list[Json]) -> list[list[tuple[str, int]]]:
    return [[(item["kind"], item["count"]) for item in one["items"]] for one in work]


async def thread_of(crm: Crm, database: Database, **fields: object) -> int:
    (result,) = await receive(crm, inbound(**fields))
    return int(result["thread"])


def make_due(database: Database) -> None:
    """As if the window, or the quiet hours, were over."""
    database.run("update omnicrm.notice_messages set due_at = now() where status = 'waiting'")


async def test_each_target_of_a_kind_is_told(crm: Crm) -> None:
    await ask_for_a_person(crm)
    made = plan(ANA, GROUP) | {"targets": {"handover": [ANA, GROUP]}}
    assert sorted(work["target"] for work in await claimed_notices(crm, made)) == [ANA, GROUP]


async def test_a_kind_that_nobody_is_told_of_does_not_wait(crm: Crm) -> None:
    await ask_for_a_person(crm)
    assert await claimed_notices(crm, plan() | {"targets": {"complaint": [ANA]}}) == []
    status = await crm.call("omnicrm_notice_status")
    assert (status["unplanned"], status["messages"]) == (0, {})


async def test_within_the_window_the_rest_is_counted_and_told_at_its_end(crm: Crm, database: Database) -> None:
    thread = await thread_of(crm, database)
    raise_notice(database, "handover", thread)
    (first,) = await claimed_notices(crm)
    await settle_notice(crm, first, "sent")
    for _ in range(4):
        raise_notice(database, "handover", thread)
    assert await claimed_notices(crm) == []
    ((left,),) = database.run("select extract(epoch from due_at - now()) from omnicrm.notice_messages where status = 'waiting'")
    assert 890 < left <= 900
    make_due(database)
    assert counts(await claimed_notices(crm)) == [[("handover", 4)]]


async def test_what_comes_while_it_waits_or_is_on_its_way_is_counted_too(crm: Crm, database: Database) -> None:
    thread = await thread_of(crm, database)
    raise_notice(database, "handover", thread)
    raise_notice(database, "handover", thread)
    (first,) = await claimed_notices(crm)
    assert counts([first]) == [[("handover", 2)]]
    raise_notice(database, "handover", thread)
    assert await claimed_notices(crm) == []
    await settle_notice(crm, first, "sent")
    make_due(database)
    assert counts(await claimed_notices(crm)) == [[("handover", 1)]]


async def test_other_kinds_conversations_and_targets_have_windows_of_their_own(crm: Crm, database: Database) -> None:
    one = await thread_of(crm, database)
    two = await thread_of(crm, database, address=CUSTOMER.__class__(channel="FB", account="1", user="2"))
    for thread, kind in ((one, "handover"), (one, "complaint"), (two, "handover")):
        raise_notice(database, kind, thread)
    assert len(await claimed_notices(crm, plan(ANA, GROUP))) == 6


async def test_after_the_window_somebody_is_told_at_once_again(crm: Crm, database: Database) -> None:
    thread = await thread_of(crm, database)
    raise_notice(database, "handover", thread)
    (first,) = await claimed_notices(crm)
    await settle_notice(crm, first, "sent")
    database.run("update omnicrm.notice_messages set settled_at = now() - interval '16 minutes'")
    raise_notice(database, "handover", thread)
    assert len(await claimed_notices(crm)) == 1


async def test_a_notice_that_failed_for_good_opens_no_window(crm: Crm, database: Database) -> None:
    thread = await thread_of(crm, database)
    raise_notice(database, "handover", thread)
    (first,) = await claimed_notices(crm)
    await settle_notice(crm, first, "failed")
    raise_notice(database, "handover", thread)
    assert len(await claimed_notices(crm)) == 1


async def test_an_account_that_stays_broken_is_told_every_few_hours(crm: Crm, database: Database) -> None:
    raise_notice(database, "channel_down", None, '{"reason": "token"}', "IG", "1")
    (first,) = await claimed_notices(crm)
    await settle_notice(crm, first, "sent")
    for _ in range(30):
        raise_notice(database, "channel_down", None, '{"reason": "token"}', "IG", "1")
    raise_notice(database, "channel_down", None, '{"reason": "otra cosa"}', "IG", "1")
    assert counts(await claimed_notices(crm)) == [[("channel_down", 1)]]
    ((hours,),) = database.run("select extract(epoch from max(due_at) - now()) / 3600 from omnicrm.notice_messages")
    assert 5.9 < hours <= 6


async def test_quiet_hours_hold_and_then_one_message_tells_all(crm: Crm, database: Database) -> None:
    one = await thread_of(crm, database)
    two = await thread_of(crm, database, address=CUSTOMER.__class__(channel="FB", account="1", user="2"))
    for thread, kind in ((one, "handover"), (one, "handover"), (two, "handover"), (one, "hot_lead")):
        raise_notice(database, kind, thread)
    raise_notice(database, "channel_down", None, '{"reason": "x"}', "IG", "1")
    morning = datetime.now(timezone.utc) + timedelta(hours=8)
    night = plan(ANA, quiet_until=morning.isoformat(), always=("channel_down",))
    (urgent,) = await claimed_notices(crm, night)
    assert counts([urgent]) == [[("channel_down", 1)]]
    raise_notice(database, "handover", one)
    assert await claimed_notices(crm, night) == []
    make_due(database)
    (digest,) = await claimed_notices(crm)
    assert digest["held"] is True
    assert counts([digest]) == [[("handover", 3), ("handover", 1), ("hot_lead", 1)]]
    assert await claimed_notices(crm) == []


async def test_a_window_that_ends_at_night_waits_for_the_morning(crm: Crm, database: Database) -> None:
    thread = await thread_of(crm, database)
    raise_notice(database, "handover", thread)
    (first,) = await claimed_notices(crm)
    await settle_notice(crm, first, "sent")
    raise_notice(database, "handover", thread)
    await claimed_notices(crm)
    make_due(database)
    morning = datetime.now(timezone.utc) + timedelta(hours=8)
    assert await claimed_notices(crm, plan(quiet_until=morning.isoformat())) == []
    held = database.run("select held, due_at = %s from omnicrm.notice_messages where status = 'waiting'", morning)
    assert held == [(True, True)]


async def test_two_processes_never_send_the_same_notice(crm: Crm, settings: Settings, database: Database) -> None:
    threads = [
        await thread_of(crm, database, address=CUSTOMER.__class__(channel="IG", account="1", user=str(n))) for n in range(40)
    ]
    for thread in threads:
        raise_notice(database, "handover", thread)
    others = [await open_crm(settings) for _ in range(4)]
    seen: list[int] = []
    for _ in range(8):
        for work in await asyncio.gather(*(claimed_notices(other, limit=5) for other in others)):
            seen += [one["id"] for one in work]
    for other in others:
        await other.close()
    assert len(seen) == len(set(seen)) == 40


async def test_what_a_killed_process_was_sending_is_not_sent_again_but_over_a_webhook(crm: Crm) -> None:
    await ask_for_a_person(crm)
    work = await claimed_notices(crm, plan(ANA, GROUP, "webhook"), lease=0)
    (again,) = await claimed_notices(crm)
    assert again["target"] == "webhook"
    assert again["uid"] == next(one["uid"] for one in work if one["target"] == "webhook")
    status = await crm.call("omnicrm_notice_status")
    assert (status["messages"], status["unknown_day"]) == ({"unknown": 2, "sending": 1}, 2)


async def test_a_process_that_only_was_slow_can_still_say_that_it_was_sent(crm: Crm) -> None:
    await ask_for_a_person(crm)
    (work,) = await claimed_notices(crm, lease=0)
    await claimed_notices(crm)
    assert (await settle_notice(crm, work, "retry"))["settled"] is False
    assert (await settle_notice(crm, work, "sent"))["status"] == "sent"


async def test_tries_end(crm: Crm) -> None:
    await ask_for_a_person(crm)
    for _ in range(3):
        (work,) = await claimed_notices(crm)
        settled = await settle_notice(crm, work, "retry", p_most_tries=3, p_error="no hay conexión")
    assert settled["status"] == "failed"
    status = await crm.call("omnicrm_notice_status")
    assert (status["failed_day"], status["last_errors"][0]["error"]) == (1, "no hay conexión")


async def test_a_notice_of_a_conversation_that_was_deleted_is_dropped(crm: Crm, database: Database) -> None:
    thread = await thread_of(crm, database)
    raise_notice(database, "complaint", thread)
    later = plan(quiet_until=(datetime.now(timezone.utc) + timedelta(hours=1)).isoformat())
    await claimed_notices(crm, later)
    database.run("delete from omnicrm.threads")
    make_due(database)
    assert await claimed_notices(crm) == []


async def test_a_number_that_was_linked_again_says_so(crm: Crm) -> None:
    await receive(crm, account_state(ok=False))
    await receive(crm, account_state(ok=False))
    await receive(crm, account_state(ok=True))
    await receive(crm, account_state(ok=True))
    assert counts(await claimed_notices(crm)) == [[("channel_down", 1)], [("channel_up", 1)]]


async def test_what_the_account_told_itself_the_daily_look_does_not_repeat(crm: Crm) -> None:
    await receive(crm, account_state(ok=False))
    found = [{"kind": "channel_down", "text": "El número no está vinculado"}]
    answer = await crm.call(
        "omnicrm_report_account", p_channel=CUSTOMER.channel, p_account=CUSTOMER.account, p_findings=found
    )
    assert answer["raised"] == 0


async def test_old_notices_and_events_are_forgotten_and_waiting_ones_stay(crm: Crm, database: Database) -> None:
    await ask_for_a_person(crm)
    (work,) = await claimed_notices(crm)
    await settle_notice(crm, work, "sent")
    database.run("update omnicrm.notices set created_at = now() - interval '40 days'")
    database.run("update omnicrm.notice_messages set settled_at = now() - interval '40 days'")
    thread = await thread_of(crm, database)
    raise_notice(database, "complaint", thread)
    assert (await crm.call("omnicrm_prune_told"))["deleted"] == 2
    assert len(await claimed_notices(crm)) == 1


async def test_a_platforms_warning_of_an_account_is_told_once_and_holds_nothing_up(crm: Crm, database: Database) -> None:
    warning, block = "Meta advierte que la cuenta incumple sus políticas", "Meta bloqueó la cuenta"
    told = plan() | {"targets": {"token": [ANA], "channel_down": [ANA]}}
    await receive(crm, account_warning(False, warning), account_warning(False, warning))
    assert [(item["kind"], item["detail"]) for work in await claimed_notices(crm, told) for item in work["items"]] == [
        ("token", {"text": warning})
    ]
    await receive(crm, account_warning(True, block))
    assert [(item["kind"], item["detail"]) for work in await claimed_notices(crm, told) for item in work["items"]] == [
        ("channel_down", {"reason": block})
    ]
    assert database.run("select count(*) from omnicrm.accounts where paused_until is not null") == [(0,)]
