"""Who waits for a person is on the staff's list, with every reason, until a person has looked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from connectors.message import Json
from crm.port import Crm
from tests.support.events import (
    CUSTOMER,
    account_state,
    claim,
    commit,
    echo,
    inbound,
    next_send,
    now,
    receipt,
    receive,
)
from tests.support.eventually import eventually
from tests.support.postgres import Database

ASKED = "pidió hablar con una persona"
HANDOVER = {"effect": "handover", "reason": ASKED, "seconds": 3600}
ORDER = {"effect": "order", "product": "Árnica", "quantity": 2}
UNCONFIRMED = "envío sin confirmar"


async def reasons(crm: Crm) -> list[str]:
    """Why the one conversation is on the list of those that wait."""
    listed = (await crm.call("omnicrm_overview"))["attention"]
    assert len(listed) <= 1
    return str(listed[0]["reason"]).split("; ") if listed else []


async def turn(crm: Crm, *effects: Json) -> tuple[Json, int]:
    """A turn with these effects, whose reply is being sent."""
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "Ya te contestan.", effects=list(effects))
    return work, (await next_send(crm, work))["send"]["id"]


def settled(message: int, outcome: str, **fields: Any) -> Json:
    return {"message": message, "outcome": outcome, "error": {"detail": "x", "code": None}, **fields}


async def test_a_send_that_nobody_confirms_takes_no_place_and_its_confirmation_takes_away_its_own_reason(crm: Crm) -> None:
    work, message = await turn(crm, HANDOVER)
    since = (await crm.call("omnicrm_overview"))["attention"][0]["since"]
    await next_send(crm, work, settled(message, "unknown"))
    assert await reasons(crm) == [ASKED, UNCONFIRMED]
    await receive(crm, echo("Ya te contestan.", "our-1"))
    assert await reasons(crm) == [ASKED]
    assert (await crm.call("omnicrm_overview"))["attention"][0]["since"] == since


async def test_neither_does_a_send_whose_worker_died(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "Ya te contestan.", effects=[HANDOVER])
    await next_send(crm, work, p_lease_seconds=0.05)

    async def due() -> list[object]:
        return await claim(crm)

    await eventually(due)
    assert await reasons(crm) == [ASKED, UNCONFIRMED]
    await receive(crm, echo("Ya te contestan.", "our-1"))
    assert await reasons(crm) == [ASKED]


@pytest.mark.parametrize("outcome", ["failed", "unreachable", "window"])
async def test_what_could_not_be_sent_is_added_to_what_was_asked(crm: Crm, outcome: str) -> None:
    work, message = await turn(crm, HANDOVER)
    await next_send(crm, work, settled(message, outcome))
    assert await reasons(crm) == [ASKED, f"no se pudo enviar: {outcome}"]


async def test_all_else_that_somebody_should_look_at_is_added(crm: Crm, database: Database) -> None:
    work, message = await turn(crm, {"effect": "attention", "kind": "complaint", "reason": "reportó un problema"}, ORDER, ORDER)
    await next_send(crm, work, settled(message, "sent", platform_id="our-1"))
    await receive(crm, receipt("failed", "our-1"), inbound(timestamp=now() - timedelta(hours=30)))
    work, message = await turn(crm, HANDOVER)
    assert await reasons(crm) == [
        "reportó un problema", "hizo un pedido", "un mensaje no llegó", "mensaje atrasado sin respuesta", ASKED,
    ]  # fmt: skip
    await next_send(crm, work, settled(message, "retry", retry_seconds=60.0))
    database.run("update omnicrm.messages set expires_at = now() - interval '1 second', next_attempt_at = null")
    database.run("update omnicrm.threads set due_at = now()")
    (work,) = await claim(crm)
    await next_send(crm, work)
    assert (await reasons(crm))[-1] == "una respuesta caducó sin salir"


async def test_a_consent_that_is_heard_is_added_once_and_the_last_wish_stands_last(crm: Crm) -> None:
    await turn(crm, HANDOVER)
    for wish, text in (("out", "baja"), ("in", "alta"), ("out", "baja")):
        await receive(crm, inbound(text))
        ((message,),) = [[m["id"] for m in await crm.call("omnicrm_unheard", p_limit=20)]]
        await crm.call("omnicrm_hear", p_message=message, p_consent=wish)
    assert await reasons(crm) == [ASKED, "pidió volver a recibir mensajes", "pidió no recibir más mensajes"]


async def test_a_mistaken_echo_takes_no_reason_with_it(crm: Crm, database: Database) -> None:
    work, message = await turn(crm, ORDER)
    await receive(crm, echo("the platform changed these words", "our-1"))
    assert await reasons(crm) == []
    await receive(crm, inbound(timestamp=now() - timedelta(hours=30)))
    database.run("update omnicrm.threads set attention = 'reportó un problema', attention_since = now()")
    await next_send(crm, work, settled(message, "sent", platform_id="our-1"))
    assert await reasons(crm) == ["hizo un pedido", "reportó un problema"]


async def test_a_mistaken_echo_does_not_bring_back_what_it_settles(crm: Crm, database: Database) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "¡Hola!")
    send = (await next_send(crm, work))["send"]["id"]
    database.run("update omnicrm.threads set lease_until = now(), due_at = now()")
    await claim(crm, "another")
    assert await reasons(crm) == ["envío sin confirmar"]
    await receive(crm, echo("the platform changed these words", "our-1"))
    await next_send(crm, work, settled(send, "sent", platform_id="our-1"))
    assert await reasons(crm) == []


async def test_a_mistaken_echo_that_came_late_leaves_them_as_they_are(crm: Crm) -> None:
    work, message = await turn(crm, {"effect": "attention", "kind": "complaint", "reason": "reportó un problema"}, ORDER)
    await receive(crm, echo("the platform changed these words", "our-1", timestamp=now() - timedelta(minutes=10)))
    await receive(crm, inbound(timestamp=now() - timedelta(hours=30)))
    before = await reasons(crm)
    await next_send(crm, work, settled(message, "sent", platform_id="our-1"))
    assert await reasons(crm) == before


async def test_an_order_waits_for_a_person_and_is_not_closed_by_silence(crm: Crm, database: Database) -> None:
    work, message = await turn(crm, ORDER)
    await next_send(crm, work, settled(message, "sent", platform_id="our-1"))
    assert await reasons(crm) == ["hizo un pedido"]
    database.run("update public.conversations set last_message_at = now() - interval '2 hours'")
    assert await crm.call("omnicrm_close_silent", p_limits={"IG": 3600.0}) == {"closed": 0}
    await receive(crm, echo("Hola, soy Mónica", "p1"))
    assert await reasons(crm) == []


@pytest.mark.parametrize("decision", ["confirmed", "cancelled"])
async def test_orders_wait_until_the_last_of_them_is_decided(crm: Crm, database: Database, decision: str) -> None:
    await turn(crm, ORDER, {**ORDER, "product": "Tila"}, HANDOVER)
    orders = [order for (order,) in database.run("select id from omnicrm.orders order by id")]
    left = []
    for order in orders:
        await crm.call("omnicrm_decide_order", p_order=order, p_status=decision, p_by="Mónica")
        left.append(await reasons(crm))
    assert left == [["hizo un pedido", ASKED], [ASKED]]


async def test_an_order_that_comes_while_another_is_decided_waits(crm: Crm, database: Database) -> None:
    await turn(crm, ORDER)
    ((order,),) = database.run("select id from omnicrm.orders")
    async with await psycopg.AsyncConnection.connect(database.admin_dsn) as ordering:
        await ordering.execute("select from omnicrm.threads for update")
        await ordering.execute(
            "insert into omnicrm.orders (thread_id, message_id, sequence, product, quantity)"
            " select thread_id, message_id, 99, 'Tila', 1 from omnicrm.orders"
        )
        deciding = asyncio.create_task(
            asyncio.to_thread(database.run, "select omnicrm_decide_order(%s, 'confirmed', 'Mónica')", order)
        )

        async def waits() -> bool:
            return bool(database.run("select 1 from pg_locks where not granted"))

        await eventually(waits)
        await ordering.commit()
        await deciding
    assert await reasons(crm) == ["hizo un pedido"]


@pytest.mark.parametrize("channel", ["IG", "FB"])
async def test_an_account_that_its_platform_stops_is_told_and_hears_on(crm: Crm, database: Database, channel: Any) -> None:
    stopped = replace(account_state(False, channel=channel), reason="Meta bloqueó la cuenta")
    await receive(crm, stopped, inbound())
    look = "select kind, channel, account, detail from omnicrm.notices"
    assert database.run(look) == [("channel_down", channel, CUSTOMER.account, {"reason": "Meta bloqueó la cuenta"})]
    (paused,) = (await crm.call("omnicrm_overview"))["paused"]
    assert (paused["channel"], paused["reason"]) == (channel, "Meta bloqueó la cuenta")
    (work,) = await claim(crm)
    await commit(crm, work, "¡Hola!")
    # Only the stopped account's answers wait.
    assert ("send" in await next_send(crm, work)) == (channel != CUSTOMER.channel)
