"""Enrichment and batches over every way to the database."""

from __future__ import annotations

from typing import Any

import pytest

from crm.port import Crm, CrmRejected
from people.sync import SyncReport, smart_sync
from tests.support.backends import Backend


async def no_sleep(seconds: float) -> None:
    raise AssertionError("nothing was to be waited for")


async def run(crm: Crm, *, apply: bool) -> SyncReport:
    return await smart_sync(crm, {}, apply=apply, by="prueba", sleep=no_sleep)


async def fill(crm: Crm, backend: Backend, name: str) -> dict[str, Any]:
    """A client with this name who wrote, as the page tells of them."""
    opened = await crm.call("omnicrm_open_conversation", p_channel="WA", p_account="MANTIS-M72HC", p_user=f"+5255{name[-8:]}")
    page = await crm.call("omnicrm_sync_page", p_after=None, p_size=200)
    return next(client for client in page if client["id"] == opened["client"]["id"])


async def test_a_rehearsal_leaves_nothing_and_the_real_thing_is_taken_back(crm: Crm, backend: Backend) -> None:
    client = await fill(crm, backend, "10000001")
    assert (client["phone"], client["identities"][0]["value"]) == (None, "+525510000001")
    assert (await run(crm, apply=False)).filled == {"phone": 1}
    assert (await fill(crm, backend, "10000001"))["phone"] is None
    report = await run(crm, apply=True)
    assert (await fill(crm, backend, "10000001"))["phone"] == "+525510000001"
    assert (await run(crm, apply=True)).batch is None
    batches = await crm.call("omnicrm_batches")
    assert [(b["id"], b["kind"], b["status"]) for b in batches] == [(report.batch, "sync", "applied")]
    done = await crm.call("omnicrm_undo_batch", p_batch=report.batch, p_by="prueba")
    assert (done["fields"], done["removed"], done["left"]) == (1, 0, [])
    assert (await fill(crm, backend, "10000001"))["phone"] is None
    with pytest.raises(CrmRejected) as raised:
        await crm.call("omnicrm_undo_batch", p_batch=report.batch, p_by="prueba")
    assert raised.value.sqlstate == "OC409"


async def test_an_unknown_batch_is_told(crm: Crm) -> None:
    with pytest.raises(CrmRejected) as raised:
        await crm.call("omnicrm_undo_batch", p_batch=999, p_by="prueba")
    assert raised.value.sqlstate == "OC404"
