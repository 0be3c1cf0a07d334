"""Where a conversation stands, who holds it, what closes and opens it, and what the shop knows of its client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crm.port import Crm, CrmRejected
from tests.support.events import CUSTOMER, account_state, claim, commit, conversation, echo, inbound, next_send, receive
from tests.support.postgres import Database

HOUR = 3600.0


async def turn(crm: Crm, *effects: dict[str, Any], replies: tuple[str, ...] = ()) -> Any:
    """A customer writes and the turn ends with these effects; returns the id of the conversation."""
    await receive(crm, inbound())
    for work in await claim(crm):
        await commit(crm, work, *replies, effects=list(effects))
        await crm.call("omnicrm_release", p_thread=work["thread"], p_token=work["token"])
    return (await conversation(crm))["conversation"]


async def state(crm: Crm) -> str:
    return str((await conversation(crm))["state"])


def notices(database: Database) -> list[tuple[Any, ...]]:
    return database.run("select kind, channel, detail from omnicrm.notices order by id")


async def test_a_conversation_waits_from_the_handover_until_a_person_writes(crm: Crm, database: Database) -> None:
    await turn(crm)
    assert await state(crm) == "open"
    await turn(crm, {"effect": "handover", "reason": "pidió hablar con una persona", "seconds": HOUR})
    assert await state(crm) == "waiting"
    await receive(crm, echo("Hola, soy Mónica", "p1"))
    told = await conversation(crm)
    assert (told["state"], told["person"], told["owner"], told["attention"]) == ("with_person", "equipo", "human", None)
    assert notices(database) == [("handover", "IG", {"reason": "pidió hablar con una persona"})]


async def test_who_asks_for_a_person_twice_is_told_of_once(crm: Crm, database: Database) -> None:
    effect = {"effect": "handover", "reason": "x", "seconds": HOUR}
    await turn(crm, effect, effect)
    assert len(notices(database)) == 1


async def test_a_person_takes_over_by_name_and_hands_back(crm: Crm) -> None:
    key = await turn(crm, replies=("¡Hola!",))
    taken = await crm.call("omnicrm_take_over", p_conversation=str(key), p_person="Mónica", p_seconds=HOUR)
    assert (taken["state"], taken["owner"], taken["person"]) == ("with_person", "human", "Mónica")
    assert [m["status"] for m in (await conversation(crm))["messages"]] == ["handled", "withdrawn"]
    await receive(crm, inbound("¿hola?"))
    assert (await conversation(crm))["messages"][-1]["reason"] == "human"
    back = await crm.call("omnicrm_hand_back", p_conversation=str(key), p_by="Mónica")
    assert (back["state"], back["owner"], back["person"]) == ("open", "bot", None)
    await receive(crm, inbound("¿hola?"))
    assert len(await claim(crm)) == 1


async def test_the_bot_is_back_when_the_persons_time_is_over(crm: Crm, database: Database) -> None:
    key = await turn(crm)
    await crm.call("omnicrm_take_over", p_conversation=str(key), p_person="Mónica", p_seconds=HOUR)
    database.run("update omnicrm.threads set owner_until = now() - interval '1 second'")
    assert await state(crm) == "open"
    await receive(crm, inbound())
    assert len(await claim(crm)) == 1


async def test_closing_lets_go_and_the_customers_next_message_opens_it_for_the_bot(crm: Crm) -> None:
    key = await turn(crm)
    await crm.call("omnicrm_take_over", p_conversation=str(key), p_person="Mónica", p_seconds=HOUR)
    closed = await crm.call("omnicrm_close", p_conversation=str(key), p_by="Mónica")
    assert (closed["state"], closed["owner"], closed["person"]) == ("closed", "bot", None)
    await receive(crm, inbound("una cosa más"))
    assert await state(crm) == "open"
    assert len(await claim(crm)) == 1


async def test_a_persons_words_open_a_closed_conversation_for_them(crm: Crm) -> None:
    key = await turn(crm)
    await crm.call("omnicrm_close", p_conversation=str(key), p_by="Mónica")
    await receive(crm, echo("¿Te llegó bien?", "p1"))
    assert await state(crm) == "with_person"


async def test_silence_closes_after_its_channels_time_and_spares_who_waits(crm: Crm, database: Database) -> None:
    quiet, waits, unanswered = CUSTOMER, replace(CUSTOMER, user="2"), replace(CUSTOMER, user="3")
    await turn(crm)
    await receive(crm, inbound(address=waits))
    (work,) = await claim(crm)
    await commit(crm, work, effects=[{"effect": "handover", "reason": "x", "seconds": HOUR}])
    await receive(crm, inbound(address=unanswered))
    database.run("update public.conversations set last_message_at = now() - interval '2 hours'")
    assert await crm.call("omnicrm_close_silent", p_limits={"IG": 3 * HOUR, "FB": 1}) == {"closed": 0}
    assert await crm.call("omnicrm_close_silent", p_limits={"IG": HOUR}) == {"closed": 1}
    assert (await conversation(crm, quiet.key))["state"] == "closed"
    assert [(await conversation(crm, a.key))["state"] for a in (waits, unanswered)] == ["waiting", "open"]
    assert await crm.call("omnicrm_close_silent", p_limits={"IG": HOUR}) == {"closed": 0}


@pytest.mark.parametrize("name", ["omnicrm_close", "omnicrm_hand_back"])
@pytest.mark.parametrize("bad", ["", "no-such", "9f0e6f0e-0000-4000-8000-000000000000"])
async def test_a_conversation_that_is_not_there_is_named(crm: Crm, name: str, bad: str) -> None:
    with pytest.raises(CrmRejected, match="no conversation") as refused:
        await crm.call(name, p_conversation=bad, p_by="Mónica")
    assert refused.value.sqlstate == "OC404"


async def test_a_confirmed_order_makes_a_lead_a_customer_with_when_and_why(crm: Crm, database: Database) -> None:
    await turn(crm, {"effect": "order", "product": "Árnica", "quantity": 2})
    assert notices(database) == [("hot_lead", "IG", {"product": "Árnica", "quantity": 2})]
    assert (await conversation(crm))["stage"] == "lead"
    ((order,),) = database.run("select id from omnicrm.orders")
    decided = await crm.call("omnicrm_decide_order", p_order=order, p_status="confirmed", p_by="Mónica")
    again = await crm.call("omnicrm_decide_order", p_order=order, p_status="confirmed", p_by="Mónica")
    assert (decided["changed"], again["changed"], (await conversation(crm))["stage"]) == (True, False, "customer")
    look = "select before, stage, reason, by, at > now() - interval '1 minute' from omnicrm.stage_changes"
    assert database.run(look) == [("lead", "customer", "pedido confirmado", "Mónica", True)]


async def test_a_cancelled_order_makes_nobody_a_customer(crm: Crm, database: Database) -> None:
    await turn(crm, {"effect": "order", "product": "Árnica", "quantity": 2})
    ((order,),) = database.run("select id from omnicrm.orders")
    await crm.call("omnicrm_decide_order", p_order=order, p_status="cancelled", p_by="Mónica")
    assert (await conversation(crm))["stage"] == "lead"
    with pytest.raises(CrmRejected, match="confirmed or cancelled") as refused:
        await crm.call("omnicrm_decide_order", p_order=order, p_status="lost", p_by="Mónica")
    assert refused.value.sqlstate == "OC422"


async def test_a_stage_set_by_hand_counts_once(crm: Crm, database: Database) -> None:
    await turn(crm)
    client = str((await conversation(crm))["client"]["id"])
    stage = {"p_client": client, "p_stage": "customer", "p_reason": "compró en la tienda", "p_by": "Mónica"}
    assert [(await crm.call("omnicrm_set_stage", **stage))["changed"] for _ in range(2)] == [True, False]
    assert database.run("select count(*) from omnicrm.stage_changes") == [(1,)]
    with pytest.raises(CrmRejected, match="lead or customer"):
        await crm.call("omnicrm_set_stage", **{**stage, "p_stage": "vip"})


async def test_tags_are_added_once_in_order_and_removed(crm: Crm) -> None:
    await turn(crm)
    client = str((await conversation(crm))["client"]["id"])
    await crm.call("omnicrm_tag", p_client=client, p_add=["mayoreo", "vip", "mayoreo"], p_remove=None)
    told = await crm.call("omnicrm_tag", p_client=client, p_add=["queja"], p_remove=["vip", "nunca"])
    assert told["tags"] == ["mayoreo", "queja"]
    for bad in ([""], ["x" * 51], [str(n) for n in range(60)]):
        with pytest.raises(CrmRejected) as refused:
            await crm.call("omnicrm_tag", p_client=client, p_add=bad, p_remove=None)
        assert refused.value.sqlstate == "OC422"


async def test_consent_is_kept_with_the_client_by_channel(crm: Crm, database: Database) -> None:
    await turn(crm, {"effect": "opt_out"})
    await turn(crm, {"effect": "opt_in"})
    assert database.run("select consent #>> '{IG,state}' from omnicrm.people") == [("in",)]


async def test_the_staff_is_told_of_a_complaint_a_dead_channel_and_a_send_that_failed(crm: Crm, database: Database) -> None:
    await turn(crm, {"effect": "attention", "kind": "complaint", "reason": "reportó un problema"})
    await receive(crm, account_state(False))
    await receive(crm, account_state(False))
    await receive(crm, account_state(True))
    await turn(crm, replies=("uno",))
    (work,) = await claim(crm)
    step = await next_send(crm, work)
    await next_send(crm, work, {"message": step["send"]["id"], "outcome": "unreachable", "error": {"detail": "nos bloqueó"}})
    assert notices(database) == [
        ("complaint", "IG", {"reason": "reportó un problema"}),
        ("channel_down", "IG", {"reason": "número desvinculado"}),
        ("channel_up", "IG", {}),
        ("send_failed", "IG", {"reason": "unreachable"}),
    ]
