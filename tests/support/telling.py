"""Notices and events in tests: raised, claimed and looked at through the port alone."""

from __future__ import annotations

from typing import Any

from connectors.message import Json
from crm.port import Crm
from tests.support.events import claim, commit, inbound, receive
from tests.support.postgres import Database

ANA, GROUP = "email:ana@x.mx", "whatsapp:120363@g.us"
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
HOOK = "https://crm.example.com/hook"


def plan(*targets: str, window: float = 900.0, quiet_until: str | None = None, always: tuple[str, ...] = ()) -> Json:
    """A plan that tells these targets (Ana, unless told otherwise) of everything."""
    kinds = ("handover", "hot_lead", "complaint", "channel_down", "channel_up", "token", "send_failed", "webhook_off")
    told = list(targets or (ANA,))
    return {
        "targets": dict.fromkeys(kinds, told), "window_seconds": window, "quiet_until": quiet_until, "always": list(always)
    }


async def claimed_notices(crm: Crm, made: Json | None = None, *, limit: int = 50, lease: float = 30.0) -> list[Json]:
    """What a worker gets."""
    answer = await crm.call("omnicrm_claim_notices", p_plan=made or plan(), p_limit=limit, p_lease_seconds=lease)
    work: list[Json] = answer["work"]
    return work


async def settle_notice(crm: Crm, work: Json, outcome: str, **more: Any) -> Json:
    """Tell what became of a message."""
    return await crm.call(
        "omnicrm_settle_notice", p_message=work["id"], p_token=work["token"], p_outcome=outcome,
        **{"p_error": None if outcome == "sent" else "algo", "p_retry_seconds": 0, **more},
    )


async def claimed_events(crm: Crm, *, limit: int = 50, lease: float = 30.0) -> list[Json]:
    """What a worker gets."""
    answer = await crm.call("omnicrm_claim_events", p_limit=limit, p_lease_seconds=lease)
    work: list[Json] = answer["work"]
    return work


async def settle_event(crm: Crm, work: Json, outcome: str = "delivered", **more: Any) -> Json:
    """Tell what became of an event."""
    return await crm.call(
        "omnicrm_settle_event", p_event=work["id"], p_token=work["token"], p_outcome=outcome,
        **{"p_status": 200 if outcome == "delivered" else 500, "p_error": None, "p_retry_seconds": 0, **more},
    )


async def drained(crm: Crm) -> list[Json]:
    """All events that wait, in the order in which one receiver gets them; all taken."""
    found: list[Json] = []
    while work := await claimed_events(crm):
        for one in work:
            await settle_event(crm, one)
        found += work
    return sorted(found, key=lambda one: one["id"])


async def follow(crm: Crm, *events: str, url: str = HOOK) -> int:
    """Add a webhook; returns its number."""
    made = await crm.call("omnicrm_add_webhook", p_url=url, p_events=list(events), p_secret=SECRET)
    return int(made["webhook"])


async def ask_for_a_person(crm: Crm, reason: str = "pidió factura", **fields: Any) -> Json:
    """A customer writes, and the bot hands over; returns the conversation's work as it was claimed."""
    await receive(crm, inbound("una persona por favor", **fields))
    (work,) = await claim(crm)
    await commit(crm, work, "Claro", effects=[{"effect": "handover", "reason": reason, "seconds": 3600}])
    return work


def raise_notice(database: Database, kind: str, thread: int | None = None, detail: str = "{}", *place: str) -> None:
    """Raise a notice as the database's own functions do."""
    database.run("select omnicrm.raise_notice(%s, %s, %s::jsonb, %s, %s)", kind, thread, detail, *(place or (None, None)))
