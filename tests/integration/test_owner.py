"""Who holds a conversation, when the platforms tell of it late, again, or in another order than it happened."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.message import Json
from crm.port import Crm
from tests.support.events import (
    claim,
    commit,
    control,
    conversation,
    echo,
    inbound,
    next_send,
    now,
    receive,
    turn_of,
)
from tests.support.postgres import Database

HOUR = 3600.0
HANDOVER = {"effect": "handover", "reason": "pidió hablar con una persona", "seconds": 12 * HOUR}


def ago(**span: float) -> datetime:
    """The platform's time so long ago."""
    return now() - timedelta(**span)


async def owner(crm: Crm) -> str:
    return str((await conversation(crm))["owner"])


def held_for(database: Database) -> float:
    """Hours for which a person still holds the conversation."""
    ((hours,),) = database.run("select extract(epoch from owner_until - now())::float8 / 3600 from omnicrm.threads")
    return round(hours, 2)


async def test_a_persons_words_that_come_when_their_time_is_over_are_kept_and_silence_nobody(crm: Crm) -> None:
    await receive(crm, inbound("hola"))
    (work,) = await claim(crm)
    await commit(crm, work, "¡Hola!")
    await receive(crm, inbound("¿y la tila?"), echo("Soy Ana", "ana-1", timestamp=ago(hours=20)))
    held = await conversation(crm)
    assert held["owner"] == "bot"
    assert [(m["author"], m["status"]) for m in held["messages"]] == [
        ("customer", "handled"), ("bot", "queued"), ("customer", "received"), ("agent", "sent"),
    ]  # fmt: skip


@pytest.mark.parametrize("event", ["echo", "control"])
async def test_a_person_holds_it_from_when_they_took_it(crm: Crm, database: Database, event: str) -> None:
    await receive(crm, inbound())
    at = ago(hours=9)
    await receive(crm, echo("Soy Ana", "ana-1", timestamp=at) if event == "echo" else control("other", timestamp=at))
    assert (await owner(crm), held_for(database)) == ("human", 3.0)
    await receive(crm, echo("Sigo aquí", "ana-2", timestamp=ago(hours=1)))
    assert held_for(database) == 11.0


@pytest.mark.parametrize("event", ["echo", "control"])
async def test_what_comes_late_about_before_the_bot_got_it_back_changes_nothing(crm: Crm, event: str) -> None:
    await receive(crm, inbound(), control("other", timestamp=ago(hours=2)), control("bot", timestamp=ago(minutes=1)))
    at = ago(minutes=30)
    await receive(crm, echo("Soy Ana", "ana-1", timestamp=at) if event == "echo" else control("other", timestamp=at))
    assert await owner(crm) == "bot"
    await receive(crm, inbound("¿hola?"))
    assert await claim(crm) != []


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_any_order_of_delivery_ends_with_whoever_had_it_last(crm: Crm, order: list[int]) -> None:
    events = [
        control("other", timestamp=ago(minutes=40)), control("bot", timestamp=ago(minutes=30)),
        echo("Soy Ana", "ana-1", timestamp=ago(minutes=20)), control("bot", timestamp=ago(minutes=10)),
    ]  # fmt: skip
    await receive(crm, inbound())
    for number in order:
        await receive(crm, events[number])
    assert await owner(crm) == "bot"


@pytest.mark.parametrize("how", ["omnicrm_hand_back", "omnicrm_close"])
async def test_what_the_staff_decides_stands_against_what_was_before(crm: Crm, how: str) -> None:
    await receive(crm, inbound(), echo("Soy Ana", "ana-1", timestamp=ago(minutes=1)))
    await crm.call(how, p_conversation=str((await conversation(crm))["conversation"]), p_by="Ana")
    await receive(crm, control("other", timestamp=ago(minutes=30)))
    assert await owner(crm) == "bot"
    # The platform's clock is a little behind ours.
    await receive(crm, echo("Una cosa más", "ana-2", timestamp=ago(seconds=2)))
    assert await owner(crm) == "human"


async def test_who_asked_for_a_person_still_waits_when_something_old_is_told(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "Ya te contestan.", effects=[HANDOVER])
    await receive(crm, control("bot", timestamp=ago(minutes=30)), echo("Soy Ana", "ana-1", timestamp=ago(minutes=20)))
    held = await conversation(crm)
    assert (held["state"], held["attention"]) == ("waiting", HANDOVER["reason"])
    await receive(crm, echo("Soy Ana", "ana-2"))
    held = await conversation(crm)
    assert (held["state"], held["attention"]) == ("with_person", None)


async def test_what_the_platform_dates_in_the_future_is_of_now(crm: Crm, database: Database) -> None:
    await receive(crm, inbound(), control("other", timestamp=ago(hours=-5)))
    assert held_for(database) == 12.0
    await receive(crm, control("bot"))
    assert await owner(crm) == "bot"


async def sending(crm: Crm, *replies: str) -> tuple[Json, int]:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, *replies)
    return work, (await next_send(crm, work))["send"]["id"]


def refused(message: int, **fields: Any) -> Json:
    return {"message": message, "outcome": "retry", "retry_seconds": 60.0, "error": {"detail": "x", "code": "2"}, **fields}


async def test_what_arrived_though_it_was_to_be_tried_again_is_ours_and_is_not_repeated(crm: Crm, database: Database) -> None:
    work, message = await sending(crm, "uno", "dos")
    await next_send(crm, work, refused(message))
    await receive(crm, echo("uno", "our-1"))
    held = await conversation(crm)
    assert (held["owner"], [m["status"] for m in held["messages"]]) == ("bot", ["handled", "sent", "queued"])
    database.run("update omnicrm.threads set due_at = now()")
    (work,) = await claim(crm)
    assert (await next_send(crm, work))["send"]["message"]["text"] == "dos"


@pytest.mark.parametrize("early", [True, False], ids=["its first echo before the second try", "both echoes after it"])
async def test_what_arrived_twice_is_ours_both_times(crm: Crm, early: bool) -> None:
    work, message = await sending(crm, "uno")
    first = echo("uno", "our-1")
    send = (await next_send(crm, work, refused(message, retry_seconds=0.0)))["send"]
    assert send["attempts"] == 2
    if early:
        await receive(crm, first)
    await next_send(crm, work, {"message": message, "outcome": "sent", "platform_id": "our-2"})
    await receive(crm, first, echo("uno", "our-2"))
    held = await conversation(crm)
    assert (held["owner"], [m["author"] for m in held["messages"]]) == ("bot", ["customer", "bot"])
    await receive(crm, echo("uno", "ana-1", timestamp=now() + timedelta(minutes=2)))
    assert await owner(crm) == "human"


async def test_what_was_never_tried_is_not_confirmed_by_a_person_who_says_the_same(crm: Crm) -> None:
    work, message = await sending(crm, "uno", "dos")
    await next_send(crm, work, refused(message))
    await receive(crm, echo("dos", "ana-1"))
    held = await conversation(crm)
    assert (held["owner"], [m["status"] for m in held["messages"]]) == ("human", ["handled", "withdrawn", "withdrawn", "sent"])


@pytest.mark.parametrize(
    ("reply", "kind"), [({"media": {"kind": "image", "url": "https://x.mx/1.jpg"}}, "image"), ({"buttons": []}, "sticker")]
)
async def test_nor_is_what_waits_to_be_tried_again_by_a_persons_picture(crm: Crm, reply: Json, kind: Any) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    turn = {**turn_of(work), "replies": [{"message": reply, "payloads": []}]}
    await crm.call("omnicrm_commit_turn", p_thread=work["thread"], p_token=work["token"], p_turn=turn)
    await next_send(crm, work, refused((await next_send(crm, work))["send"]["id"]))
    await receive(crm, echo(None, "ana-1", kind=kind))
    held = await conversation(crm)
    assert (held["owner"], [m["status"] for m in held["messages"]]) == ("human", ["handled", "withdrawn", "sent"])


async def test_nor_is_what_was_tried_an_hour_ago(crm: Crm, database: Database) -> None:
    work, message = await sending(crm, "uno")
    await next_send(crm, work, refused(message))
    database.run("update omnicrm.messages set began_at = began_at - interval '1 hour'")
    await receive(crm, echo("uno", "ana-1"))
    assert await owner(crm) == "human"


async def test_a_mistaken_echo_leaves_no_moment_behind(crm: Crm) -> None:
    work, message = await sending(crm, "uno")
    await receive(crm, echo("the platform changed these words", "our-1"))
    await next_send(crm, work, {"message": message, "outcome": "sent", "platform_id": "our-1"})
    assert await owner(crm) == "bot"
    await receive(crm, echo("Soy Ana", "ana-1", timestamp=ago(seconds=10)))
    assert await owner(crm) == "human"


async def test_who_asks_for_a_person_is_not_served_by_words_of_before(crm: Crm, database: Database) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "Ya te contestan.", effects=[HANDOVER])
    await receive(crm, echo("Buenas tardes", "ana-1", timestamp=ago(seconds=10)))
    held = await conversation(crm)
    assert (held["state"], held["attention"]) == ("waiting", HANDOVER["reason"])
    # Nor when another reason has stood for longer.
    database.run("update omnicrm.threads set attention_since = now() - interval '1 hour'")
    await receive(crm, echo("Buenas tardes", "ana-2", timestamp=ago(seconds=9)))
    assert (await conversation(crm))["attention"] == HANDOVER["reason"]
    await receive(crm, echo("Soy Ana", "ana-3"))
    held = await conversation(crm)
    assert (held["state"], held["attention"]) == ("with_person", None)


async def test_a_complaint_is_not_settled_by_words_of_before(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "Lo siento.", effects=[{"effect": "attention", "kind": "complaint", "reason": "se queja"}])
    await receive(crm, echo("Buenas tardes", "ana-1", timestamp=ago(minutes=1)))
    held = await conversation(crm)
    assert (held["state"], held["attention"]) == ("with_person", "se queja")


@pytest.mark.parametrize("seconds", [0, 3], ids=["after it", "before it, told later"])
async def test_who_writes_beside_a_mistaken_echo_holds_the_conversation(crm: Crm, database: Database, seconds: int) -> None:
    work, message = await sending(crm, "uno", "dos")
    await receive(crm, echo("the platform changed these words", "our-1"))
    await receive(crm, echo("Soy Ana", "ana-1", timestamp=ago(seconds=seconds)), inbound("gracias, Ana"))
    await next_send(crm, work, {"message": message, "outcome": "sent", "platform_id": "our-1"})
    held = await conversation(crm)
    assert (held["state"], held["person"], held_for(database)) == ("with_person", "equipo", 12.0)
    assert [(m["author"], m["status"]) for m in held["messages"]] == [
        ("customer", "handled"), ("bot", "sent"), ("bot", "withdrawn"), ("agent", "sent"), ("customer", "ignored"),
    ]  # fmt: skip


async def test_what_a_person_wrote_long_ago_does_not_hold_it_beside_a_mistaken_echo(crm: Crm) -> None:
    work, message = await sending(crm, "uno", "dos")
    await receive(crm, echo("the platform changed these words", "our-1"), echo("Soy Ana", "ana-1", timestamp=ago(hours=20)))
    await next_send(crm, work, {"message": message, "outcome": "sent", "platform_id": "our-1"})
    held = await conversation(crm)
    assert (held["owner"], [m["status"] for m in held["messages"]]) == ("bot", ["handled", "sent", "sending", "sent"])
