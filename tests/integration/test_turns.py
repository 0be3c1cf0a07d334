"""Leases, fencing, wake-ups and sends, as the database enforces them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from connectors.message import Address, Contact, Json
from crm.port import Crm
from omnicrm.settings import Settings
from tests.support.events import (
    ACCOUNTS,
    CUSTOMER,
    account_state,
    answer,
    claim,
    commit,
    control,
    conversation,
    echo,
    inbound,
    next_send,
    now,
    receive,
)
from tests.support.eventually import eventually
from tests.support.postgres import Database


async def outbox(crm: Crm) -> list[tuple[str, str]]:
    return [(m["text"], m["status"]) for m in (await conversation(crm))["messages"] if m["direction"] == "out"]


async def test_a_conversation_is_worked_on_by_one_worker(crm: Crm) -> None:
    await receive(crm, inbound())
    both = await asyncio.gather(claim(crm, "a"), claim(crm, "b"))
    assert sorted(len(work) for work in both) == [0, 1]


async def test_a_worker_that_lost_its_lease_can_commit_nothing(crm: Crm) -> None:
    await receive(crm, inbound())
    (late,) = await claim(crm, "slow", lease=0.05)

    async def taken() -> list[object]:
        return await claim(crm, "quick")

    (quick,) = await eventually(taken)
    assert (await commit(crm, late, "too late"))["committed"] is False
    assert (await commit(crm, quick, "in time"))["committed"] is True
    assert (await commit(crm, late, "too late again"))["committed"] is False
    assert await next_send(crm, late) == {"lost": True}
    assert await answer(crm, late, "too late with all in one") == {"lost": True}
    assert await outbox(crm) == [("in time", "queued")]


async def test_an_answer_commits_the_turn_and_begins_its_first_send(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    assert (await answer(crm, work, "one", "two"))["send"]["message"] == {"text": "one"}
    assert await outbox(crm) == [("one", "sending"), ("two", "queued")]
    (held,) = [m for m in (await conversation(crm))["messages"] if m["direction"] == "in"]
    assert held["status"] == "handled"


# Sends a second, slow enough to see who waits for whom.
PACE = 2.0
SITUATIONS = ["first of its account", "plain", "older answer", "window closed", "account down", "account just sent", "person"]


@pytest.mark.parametrize("replies", [[], ["one"], ["one", "two"]], ids=len)
@pytest.mark.parametrize("situation", SITUATIONS)
async def test_an_answer_is_a_commit_and_a_send(crm: Crm, situation: str, replies: list[str]) -> None:
    """What two calls leave behind in one account, one call leaves in another."""
    instagram = CUSTOMER
    messenger = Address(channel="FB", account="104098558513421", user="7812")
    two_calls = await step_in(crm, situation, instagram, replies, in_one=False)
    assert await step_in(crm, situation, messenger, replies, in_one=True) == two_calls


async def step_in(crm: Crm, situation: str, customer: Address, replies: list[str], *, in_one: bool) -> Json:
    """What comes back of an answer in this situation, and the conversation that it leaves."""
    if situation != "first of its account":
        other = replace(customer, user="other")
        await receive(crm, inbound(address=other))
        (work,) = await claim(crm)
        await commit(crm, work, "hello")
        await next_send(crm, work, p_rate=PACE if situation == "account just sent" else 1e6)
    long_ago: dict[str, Any] = {"timestamp": now() - timedelta(hours=1), "opens_window": 60}
    await receive(crm, inbound(address=customer, **(long_ago if situation == "window closed" else {})))
    (work,) = await claim(crm)
    if situation == "older answer":
        await commit(crm, work, "older")
        await receive(crm, inbound(address=customer))
        await crm.call("omnicrm_release", p_thread=work["thread"], p_token=work["token"])
        (work,) = await claim(crm)
    elif situation == "account down":
        await receive(crm, account_state(ok=False, channel=customer.channel, account=customer.account))
    elif situation == "person":
        await receive(crm, echo("soy Ana", f"{customer.channel}-agent", address=customer))
    if in_one:
        step = await answer(crm, work, *replies, rate=PACE)
    else:
        await commit(crm, work, *replies)
        step = await next_send(crm, work, p_rate=PACE)
    if "wait" in step:
        assert 0 < step["wait"] <= 1 / PACE
        step["wait"] = "a while"
    if "send" in step:
        del step["send"]["id"]
    if step.get("due_seconds"):
        step["due_seconds"] = round(step["due_seconds"], -1)
    held = await conversation(crm, customer.key)
    told = [[m[name] for name in ("direction", "text", "status", "attempts")] for m in held["messages"]]
    return [step, told, held["dialogue"], held["attention"], held["owner"]]


async def test_an_answer_that_a_person_came_before_sends_nothing(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await receive(crm, echo("soy Ana", "agent-1"))
    assert (await answer(crm, work, "one"))["released"]
    assert ("one", "withdrawn") in await outbox(crm)


async def test_an_expired_lease_that_nobody_took_commits_nothing_either(crm: Crm) -> None:
    await receive(crm, inbound())
    (late,) = await claim(crm, lease=0.0)
    assert (await commit(crm, late, "too late"))["committed"] is False


async def test_a_message_that_comes_while_its_conversation_is_worked_on_is_found_at_release(crm: Crm) -> None:
    await receive(crm, inbound("uno"))
    (work,) = await claim(crm)
    await receive(crm, inbound("dos"))
    assert await claim(crm) == []
    await commit(crm, work)
    released = await next_send(crm, work)
    assert released["due_seconds"] <= 0
    (again,) = await claim(crm)
    assert [m["text"] for m in again["inbound"]] == ["dos"]


async def test_a_message_whose_commit_races_with_the_release_is_not_forgotten(crm: Crm, settings: Settings) -> None:
    """The release must wait for the open delivery and then see its message: a plain update would miss it."""
    from psycopg.types.json import Jsonb

    from connectors.message import event_to_json

    await receive(crm, inbound("uno"))
    (work,) = await claim(crm)
    await commit(crm, work)
    async with await psycopg.AsyncConnection.connect(settings.database_url) as slow:
        await slow.execute("select public.omnicrm_receive(p_events => %s)", [Jsonb([event_to_json(inbound("dos"))])])
        release = asyncio.create_task(next_send(crm, work))
        await asyncio.wait({release}, timeout=0.2)
        await slow.commit()
    await release
    (again,) = await claim(crm)
    assert [m["text"] for m in again["inbound"]] == ["dos"]


async def test_a_dead_workers_conversation_comes_back(crm: Crm) -> None:
    await receive(crm, inbound())
    await claim(crm, "dead", lease=0.05)

    async def back() -> list[Json]:
        return await claim(crm, "alive")

    (work,) = await eventually(back)
    assert work["attempts"] == 2


async def test_a_worker_waits_no_longer_than_until_the_others_lease_ends(crm: Crm) -> None:
    await receive(crm, inbound())
    await claim(crm, "other", lease=30.0)
    nothing = await crm.call("omnicrm_claim", p_worker="w", p_accounts=ACCOUNTS, p_limit=5, p_lease_seconds=1.0)
    assert nothing["work"] == []
    assert 25 < nothing["next_due_seconds"] <= 30


async def test_an_answer_prolongs_the_lease_for_its_send_and_ends_the_count_of_tries(crm: Crm) -> None:
    for _ in range(2):
        await receive(crm, inbound())
        (work,) = await claim(crm, lease=2.0)
        assert work["attempts"] == 1
        send = (await answer(crm, work, "hola"))["send"]
        waits = await crm.call("omnicrm_claim", p_worker="w", p_accounts=ACCOUNTS, p_limit=5, p_lease_seconds=1.0)
        assert 25 < waits["next_due_seconds"] <= 30
        await next_send(crm, work, {"message": send["id"], "outcome": "sent", "platform_id": f"our-{send['id']}"})


async def test_a_send_that_comes_back_is_no_try_of_a_turn(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    send = (await answer(crm, work, "hola"))["send"]
    for _ in range(3):
        later = {"message": send["id"], "outcome": "retry", "retry_seconds": 0.05, "error": {"detail": "busy"}}
        await next_send(crm, work, later)
        (work,) = await eventually(lambda: claim(crm))
        send = (await next_send(crm, work))["send"]
    assert work["attempts"] == 0
    await next_send(crm, work, {"message": send["id"], "outcome": "sent", "platform_id": "our-1"})
    await receive(crm, inbound())
    (work,) = await claim(crm)
    assert work["attempts"] == 1


async def test_a_profile_is_wanted_while_it_may_tell_more_and_once_a_day(crm: Crm, database: Database) -> None:
    messenger = Address(channel="FB", account="104098558513421", user="7812")
    await receive(crm, inbound(), inbound(address=messenger))
    for channel, name, username, wanted in (
        ("IG", None, None, True), ("IG", "Ana", None, True), ("IG", "Ana", "ana.mx", False),
        ("FB", None, None, True), ("FB", "Ana", None, False),
    ):  # fmt: skip
        database.run(
            "update public.clients c set name = coalesce(%s, ''), instagram_username = %s"
            " from omnicrm.threads t where t.client_id = c.id and t.channel = %s",
            name, username, channel,
        )  # fmt: skip
        works = {work["channel"]: work for work in await claim(crm, lease=0.0)}
        assert works[channel]["needs_profile"] is wanted, (channel, name, username)
    for work in works.values():
        await crm.call("omnicrm_set_profile", p_thread=work["thread"], p_name=None, p_username=None, p_picture_url=None)
    database.run("update public.clients set name = '', instagram_username = null")
    again = {work["channel"]: work["needs_profile"] for work in await claim(crm)}
    assert again == {"IG": False, "FB": False}


async def test_what_is_left_to_a_person_is_no_try_of_a_turn(crm: Crm) -> None:
    await receive(crm, inbound("quiero hablar con alguien"))
    (work,) = await claim(crm)
    await receive(crm, inbound("¿hay alguien?"))
    await commit(crm, work, effects=[{"effect": "handover", "reason": "pide una persona", "seconds": 60}])
    await next_send(crm, work)
    (work,) = await claim(crm)
    assert work["inbound"] == []
    await next_send(crm, work)
    await receive(crm, control("bot"), inbound("gracias"))
    (work,) = await claim(crm)
    assert ([m["text"] for m in work["inbound"]], work["attempts"]) == (["gracias"], 1)


async def test_a_turn_that_is_committed_twice_adds_no_reply(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    order = {"effect": "order", "product": "árnica", "quantity": 2}
    await commit(crm, work, "hola", effects=[order])
    await commit(crm, work, "hola otra vez", effects=[order])
    held = await conversation(crm)
    assert ([m["text"] for m in held["messages"]], len(held["orders"])) == (["hola", "hola"], 1)


async def test_a_person_who_takes_over_during_the_turn_withdraws_its_replies_and_the_dialogue_did_not_happen(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await receive(crm, echo("soy Ana", "agent-1"))
    assert (await commit(crm, work, "hola", dialogue={"events": [1]}))["withdrawn"] == 1
    assert "send" not in await next_send(crm, work)
    held = await conversation(crm)
    assert held["dialogue"] is None
    assert ("hola", "withdrawn") in await outbox(crm)


async def test_a_person_who_takes_over_between_two_parts_stops_the_second(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "uno", "dos")
    send = (await next_send(crm, work))["send"]
    await receive(crm, echo("soy Ana", "agent-1", own_app=False))
    assert "send" not in await next_send(crm, work, {"message": send["id"], "outcome": "sent", "platform_id": "our-1"})
    assert dict(await outbox(crm)) == {"uno": "sent", "dos": "withdrawn", "soy Ana": "sent"}


async def test_the_bots_own_goodbye_goes_out_when_it_hands_over(crm: Crm) -> None:
    await receive(crm, inbound("quiero una persona"))
    (work,) = await claim(crm)
    await commit(crm, work, "Te paso con alguien", effects=[{"effect": "handover", "reason": "lo pidió", "seconds": 3600}])
    assert (await next_send(crm, work))["send"]["message"]["text"] == "Te paso con alguien"
    held = await conversation(crm)
    assert (held["owner"], held["owner_reason"], held["attention"]) == ("human", "lo pidió", "lo pidió")


async def test_a_send_that_is_retried_keeps_its_place_before_later_replies(crm: Crm) -> None:
    await receive(crm, inbound("uno"))
    (work,) = await claim(crm)
    await commit(crm, work, "a")
    send = (await next_send(crm, work))["send"]
    await next_send(
        crm, work, {"message": send["id"], "outcome": "retry", "retry_seconds": 0.3, "error": {"detail": "x", "code": "4"}}
    )
    await receive(crm, inbound("dos"))
    (work,) = await claim(crm)
    await commit(crm, work, "b")
    assert "send" not in await next_send(crm, work)

    async def due() -> list[object]:
        return await claim(crm)

    (work,) = await eventually(due)
    first = (await next_send(crm, work))["send"]
    second = (await next_send(crm, work, {"message": first["id"], "outcome": "sent", "platform_id": "p1"}))["send"]
    assert (first["message"]["text"], first["attempts"], second["message"]["text"]) == ("a", 2, "b")


async def test_a_send_that_fails_for_good_is_shown_to_the_staff(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "a", "b")
    send = (await next_send(crm, work))["send"]
    await next_send(crm, work, {"message": send["id"], "outcome": "window", "error": {"detail": "closed", "code": "10"}})
    held = await conversation(crm)
    assert held["attention"] == "no se pudo enviar: window"
    assert await outbox(crm) == [("a", "failed"), ("b", "failed")]


async def test_retries_end(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "a")
    step = await next_send(crm, work)
    while "send" in step:
        step = await next_send(
            crm,
            work,
            {"message": step["send"]["id"], "outcome": "retry", "retry_seconds": 0.0, "error": {"detail": "x"}},
            p_max_attempts=3,
        )
    (message,) = [m for m in (await conversation(crm))["messages"] if m["direction"] == "out"]
    assert (message["status"], message["attempts"]) == ("failed", 3)


async def test_token_trouble_stops_the_account_and_loses_nothing(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "a")
    send = (await next_send(crm, work))["send"]
    trouble = {"message": send["id"], "outcome": "operator", "error": {"detail": "token expired", "code": "190"}}
    await next_send(crm, work, trouble, p_pause_seconds=0.4)
    assert [a["reason"] for a in (await crm.call("omnicrm_overview"))["paused"]] == ["token expired"]
    assert await outbox(crm) == [("a", "queued")]

    async def due() -> list[object]:
        return await claim(crm)

    (work,) = await eventually(due)
    assert (await next_send(crm, work))["send"]["message"]["text"] == "a"


async def test_a_worker_that_died_sending_leaves_an_unknown_that_is_never_repeated(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "a")
    await crm.call("omnicrm_next_send", p_thread=work["thread"], p_token=work["token"], p_lease_seconds=0.05, p_rate=1e6)

    async def due() -> list[object]:
        return await claim(crm)

    (work,) = await eventually(due)
    assert "send" not in await next_send(crm, work)
    assert await outbox(crm) == [("a", "unknown")]
    assert (await conversation(crm))["attention"] == "envío sin confirmar"
    await receive(crm, echo("a", "our-1"))
    held = await conversation(crm)
    assert (await outbox(crm), held["attention"], held["owner"]) == ([("a", "sent")], None, "bot")


async def test_an_answer_that_is_too_old_is_not_sent_but_shown(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "a", p_reply_max_age=-1.0)
    assert "send" not in await next_send(crm, work)
    assert (await conversation(crm))["attention"] == "una respuesta caducó sin salir"


async def test_sends_of_one_account_are_paced_and_what_waits_long_is_given_back(crm: Crm) -> None:
    people = [replace(CUSTOMER, user=f"u{i}") for i in range(5)]
    await receive(crm, *(inbound(address=p) for p in people))
    steps = []
    for work in await claim(crm):
        await commit(crm, work, "hola")
        steps.append(await next_send(crm, work, p_rate=2.0))
    first, second, *later = steps
    assert first["send"]["attempts"] == 1
    assert 0.3 < second["wait"] <= 0.5
    assert [step["released"] for step in later if "wait" not in step] == [True] * len([s for s in later if "wait" not in s])
    due = [step.get("wait") or step["due_seconds"] for step in steps[1:]]
    assert due == sorted(due)
    assert 1.5 < due[-1] <= 2.0


async def test_an_answer_that_waits_for_its_turn_to_be_sent_is_still_queued_and_keeps_its_place(crm: Crm) -> None:
    other = replace(CUSTOMER, user="u2")
    await receive(crm, inbound(), inbound(address=other))
    (one, two) = await claim(crm, lease=0.3)
    await commit(crm, one, "uno")
    assert "send" in await next_send(crm, one, p_rate=2.0)
    await commit(crm, two, "dos")
    assert "wait" in await next_send(crm, two, p_rate=2.0, p_lease_seconds=0.1)
    assert [m["status"] for m in (await conversation(crm, two["key"]))["messages"]] == ["handled", "queued"]

    # Its worker dies while it waits: nobody has to wonder whether it went out.
    async def sent_by_another() -> Json:
        (work,) = [work for work in await claim(crm, "b") if work["key"] == two["key"]] or [None]
        return work and (await next_send(crm, work, p_rate=2.0)).get("send")

    assert (await eventually(sent_by_another))["attempts"] == 1


async def test_an_account_that_cannot_send_holds_its_answers_until_it_can(crm: Crm) -> None:
    await receive(crm, inbound())
    await receive(crm, account_state(ok=False))
    (work,) = await claim(crm)
    await commit(crm, work, "hola")
    assert "send" not in await next_send(crm, work)
    assert [m["status"] for m in (await conversation(crm))["messages"]] == ["handled", "queued"]
    overview = await crm.call("omnicrm_overview")
    assert [(p["account"], p["reason"]) for p in overview["paused"]] == [(CUSTOMER.account, "número desvinculado")]
    assert await claim(crm) == []

    (told,) = await receive(crm, account_state(ok=True))
    assert told["due"] is True
    (work,) = await claim(crm)
    assert (await next_send(crm, work))["send"]["message"]["text"] == "hola"
    assert (await crm.call("omnicrm_overview"))["paused"] == []


async def test_a_sender_who_gets_too_many_mails_in_an_hour_gets_no_more_and_a_person_looks(crm: Crm) -> None:
    """Two machines that answer each other; each of its mails opens a conversation of its own."""
    for number in range(21):
        loop = Address(channel="EMAIL", account="hola@eum.mx", user=f"unverified:robot@x.mx:{number}")
        await receive(crm, inbound(address=loop, sender="robot@x.mx"))
        (work,) = await claim(crm)
        if number == 20:
            assert work["inbound"] == []
            break
        await commit(crm, work, "gracias por tu correo")
        await next_send(crm, work)
    held = await conversation(crm, loop.key)
    assert ([m["reason"] for m in held["messages"]], held["attention"]) == (["limit"], "demasiadas respuestas en una hora")


async def test_work_of_accounts_that_a_worker_does_not_serve_is_left_alone(crm: Crm) -> None:
    await receive(crm, inbound())
    answer = await crm.call("omnicrm_claim", p_worker="w", p_accounts=["IG:other"], p_limit=5, p_lease_seconds=1.0)
    assert answer["work"] == []


async def test_a_burst_waits_for_its_window_and_a_tap_does_not(crm: Crm) -> None:
    await receive(crm, inbound("uno"), p_burst_seconds=60.0)
    assert await claim(crm) == []
    answer = await crm.call("omnicrm_claim", p_worker="w", p_accounts=["IG:17841470026191358"], p_limit=5, p_lease_seconds=1.0)
    assert 50 < answer["next_due_seconds"] <= 60


async def test_a_name_that_a_customer_gives_beats_the_platforms_but_not_their_first(crm: Crm) -> None:
    async def says_to_be(name: str) -> str:
        await receive(crm, inbound(contact=Contact(name="xX_lau_Xx")))
        (work,) = await claim(crm)
        await commit(crm, work, effects=[{"effect": "contact", "name": name}])
        await next_send(crm, work)
        return str((await conversation(crm))["client"]["name"])

    assert await says_to_be("Laura Gómez") == "Laura Gómez"
    assert await says_to_be("Otra") == "Laura Gómez"
