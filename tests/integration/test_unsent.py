"""What a customer takes back: never answered from then on, and gone from everything that remembers it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from connectors.message import Json, event_to_json
from crm.port import Crm
from tests.support.events import (
    answer,
    claim,
    commit,
    conversation,
    echo,
    edit,
    inbound,
    next_send,
    receive,
    turn_of,
    unsend,
)
from tests.support.eventually import eventually
from tests.support.postgres import Database


def user(work: Json, text: str, *entities: Json, intent: str = "dar_datos") -> Json:
    """What the dialogue keeps of a turn's words."""
    parsed = {"intent": {"name": intent, "confidence": 1.0}, "entities": list(entities), "text": text + " "}
    return {"event": "user", "text": text, "parse_data": parsed, "message_id": str(work["inbound"][-1]["id"])}


def slot(name: str, value: Any) -> Json:
    return {"event": "slot", "name": name, "value": value}


LISTEN = {"event": "action", "name": "action_listen"}
GONE = {"intent": {"name": "dar_datos", "confidence": 1.0}, "entities": []}


async def says(crm: Crm, *texts: str, dialogue: Callable[[Json], list[Json]]) -> list[str]:
    """Customer's messages of one turn, which leaves this dialogue; returns their platform ids."""
    events = [inbound(text) for text in texts]
    await receive(crm, *events)
    (work,) = await claim(crm)
    await commit(crm, work, "…", dialogue={"events": dialogue(work)})
    await next_send(crm, work)
    await crm.call("omnicrm_release", p_thread=work["thread"], p_token=work["token"])
    return [str(event.platform_id) for event in events]


def held_of_them(database: Database, *words: str) -> list[str]:
    """Rows of our tables that hold one of these words."""
    ours = "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'omnicrm')"
    rows = [row for (table,) in database.run(ours) for (row,) in database.run(f"select x::text from {table} x")]
    return [row for row in rows if any(word in row for word in words)]


async def test_what_a_customer_takes_back_after_its_turn_is_gone_too(crm: Crm, database: Database) -> None:
    database.run("insert into omnicrm.subscriptions (url, secret) values ('https://crm.example.com', 'whsec_AAAA')")
    bot = {"event": "bot", "text": "¿Es ana@gmail.com?"}
    mail = {"entity": "correo", "value": "ana@gmail.com"}

    def said(work: Json) -> list[Json]:
        words = "un secreto\nmi correo es ana@gmail.com"
        data = [slot("correo", "ANA@gmail.com"), slot("oferta", "nada"), slot("datos", '{"email": "ana@gmail.com"}')]
        return [LISTEN, user(work, words, mail), *data, slot("confirmando", True), bot, LISTEN, slot("cliente_nombre", "Ana")]

    secret, _ = await says(crm, "un secreto", "mi correo es ana@gmail.com", dialogue=said)
    assert len(held_of_them(database, "secreto")) > 1
    await receive(crm, unsend(secret))
    # A turn's messages are one text there: all of it goes.
    (first, words, offer, reply, *rest) = (await conversation(crm))["dialogue"]["events"]
    assert (first, words["text"], words["parse_data"]) == (LISTEN, "…", GONE)
    assert (offer, reply["text"], rest) == (slot("oferta", "nada"), "…", [LISTEN, slot("cliente_nombre", "Ana")])
    assert not held_of_them(database, "secreto")
    # The other message is still the customer's word.
    assert held_of_them(database, "mi correo es ana@gmail.com")


@pytest.mark.parametrize(
    ("text", "kept"),
    [("  un secreto", "un secreto"), ("/un secreto", "un secreto"), ("un secreto" + " ya" * 2000, "un secreto")],
    ids=["blanks", "slash", "long"],
)
async def test_words_that_the_dialogue_keeps_otherwise_are_gone_too(crm: Crm, database: Database, text: str, kept: str) -> None:
    (secret,) = await says(crm, text, dialogue=lambda work: [user(work, kept)])
    await receive(crm, unsend(secret))
    assert not held_of_them(database, "secreto")


@pytest.mark.parametrize("last", ["edit", "unsend"])
async def test_words_that_were_edited_before_they_were_taken_back_are_gone_too(crm: Crm, database: Database, last: str) -> None:
    (secret,) = await says(crm, "un secreto", dialogue=lambda work: [user(work, "un secreto")])
    changes = [edit(secret, "otro secreto"), unsend(secret)]
    for change in changes if last == "unsend" else reversed(changes):
        await receive(crm, change)
    assert not held_of_them(database, "secreto")


async def test_other_turns_keep_what_was_said_in_them(crm: Crm, database: Database) -> None:
    first: list[Json] = []
    second: list[Json] = []
    third: list[Json] = []

    def then(kept: list[Json], turn: list[Json], text: str) -> Callable[[Json], list[Json]]:
        def said(work: Json) -> list[Json]:
            turn.append(user(work, text))
            return kept + turn

        return said

    (old,) = await says(crm, "hola", dialogue=then([], first, "hola"))
    (secret,) = await says(crm, "un secreto", dialogue=then(first, second, "un secreto"))
    (last,) = await says(crm, "un secreto", dialogue=then(second, third, "un secreto"))
    # The first is not in the dialogue any more, and is nobody else's words.
    await receive(crm, unsend(old))
    assert (await conversation(crm))["dialogue"]["events"] == second + third
    await receive(crm, unsend(secret))
    assert [event["text"] for event in (await conversation(crm))["dialogue"]["events"]] == ["…", "un secreto"]
    # As it was before a message's turn was noted.
    database.run("update omnicrm.messages set turn = null")
    await receive(crm, unsend(last))
    assert [event["text"] for event in (await conversation(crm))["dialogue"]["events"]] == ["…", "…"]


async def test_data_that_wait_for_a_yes_are_gone_once_their_turn_is_not_kept_any_more(crm: Crm, database: Database) -> None:
    (phone,) = await says(crm, "es el 55 1234 5678", dialogue=lambda work: [user(work, "es el 55 1234 5678")])
    data = slot("datos", '{"phone": "+525512345678"}')
    other = slot("otros", '{"phone": "+525587654321"}')
    await says(crm, "a ver", dialogue=lambda work: [data, other, user(work, "a ver")])
    await receive(crm, unsend(phone))
    assert [event.get("name") for event in (await conversation(crm))["dialogue"]["events"]] == ["otros", None]


@pytest.mark.parametrize("way", [commit, answer])
async def test_what_is_taken_back_during_its_turn_is_not_answered_and_leaves_nothing(
    crm: Crm, database: Database, way: Any
) -> None:
    secret = inbound("un secreto")
    await receive(crm, secret)
    (work,) = await claim(crm)
    await receive(crm, unsend(str(secret.platform_id)))
    order = {"effect": "order", "product": "un secreto", "quantity": 1}
    turn = {**turn_of(work, "¿Un secreto?", effects=[order]), "dialogue": {"events": [user(work, "un secreto")]}}
    told = await (committed if way is commit else answered)(crm, work, turn)
    assert told in ({"committed": False, "queued": 0, "withdrawn": 1}, {"released": True, "due_seconds": None})
    assert not held_of_them(database, "secreto")
    assert [m["direction"] for m in (await conversation(crm))["messages"]] == ["in"]
    assert await claim(crm) == []


async def committed(crm: Crm, work: Json, turn: Json) -> Json:
    return await crm.call("omnicrm_commit_turn", p_thread=work["thread"], p_token=work["token"], p_turn=turn)


async def answered(crm: Crm, work: Json, turn: Json) -> Json:
    return await crm.call(
        "omnicrm_answer", p_thread=work["thread"], p_token=work["token"], p_turn=turn,
        p_reply_max_age=21600.0, p_lease_seconds=30.0, p_rate=1e6,
    )  # fmt: skip


async def test_what_else_was_said_in_that_turn_has_one_of_its_own(crm: Crm, database: Database) -> None:
    secret, question = inbound("un secreto"), inbound("¿tienen tila?")
    await receive(crm, secret, question)
    (work,) = await claim(crm)
    await receive(crm, unsend(str(secret.platform_id)))
    turn = {**turn_of(work, "a las dos"), "dialogue": {"events": [user(work, "un secreto\n¿tienen tila?")]}}
    assert (await answered(crm, work, turn))["due_seconds"] <= 0
    (again,) = await claim(crm)
    assert ([m["text"] for m in again["inbound"]], again["attempts"], again["dialogue"]) == (["¿tienen tila?"], 1, None)
    assert "send" in await answer(crm, again, "Sí tenemos.")
    assert not held_of_them(database, "secreto", "a las dos")


async def test_what_is_taken_back_during_a_later_turn_does_not_come_back_with_it(crm: Crm, database: Database) -> None:
    (secret,) = await says(crm, "un secreto", dialogue=lambda work: [user(work, "un secreto")])
    await receive(crm, inbound("gracias"))
    (work,) = await claim(crm)
    await receive(crm, unsend(secret))
    await commit(crm, work, "De nada", dialogue={"events": [*work["dialogue"]["events"], user(work, "gracias")]})
    assert [event["text"] for event in (await conversation(crm))["dialogue"]["events"]] == ["…", "gracias"]
    assert not held_of_them(database, "secreto")


async def test_an_answer_that_still_waits_is_not_sent_unless_it_answers_something_else_too(crm: Crm) -> None:
    secret, question = inbound("un secreto"), inbound("¿tienen tila?")
    await receive(crm, secret, question)
    (work,) = await claim(crm)
    await commit(crm, work, "Sí tenemos.")
    await receive(crm, unsend(str(secret.platform_id)))
    assert (await conversation(crm))["messages"][-1]["status"] == "queued"
    await receive(crm, unsend(str(question.platform_id)))
    last = (await conversation(crm))["messages"][-1]
    assert (last["status"], last["reason"]) == ("withdrawn", "unsent")
    assert "send" not in await next_send(crm, work)


def refused(message: int) -> Json:
    return {"message": message, "outcome": "retry", "retry_seconds": 0.0, "error": {"detail": "x", "code": "2"}}


async def test_an_answer_that_nobody_has_seen_is_gone_too(crm: Crm, database: Database) -> None:
    mail = inbound("es un secreto")
    await receive(crm, mail)
    (work,) = await claim(crm)
    await commit(crm, work, "¿Es un secreto?")
    await receive(crm, unsend(str(mail.platform_id)))
    assert not held_of_them(database, "secreto")


async def test_an_answer_that_did_not_get_through_is_not_tried_again(crm: Crm) -> None:
    secret, question = inbound("un secreto"), inbound("¿tienen tila?")
    await receive(crm, secret, question)
    (work,) = await claim(crm)
    step = await answer(crm, work, "Sí tenemos.")
    await receive(crm, unsend(str(secret.platform_id)))
    # It answers the other message, too.
    step = await next_send(crm, work, refused(step["send"]["id"]))
    assert step["send"]["attempts"] == 2
    await receive(crm, unsend(str(question.platform_id)))
    assert "send" not in await next_send(crm, work, refused(step["send"]["id"]))
    last = (await conversation(crm))["messages"][-1]
    assert (last["status"], last["reason"]) == ("withdrawn", "unsent")


async def test_an_answer_that_got_through_all_the_same_is_nobody_elses_words(crm: Crm) -> None:
    secret = inbound("un secreto")
    await receive(crm, secret)
    (work,) = await claim(crm)
    step = await answer(crm, work, "Sí tenemos.")
    await receive(crm, unsend(str(secret.platform_id)))
    await next_send(crm, work, refused(step["send"]["id"]))
    await receive(crm, echo("Sí tenemos.", "our-1"))
    held = await conversation(crm)
    assert (held["owner"], [m["status"] for m in held["messages"]]) == ("bot", ["handled", "sent"])


async def test_to_take_back_and_to_commit_lock_in_one_order(crm: Crm, database: Database) -> None:
    secret = inbound("un secreto")
    await receive(crm, secret)
    await claim(crm)
    taken_back = json.dumps([event_to_json(unsend(str(secret.platform_id)))])
    async with await psycopg.AsyncConnection.connect(database.admin_dsn) as turn:
        await turn.execute("select from omnicrm.threads for update")
        # Not through the port, which tries again after a deadlock.
        taking = asyncio.create_task(asyncio.to_thread(database.run, "select omnicrm_receive(%s::jsonb)", taken_back))

        async def waits() -> bool:
            return bool(database.run("select 1 from pg_locks where not granted"))

        await eventually(waits)
        await turn.execute("update omnicrm.messages set status = 'handled', turn = id")
        await turn.commit()
        await taking
    assert (await conversation(crm))["messages"][0]["reason"] == "unsent"


async def test_an_order_whose_message_is_taken_back_stands_and_is_for_a_person(crm: Crm, database: Database) -> None:
    order = inbound("quiero 2 árnicas")
    await receive(crm, order)
    (work,) = await claim(crm)
    await commit(crm, work, "¡Anotado!", effects=[{"effect": "order", "product": "Árnica", "quantity": 2}])
    await receive(crm, unsend(str(order.platform_id)))
    held = await conversation(crm)
    assert held["orders"] == [{"product": "Árnica", "quantity": 2}]
    assert held["attention"] == "hizo un pedido; borró el mensaje de su pedido"
    ((number,),) = database.run("select id from omnicrm.orders")
    await crm.call("omnicrm_decide_order", p_order=number, p_status="cancelled", p_by="Ana")
    assert (await conversation(crm))["attention"] is None
