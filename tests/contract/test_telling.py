"""Notices and webhooks over every way to the database."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from crm.port import Crm, CrmRejected
from tests.support.backends import Backend
from tests.support.telling import (
    ANA,
    HOOK,
    SECRET,
    ask_for_a_person,
    claimed_events,
    claimed_notices,
    drained,
    follow,
    plan,
    settle_event,
    settle_notice,
)


@pytest.fixture(autouse=True)
def empty(backend: Backend) -> Iterator[None]:
    """The module's database is shared: each test begins without customers, notices and webhooks."""
    with psycopg.connect(backend.admin_dsn, autocommit=True) as connection:
        connection.execute("delete from public.clients; delete from omnicrm.notices; delete from omnicrm.notice_messages")
        connection.execute("delete from omnicrm.subscriptions")
    yield


async def test_a_notice_is_claimed_once_and_settled(crm: Crm) -> None:
    await ask_for_a_person(crm)
    (work,) = await claimed_notices(crm)
    assert await claimed_notices(crm) == []
    assert (work["target"], work["attempts"], work["held"]) == (ANA, 1, False)
    (item,) = work["items"]
    assert (item["kind"], item["count"], item["channel"], item["detail"]) == ("handover", 1, "IG", {"reason": "pidió factura"})
    assert (await settle_notice(crm, work, "sent"))["status"] == "sent"
    assert (await settle_notice(crm, work, "sent"))["settled"] is False
    status = await crm.call("omnicrm_notice_status")
    assert (status["messages"], status["unplanned"], status["last_errors"]) == ({"sent": 1}, 0, [])


async def test_when_more_is_due_is_told(crm: Crm) -> None:
    await ask_for_a_person(crm)
    (work,) = await claimed_notices(crm)
    await settle_notice(crm, work, "retry", p_retry_seconds=30)
    answer = await crm.call("omnicrm_claim_notices", p_plan=plan(), p_limit=5, p_lease_seconds=30)
    assert answer["work"] == [] and 20 < answer["next_due_seconds"] <= 30


async def test_what_is_found_of_an_account_is_told_once_a_day(crm: Crm) -> None:
    found = [{"kind": "token", "text": "El token vence el 2026-12-01"}, {"kind": "channel_down", "text": "No hay permiso"}]
    told = [await crm.call("omnicrm_report_account", p_channel=c, p_account="1", p_findings=found) for c in ("IG", "IG", "FB")]
    # Messenger shares the token, whose text is the same; it has its own trouble, whose text is the same as well.
    assert [answer["raised"] for answer in told] == [2, 0, 0]
    kinds = sorted(work["items"][0]["kind"] for work in await claimed_notices(crm))
    assert kinds == ["channel_down", "token"]


async def test_a_webhook_is_added_listed_rotated_and_removed(crm: Crm) -> None:
    number = await follow(crm, "message", "client.merged")
    (listed,) = await crm.call("omnicrm_webhooks")
    assert (listed["webhook"], listed["url"], listed["events"], listed["enabled"]) == (
        number, HOOK, ["message", "client.merged"], True,
    )  # fmt: skip
    assert SECRET not in str(listed)
    keys = await crm.call("omnicrm_webhook_keys", p_webhook=number)
    assert keys == {"url": HOOK, "secrets": [SECRET]}
    await crm.call("omnicrm_rotate_webhook", p_webhook=number, p_secret="whsec_bmV3")
    assert (await crm.call("omnicrm_webhook_keys", p_webhook=number))["secrets"] == ["whsec_bmV3", SECRET]
    await crm.call("omnicrm_rotate_webhook", p_webhook=number, p_secret="whsec_bmV3ZXI=", p_seconds=0)
    assert (await crm.call("omnicrm_webhook_keys", p_webhook=number))["secrets"] == ["whsec_bmV3ZXI="]
    await crm.call("omnicrm_remove_webhook", p_webhook=number)
    assert await crm.call("omnicrm_webhooks") == []


async def test_an_address_has_one_webhook(crm: Crm) -> None:
    await follow(crm)
    with pytest.raises(CrmRejected) as caught:
        await follow(crm)
    assert caught.value.sqlstate == "OC409"


@pytest.mark.parametrize("function", ["remove_webhook", "rotate_webhook", "enable_webhook", "webhook_keys"])
async def test_a_webhook_that_is_not_there_is_said(crm: Crm, function: str) -> None:
    more = {"p_secret": SECRET} if function == "rotate_webhook" else {}
    with pytest.raises(CrmRejected) as caught:
        await crm.call(f"omnicrm_{function}", p_webhook=999_999, **more)
    assert caught.value.sqlstate == "OC404"


async def test_an_event_is_claimed_once_and_settled(crm: Crm) -> None:
    await follow(crm, "conversation")
    await ask_for_a_person(crm)
    (work,) = await claimed_events(crm)
    assert await claimed_events(crm) == []
    assert (work["type"], work["url"], work["secrets"], work["attempts"]) == ("conversation.state", HOOK, [SECRET], 1)
    assert work["at"].endswith("Z") and work["uid"].startswith("evt_")
    assert (await settle_event(crm, work))["settled"] is True
    assert (await settle_event(crm, work))["settled"] is False


async def test_a_receiver_that_is_gone_is_switched_off_and_on_again(crm: Crm) -> None:
    number = await follow(crm, "message")
    await ask_for_a_person(crm)
    first, *_ = await claimed_events(crm)
    await settle_event(crm, first, "gone")
    (listed,) = await crm.call("omnicrm_webhooks")
    assert listed["enabled"] is False and "410" in listed["disabled_reason"]
    assert await claimed_events(crm) == []
    kinds = [item["kind"] for work in await claimed_notices(crm) for item in work["items"]]
    assert "webhook_off" in kinds
    changed = await crm.call("omnicrm_enable_webhook", p_webhook=number)
    assert changed["waiting"] == 1
    assert [event["type"] for event in await drained(crm)] == ["message.written"]


async def test_nothing_young_is_forgotten(crm: Crm) -> None:
    await follow(crm)
    await ask_for_a_person(crm)
    await drained(crm)
    (work,) = await claimed_notices(crm)
    await settle_notice(crm, work, "sent")
    assert await crm.call("omnicrm_prune_told") == {"deleted": 0, "more": False}
