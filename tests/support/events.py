"""One factory per inbound event, with the plainest values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import count
from typing import Any

from connectors.message import (
    AccountState,
    AccountWarning,
    Address,
    Control,
    Echo,
    Edit,
    Fact,
    Inbound,
    Json,
    Receipt,
    Unsend,
    event_to_json,
)
from crm.port import Crm

_numbers = count(1)
WHATSAPP = Address(
    channel="WA", account="MANTIS-M72HC", user="+525512345678", context={"chat_id": "5215512345678@s.whatsapp.net"}
)
CUSTOMER = Address(channel="IG", account="17841470026191358", user="5360758100663278")
ACCOUNTS = ["IG:17841470026191358", "FB:104098558513421", "WA:MANTIS-M72HC", "EMAIL:hola@eum.mx"]


def now() -> datetime:
    """The platform's clock."""
    return datetime.now(timezone.utc)


def _fields(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    number = next(_numbers)
    return {"address": CUSTOMER, "key": f"{kind}-{number}", "timestamp": now(), **fields}


def inbound(text: str | None = "hola", **fields: Any) -> Inbound:
    """A customer's message; its platform id is its key unless given."""
    made = _fields(fields, "message")
    return Inbound(**{"text": text, "platform_id": made["key"], "opens_window": 86400, **made})


def echo(text: str | None, platform_id: str, **fields: Any) -> Echo:
    """Words of our account, whoever wrote them."""
    return Echo(
        **{
            "text": text,
            "platform_id": platform_id,
            "key": f"echo-{platform_id}",
            **{k: v for k, v in _fields(fields, "echo").items() if k != "key"},
        }
    )


def edit(platform_id: str, text: str, **fields: Any) -> Edit:
    """A customer's change of a message."""
    return Edit(platform_id=platform_id, text=text, **_fields(fields, "edit"))


def unsend(platform_id: str, **fields: Any) -> Unsend:
    """A customer takes a message back."""
    return Unsend(platform_id=platform_id, **_fields(fields, "unsend"))


def receipt(status: Any, *platform_ids: str, **fields: Any) -> Receipt:
    """Delivered, read or failed."""
    return Receipt(status=status, platform_ids=platform_ids, **_fields(fields, "receipt"))


def referral(**fields: Any) -> Fact:
    """The customer came by a link or an ad."""
    return Fact(name="referral", **_fields(fields, "referral"))


def control(holder: Any, **fields: Any) -> Control:
    """The thread goes to somebody."""
    return Control(holder=holder, **_fields(fields, "control"))


def account_state(ok: bool, **fields: Any) -> AccountState:
    """The customer's account can send again, or cannot."""
    made = {**_fields({}, "state"), "address": None, "channel": CUSTOMER.channel, "account": CUSTOMER.account, **fields}
    return AccountState(ok=ok, reason="" if ok else "número desvinculado", **made)


def account_warning(stopped: bool, text: str, **fields: Any) -> AccountWarning:
    """The platform tells us of a breach of its rules."""
    made = {**_fields({}, "warning"), "address": None, "channel": CUSTOMER.channel, "account": CUSTOMER.account, **fields}
    return AccountWarning(stopped=stopped, text=text, **made)


async def receive(crm: Crm, *events: Any, **options: float) -> list[Json]:
    """Store a delivery of these events, in one call."""
    results: list[Json] = await crm.call("omnicrm_receive", p_events=[event_to_json(e) for e in events], **options)
    return results


async def claim(
    crm: Crm, worker: str = "w", *, limit: int = 10, lease: float = 30.0, accounts: Sequence[str] = ACCOUNTS
) -> list[Json]:
    """What a worker gets."""
    answer = await crm.call(
        "omnicrm_claim", p_worker=worker, p_accounts=list(accounts), p_limit=limit, p_lease_seconds=lease
    )
    work: list[Json] = answer["work"]
    return work


async def commit(
    crm: Crm, work: Json, *replies: str, effects: list[Json] | None = None, dialogue: Json = None, **options: float
) -> Json:
    """Commit a turn that handles all that was claimed."""
    turn = turn_of(work, *replies, effects=effects, dialogue=dialogue)
    return await crm.call("omnicrm_commit_turn", p_thread=work["thread"], p_token=work["token"], p_turn=turn, **options)


async def answer(crm: Crm, work: Json, *replies: str, rate: float = 1e6) -> Json:
    """Commit such a turn and begin its first send."""
    return await crm.call(
        "omnicrm_answer", p_thread=work["thread"], p_token=work["token"], p_turn=turn_of(work, *replies),
        p_reply_max_age=21600.0, p_lease_seconds=30.0, p_rate=rate,
    )  # fmt: skip


def turn_of(work: Json, *replies: str, effects: list[Json] | None = None, dialogue: Json = None) -> Json:
    """A turn that handles all that was claimed."""
    return {
        "handled": [m["id"] for m in work["inbound"]],
        "ignored": {},
        "dialogue": dialogue or {"events": []},
        "effects": effects or [],
        "replies": [{"message": {"text": text}, "payloads": []} for text in replies],
    }


async def next_send(crm: Crm, work: Json, settled: Json = None, **options: Any) -> Json:
    """Settle the last send and take the next."""
    return await crm.call(
        "omnicrm_next_send",
        p_thread=work["thread"],
        p_token=work["token"],
        p_settled=settled,
        **{"p_rate": 1e6, "p_lease_seconds": 30.0, **options},
    )


async def conversation(crm: Crm, key: str = CUSTOMER.key) -> Json:
    """One conversation as the shop sees it."""
    return await crm.call("omnicrm_conversation", p_key=key)
