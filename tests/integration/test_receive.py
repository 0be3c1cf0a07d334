"""What is committed when a platform delivers: once, in order, whatever the delivery looks like."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from connectors.message import Address, Contact
from crm.port import Crm, CrmUnavailable
from omnicrm.settings import Settings
from tests.support.events import (
    CUSTOMER,
    WHATSAPP,
    claim,
    commit,
    control,
    conversation,
    echo,
    edit,
    inbound,
    next_send,
    now,
    receipt,
    receive,
    referral,
    turn_of,
    unsend,
)
from tests.support.eventually import eventually
from tests.support.postgres import Database
from turns.runtime import SLICE, Runtime


async def sent(crm: Crm, text: str = "¡Hola!", platform_id: str = "our-1") -> None:
    """The bot answered, and the platform took it."""
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, text)
    step = await next_send(crm, work)
    await next_send(crm, work, {"message": step["send"]["id"], "outcome": "sent", "platform_id": platform_id})


async def statuses(crm: Crm, direction: str) -> list[str]:
    return [m["status"] for m in (await conversation(crm))["messages"] if m["direction"] == direction]


async def test_the_same_delivery_again_changes_nothing(crm: Crm) -> None:
    event = inbound()
    first = await receive(crm, event, event)
    second = await receive(crm, event)
    assert [r["stored"] for r in first + second] == [True, False, False]
    assert len((await conversation(crm))["messages"]) == 1


async def test_fifty_first_messages_at_once_make_one_client_and_one_conversation(crm: Crm) -> None:
    await asyncio.gather(*(receive(crm, inbound(f"hola {i}")) for i in range(50)))
    overview = await crm.call("omnicrm_overview")
    assert (overview["clients"], overview["conversations"], overview["messages"]) == (1, 1, {"in received": 50})


async def test_batches_over_the_same_conversations_in_any_order_do_not_wait_for_each_other(crm: Crm) -> None:
    people = [replace(CUSTOMER, user=f"u{i}") for i in range(6)]

    async def batch(number: int) -> None:
        order = random.Random(number).sample(people, len(people))
        await receive(crm, *(inbound(address=person) for person in order))

    await asyncio.gather(*(batch(n) for n in range(30)))
    overview = await crm.call("omnicrm_overview")
    assert (overview["clients"], overview["messages"]) == (6, {"in received": 180})


# Holds a delivery where it has its message's id and nothing else of the conversation, until the test lets go.
GATE = """
create function public.wait_at_gate() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(1);
    return new;
end $$;
create trigger a_gate before insert on omnicrm.messages for each row when (new.text = 'primero')
    execute function public.wait_at_gate();
"""
WAITING = """
select count(*) from pg_locks
where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())
"""


async def test_the_order_of_messages_is_the_order_of_commits(crm: Crm, database: Database) -> None:
    """Without the conversation's lock, a message that is inserted first and committed last would jump the queue."""
    await receive(crm, inbound("cero", silent="standby"))
    database.run(GATE)
    async with await psycopg.AsyncConnection.connect(database.admin_dsn, autocommit=True) as gate:

        async def waiting() -> int:
            return int((await (await gate.execute(WAITING)).fetchall())[0][0])

        async def at_the_gate() -> bool:
            return await waiting() == 1

        async def behind_it_or_done() -> bool:
            return late.done() or await waiting() == 2

        await gate.execute("select pg_advisory_lock(1)")
        slow = asyncio.create_task(receive(crm, inbound("primero")))
        await eventually(at_the_gate)
        late = asyncio.create_task(receive(crm, inbound("segundo")))
        await eventually(behind_it_or_done)
        assert not late.done(), "the second delivery committed while the first of the same conversation was open"
        assert await claim(crm) == []
        await gate.execute("select pg_advisory_unlock(1)")
        await asyncio.gather(slow, late)
    (work,) = await claim(crm)
    assert [m["text"] for m in work["inbound"]] == ["primero", "segundo"]
    assert [m["text"] for m in (await conversation(crm))["messages"]] == ["cero", "primero", "segundo"]


async def test_a_client_that_an_import_knows_by_instagram_id_is_found(crm: Crm, settings: Settings) -> None:
    async with await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True) as database:
        await database.execute("insert into public.clients (name, instagram_id) values ('Ana', %s)", [CUSTOMER.user])
    await receive(crm, inbound())
    assert (await conversation(crm))["client"]["name"] == "Ana"
    assert (await crm.call("omnicrm_overview"))["clients"] == 1


async def test_a_conversation_from_before_is_taken_up(crm: Crm, settings: Settings) -> None:
    async with await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True) as database:
        await database.execute(
            "with c as (insert into public.clients (name) values ('Beto') returning id) "
            "insert into public.conversations (client_id, channel, handle, platform_user_id) "
            "select id, 'IG', 'beto', %s from c",
            [CUSTOMER.user],
        )
    await receive(crm, inbound())
    async with await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True) as database:
        rows = await (await database.execute("select handle, account from public.conversations")).fetchall()
    assert rows == [("beto", CUSTOMER.account)]
    assert (await conversation(crm))["client"]["name"] == "Beto"


async def test_the_same_user_id_on_two_accounts_is_two_people(crm: Crm) -> None:
    other = Address(channel="IG", account="another", user=CUSTOMER.user)
    await receive(crm, inbound(), inbound(address=other))
    assert (await conversation(crm))["key"] != (await conversation(crm, other.key))["key"]


async def test_our_own_echo_settles_the_send_and_is_nobody_else(crm: Crm) -> None:
    await sent(crm)
    await receive(crm, echo("¡Hola!", "our-1"))
    assert (await conversation(crm))["owner"] == "bot"
    assert await statuses(crm, "out") == ["sent"]


@pytest.mark.parametrize("reference", [True, False], ids=["with our reference", "by its words"])
async def test_our_own_echo_before_the_response_settles_the_send(crm: Crm, reference: bool) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "¡Hola!\n¿Qué buscas?", "Segunda parte")
    send = (await next_send(crm, work))["send"]
    await receive(crm, echo("¡Hola! ¿Qué buscas?", "our-1", reference=f"omnicrm:{send['id']}" if reference else None))
    assert (await conversation(crm))["owner"] == "bot"
    step = await next_send(crm, work, {"message": send["id"], "outcome": "sent", "platform_id": "our-1"})
    assert step["send"]["message"]["text"] == "Segunda parte"


async def test_an_echo_that_was_taken_for_a_person_is_put_right_by_the_response(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "uno", "dos")
    send = (await next_send(crm, work))["send"]
    await receive(crm, echo("the platform changed these words", "our-1"))
    assert (await conversation(crm))["owner"] == "human"
    step = await next_send(crm, work, {"message": send["id"], "outcome": "sent", "platform_id": "our-1"})
    held = await conversation(crm)
    assert (held["owner"], [m["author"] for m in held["messages"]]) == ("bot", ["customer", "bot", "bot"])
    assert step["send"]["message"]["text"] == "dos"


async def test_such_an_echo_costs_none_of_the_customers_messages(crm: Crm, database: Database) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "uno")
    send = (await next_send(crm, work))["send"]
    database.run("update omnicrm.threads set attention = 'revisar', attention_since = now()")
    await receive(crm, inbound("y otra pregunta"))
    await receive(crm, echo("the platform changed these words", "our-1"), inbound("¿sigues ahí?"))
    assert await statuses(crm, "in") == ["handled", "ignored", "ignored"]
    await next_send(crm, work, {"message": send["id"], "outcome": "sent", "platform_id": "our-1"})
    assert await statuses(crm, "in") == ["handled", "received", "received"]
    assert (await conversation(crm))["attention"] == "revisar"
    (again,) = await claim(crm)
    assert [m["text"] for m in again["inbound"]] == ["y otra pregunta", "¿sigues ahí?"]


async def test_such_an_echo_takes_nothing_from_a_person_who_holds_the_conversation(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "uno")
    send = (await next_send(crm, work))["send"]
    await receive(crm, echo("Soy Ana, te ayudo", "ana-1"), inbound("gracias, Ana"), echo("the platform changed these", "our-1"))
    await next_send(crm, work, {"message": send["id"], "outcome": "sent", "platform_id": "our-1"})
    assert (await conversation(crm))["owner"] == "human"
    assert await statuses(crm, "in") == ["handled", "ignored"]


async def unknown(crm: Crm, message: dict[str, Any]) -> None:
    """A reply of which nobody knows whether it arrived."""
    await receive(crm, inbound())
    (work,) = await claim(crm)
    turn = {**turn_of(work), "replies": [{"message": message, "payloads": []}]}
    await crm.call("omnicrm_commit_turn", p_thread=work["thread"], p_token=work["token"], p_turn=turn)
    send = (await next_send(crm, work))["send"]
    await next_send(crm, work, {"message": send["id"], "outcome": "unknown", "error": {"detail": "x", "code": None}})


BUTTONS = {"text": "¿Qué sigue?", "buttons": [{"title": "Pedir", "payload": "/p"}]}
PHOTO = {"media": {"kind": "image", "url": "https://eum.mx/a.jpg"}}


@pytest.mark.parametrize(("message", "kind"), [(BUTTONS, "unknown"), (PHOTO, "image")])
async def test_an_echo_without_words_is_ours_by_its_kind(crm: Crm, message: dict[str, Any], kind: Any) -> None:
    await unknown(crm, message)
    await receive(crm, echo(None, "our-1", kind=kind))
    assert (await conversation(crm))["owner"] == "bot"
    assert await statuses(crm, "out") == ["sent"]


@pytest.mark.parametrize(
    ("message", "kind", "hours"), [(BUTTONS, "image", 0), (PHOTO, "audio", 0), (PHOTO, "unknown", 0), (PHOTO, "image", 5)]
)
async def test_what_a_person_sends_is_not_taken_for_ours(
    crm: Crm, database: Database, message: dict[str, Any], kind: Any, hours: int
) -> None:
    await unknown(crm, message)
    database.run("update omnicrm.messages set began_at = began_at - make_interval(hours => %s)", hours)
    await receive(crm, echo(None, "staff-photo", kind=kind))
    assert (await conversation(crm))["owner"] == "human"
    assert await statuses(crm, "out") == ["unknown", "sent"]


async def test_a_person_who_repeats_the_bots_old_words_is_a_person(crm: Crm, database: Database) -> None:
    await unknown(crm, {"text": "¡Hola!"})
    database.run("update omnicrm.messages set began_at = began_at - interval '1 hour'")
    await receive(crm, echo("¡Hola!", "staff-1"))
    assert (await conversation(crm))["owner"] == "human"


async def test_what_is_told_before_a_customer_writes_holds_when_they_do(crm: Crm, database: Database) -> None:
    await receive(crm, referral(), control("other"), inbound("hola"))
    assert ((await conversation(crm))["owner"], await claim(crm)) == ("human", [])
    ((threads, lost),) = database.run(
        "select count(distinct thread_id), count(*) filter (where thread_id is null) from omnicrm.platform_events"
    )
    assert (threads, lost) == (1, 0)


async def test_what_the_shop_takes_back_is_gone(crm: Crm, database: Database) -> None:
    await receive(crm, inbound("el precio"))
    await commit(crm, (await claim(crm))[0], dialogue={"events": [{"event": "user", "text": "el precio"}]})
    await receive(crm, echo("el precio", "staff-1"), unsend("staff-1"))
    held = await conversation(crm)
    assert [(m["author"], m["text"]) for m in held["messages"]] == [("customer", "el precio"), ("agent", None)]
    assert held["dialogue"]["events"][0]["text"] == "el precio"


async def test_what_the_shop_took_back_before_its_echo_came_is_not_kept(crm: Crm) -> None:
    await receive(crm, inbound())
    await receive(crm, unsend("staff-1"), echo("secreto", "staff-1"))
    held = await conversation(crm)
    assert (held["owner"], [m["text"] for m in held["messages"]]) == ("human", ["hola", None])


async def test_a_person_who_writes_silences_the_bot(crm: Crm) -> None:
    await sent(crm)
    await receive(crm, echo("Hola, soy Ana", "agent-1"), inbound("¿sigues ahí?"))
    held = await conversation(crm)
    assert held["owner"] == "human"
    assert held["messages"][-1]["status"] == "ignored"
    assert await claim(crm) == []


async def test_a_person_who_writes_while_messages_wait_takes_them_over(crm: Crm) -> None:
    await receive(crm, inbound("uno"))
    await receive(crm, echo("Hola, soy Ana", "agent-1"))
    assert await statuses(crm, "in") == ["ignored"]


async def test_a_takeover_ends_after_its_time(crm: Crm) -> None:
    await receive(crm, echo("Hola, soy Ana", "agent-1"), p_takeover_seconds=0.0)
    await receive(crm, inbound("¿y ahora?"))
    assert len(await claim(crm)) == 1


async def test_the_thread_given_to_another_app_and_back(crm: Crm) -> None:
    await sent(crm)
    await receive(crm, control("other"))
    assert (await conversation(crm))["owner"] == "human"
    await receive(crm, control("bot"))
    assert (await conversation(crm))["owner"] == "bot"


async def test_standby_is_recorded_and_never_answered(crm: Crm) -> None:
    await receive(crm, inbound(silent="standby"))
    assert await statuses(crm, "in") == ["ignored"]
    assert await claim(crm) == []


async def test_a_message_from_long_ago_is_recorded_and_shown_to_the_staff(crm: Crm) -> None:
    await receive(crm, inbound(timestamp=now() - timedelta(hours=30)))
    assert await claim(crm) == []
    assert (await conversation(crm))["attention"]


async def test_receipts_only_move_forward(crm: Crm) -> None:
    await sent(crm)
    for status in ("read", "delivered", "read"):
        await receive(crm, receipt(status, "our-1"))
    assert await statuses(crm, "out") == ["read"]


async def test_a_watermark_covers_all_that_the_platform_had_by_then(crm: Crm) -> None:
    before = now()
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "uno")
    send = (await next_send(crm, work))["send"]
    # The platform has it, and its answer is still on the way.
    there = now()
    await next_send(crm, work, {"message": send["id"], "outcome": "sent", "platform_id": "our-1"})
    await receive(crm, receipt("delivered", watermark=before))
    assert await statuses(crm, "out") == ["sent"]
    await receive(crm, receipt("read", watermark=there))
    assert await statuses(crm, "out") == ["read"]


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_and_repetition_of_a_delivery_gives_the_same_message(crm: Crm, seed: int) -> None:
    start = now()
    events = [
        inbound("uno", key="m1", platform_id="m1", timestamp=start),
        edit("m1", "dos", key="e1", timestamp=start + timedelta(seconds=1)),
        edit("m1", "tres", key="e2", timestamp=start + timedelta(seconds=2)),
    ]
    shuffled = random.Random(seed).sample(events * 2, len(events) * 2)
    for event in shuffled:
        await receive(crm, event)
    (message,) = (await conversation(crm))["messages"]
    assert (message["text"], message["status"]) == ("tres", "received")


@pytest.mark.parametrize("first", ["message", "unsend"])
async def test_what_a_customer_takes_back_is_gone_and_never_answered(crm: Crm, first: str, settings: Settings) -> None:
    events = [inbound("un secreto", key="m1", platform_id="m1"), unsend("m1")]
    for event in events if first == "message" else reversed(events):
        await receive(crm, event)
    (message,) = (await conversation(crm))["messages"]
    assert (message["text"], message["status"], message["reason"]) == (None, "ignored", "unsent")
    assert [work["inbound"] for work in await claim(crm)] in ([], [[]])
    async with await psycopg.AsyncConnection.connect(settings.database_url) as database:
        everything = await (
            await database.execute(
                "select m::text from omnicrm.messages m union all select e::text from omnicrm.platform_events e"
            )
        ).fetchall()
    assert not any("secreto" in row[0] for row in everything)


async def test_a_payload_counts_only_where_we_issued_it(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    turn = {
        "handled": [m["id"] for m in work["inbound"]],
        "ignored": {},
        "dialogue": {},
        "effects": [],
        "replies": [{"message": {"text": "?"}, "payloads": ["/preguntar_precio"]}],
    }
    await crm.call("omnicrm_commit_turn", p_thread=work["thread"], p_token=work["token"], p_turn=turn)
    await next_send(crm, work)
    stranger = replace(CUSTOMER, user="another")
    await receive(
        crm,
        inbound(None, payload="/preguntar_precio"),
        inbound(None, payload="/restart"),
        inbound(None, payload="/preguntar_precio", address=stranger),
    )
    issued = {
        (m["content"]["payload"], m["content"]["issued"])
        for m in (await conversation(crm))["messages"]
        if "payload" in m["content"]
    }
    assert issued == {("/preguntar_precio", True), ("/restart", False)}
    assert [m["content"]["issued"] for m in (await conversation(crm, stranger.key))["messages"]] == [False]


async def test_a_receipt_that_comes_before_its_send_is_known_counts_all_the_same(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "hola")
    step = await next_send(crm, work)
    await receive(crm, receipt("read", "our-9"), receipt("delivered", "our-9"))
    await next_send(crm, work, {"message": step["send"]["id"], "outcome": "sent", "platform_id": "our-9"})
    assert await statuses(crm, "out") == ["read"]


async def test_what_the_platform_wants_back_is_that_of_the_newest_message(crm: Crm) -> None:
    newer = replace(WHATSAPP, context={"chat_id": "525512345678@s.whatsapp.net"})
    await receive(crm, inbound(address=WHATSAPP))
    await receive(crm, inbound(address=newer))
    (work,) = await claim(crm)
    assert (work["context"], len(work["inbound"])) == (newer.context, 2)


async def test_what_the_platform_vouches_for_names_a_new_client_and_fills_in_a_known_one(crm: Crm) -> None:
    await receive(crm, inbound(address=WHATSAPP, contact=Contact(name="Ana", phone="+525512345678")))
    client = (await conversation(crm, WHATSAPP.key))["client"]
    assert (client["name"], client["phone"]) == ("Ana", "+525512345678")
    await receive(crm, inbound(address=WHATSAPP, contact=Contact(name="Otra", phone="+525512345678", email="ana@x.mx")))
    client = (await conversation(crm, WHATSAPP.key))["client"]
    assert (client["name"], client["email"]) == ("Ana", "ana@x.mx")


async def test_a_phone_or_a_mail_address_that_the_shop_knows_is_that_client(crm: Crm) -> None:
    await receive(crm, inbound(address=WHATSAPP, contact=Contact(phone="+525512345678", email="ana@x.mx")))
    mail = Address(channel="EMAIL", account="hola@eum.mx", user="ana@x.mx")
    await receive(crm, inbound(address=mail, contact=Contact(email="ana@x.mx")))
    stranger = replace(mail, user="unverified:ana@x.mx:abc")
    await receive(crm, inbound(address=stranger, contact=Contact(name="Ana")))
    ana, same, other = [(await conversation(crm, a.key))["client"]["id"] for a in (WHATSAPP, mail, stranger)]
    assert ana == same
    assert other != ana


async def test_a_message_that_a_platform_wants_recorded_only_says_why(crm: Crm) -> None:
    await receive(crm, inbound(silent="automatic:auto_submitted"))
    (message,) = (await conversation(crm))["messages"]
    assert (message["status"], message["reason"]) == ("ignored", "automatic:auto_submitted")
    assert await claim(crm) == []


async def test_a_receipt_that_names_the_customer_otherwise_finds_its_message_all_the_same(crm: Crm) -> None:
    await sent(crm, platform_id="our-1")
    await receive(crm, receipt("read", "our-1", address=replace(CUSTOMER, user="lid:69385314111689")))
    assert await statuses(crm, "out") == ["read"]


async def test_an_edit_that_names_nobody_changes_its_message(crm: Crm) -> None:
    event = inbound("hola")
    await receive(crm, event)
    await receive(crm, edit(str(event.platform_id), "hola, corrijo", address=None))
    assert [m["text"] for m in (await conversation(crm))["messages"]] == ["hola, corrijo"]


async def test_a_large_delivery_is_taken_in_parts_and_what_is_committed_stays(crm: Crm) -> None:
    sizes: list[int] = []

    class Failing:
        """Refuses the second part, once."""

        async def call(self, function: str, /, **arguments: Any) -> Any:
            sizes.append(len(arguments["p_events"]))
            if len(sizes) == 2:
                raise CrmUnavailable("gone")
            return await crm.call(function, **arguments)

    bot = Runtime(Settings(), Failing(), [])  # type: ignore[arg-type]
    delivery = [inbound(f"{n}") for n in range(SLICE * 2 + 1)]
    with pytest.raises(CrmUnavailable):
        await bot.receive(delivery)
    stored = [result["stored"] for result in await bot.receive(delivery)]
    assert sizes == [SLICE, SLICE, SLICE, SLICE, 1]
    assert stored == [False] * SLICE + [True] * (SLICE + 1)
    texts = [m["text"] for m in (await conversation(crm))["messages"]]
    assert texts == [m.text for m in delivery][-len(texts) :]
