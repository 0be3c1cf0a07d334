"""Every change that the shop's programs follow is one event, in the transaction of the change."""

from __future__ import annotations

import psycopg
import pytest

from connectors.message import Attachment, Contact, Json
from crm.port import Crm
from omnicrm.settings import Settings
from tests.support.events import (
    WHATSAPP,
    claim,
    commit,
    control,
    echo,
    edit,
    inbound,
    next_send,
    receipt,
    receive,
    unsend,
)
from tests.support.postgres import Database
from tests.support.telling import HOOK, ask_for_a_person, claimed_events, drained, follow


async def types(crm: Crm) -> list[str]:
    return [event["type"] for event in await drained(crm)]


async def sent_reply(crm: Crm) -> Json:
    """The bot answered and the platform took it; the conversation's work."""
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "¡Hola!")
    step = await next_send(crm, work)
    await next_send(crm, work, {"message": step["send"]["id"], "outcome": "sent", "platform_id": "our-1"})
    return work


def only_client(database: Database) -> str:
    ((client,),) = database.run("select id::text from public.clients order by id")
    return str(client)


async def test_without_a_webhook_nothing_is_written(crm: Crm, database: Database) -> None:
    await sent_reply(crm)
    await ask_for_a_person(crm)
    assert database.run("select count(*) from omnicrm.feed") == [(0,)]


async def test_a_webhook_that_is_off_costs_no_event_either(crm: Crm, database: Database) -> None:
    await follow(crm)
    database.run("update omnicrm.subscriptions set enabled = false")
    await sent_reply(crm)
    assert database.run("select count(*) from omnicrm.feed") == [(0,)]


async def test_a_turn_is_a_message_in_and_one_out_and_its_status(crm: Crm, database: Database) -> None:
    await follow(crm)
    await sent_reply(crm)
    await receive(crm, receipt("delivered", "our-1"), receipt("read", "our-1"), receipt("delivered", "our-1"))
    events = await drained(crm)
    assert [event["type"] for event in events] == [
        "client.created", "message.received", "message.written", "message.status", "message.status", "message.status",
    ]  # fmt: skip
    _, received, written, *status = [event["data"] for event in events]
    assert received["message"]["text"] == "hola" and received["client"] == only_client(database)
    assert (received["channel"], received["conversation"]) == ("IG", written["conversation"])
    assert (written["message"]["author"], written["message"]["text"]) == ("bot", "¡Hola!")
    assert [data["message"]["status"] for data in status] == ["sent", "delivered", "read"]


async def test_an_event_of_a_rolled_back_change_was_never_there(crm: Crm, settings: Settings, database: Database) -> None:
    await follow(crm)
    await receive(crm, inbound())
    await drained(crm)
    async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
        await connection.execute("update omnicrm.threads set closed_at = now()")
        await connection.rollback()
    assert await types(crm) == []


async def test_attachments_are_told_by_kind_and_address_alone(crm: Crm) -> None:
    await follow(crm, "message")
    photo = Attachment(kind="image", url="https://cdn.example.com/1.jpg", title="foto", data={"secret": 1})
    await receive(crm, inbound(None, kind="image", attachments=(photo,)))
    (event,) = await drained(crm)
    assert event["data"]["message"]["attachments"] == [{"kind": "image", "url": "https://cdn.example.com/1.jpg"}]


async def test_a_send_that_is_tried_again_is_no_news(crm: Crm) -> None:
    await follow(crm, "message.status")
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "¡Hola!")
    step = await next_send(crm, work)
    again = {"message": step["send"]["id"], "outcome": "retry", "retry_seconds": 0, "error": {"detail": "x", "code": None}}
    step = await next_send(crm, work, again)
    await next_send(crm, work, {"message": step["send"]["id"], "outcome": "failed", "error": {"detail": "no", "code": "1"}})
    (event,) = await drained(crm)
    assert (event["data"]["message"]["status"], event["data"]["message"]["error"]["detail"]) == ("failed", "no")


async def test_an_edit_and_a_withdrawal_are_one_change_each(crm: Crm) -> None:
    await receive(crm, inbound("dos frascos", key="m", platform_id="m"))
    await follow(crm)
    await receive(crm, edit("m", "tres frascos"))
    (changed,) = await drained(crm)
    await receive(crm, unsend("m"))
    (withdrawn,) = await drained(crm)
    assert [changed["type"], withdrawn["type"]] == ["message.changed", "message.changed"]
    assert changed["data"]["message"]["text"] == "tres frascos"
    assert withdrawn["data"]["message"]["reason"] == "unsent" and "text" not in withdrawn["data"]["message"]


async def test_what_was_taken_back_before_it_was_told_is_told_without_its_words(crm: Crm) -> None:
    await follow(crm)
    await receive(crm, inbound("un secreto", key="m", platform_id="m"))
    await receive(crm, unsend("m"))
    told = [event for event in await drained(crm) if event["type"].startswith("message.")]
    assert [event["type"] for event in told] == ["message.received", "message.changed"]
    assert "secreto" not in str(told)


async def test_an_echo_that_was_ours_after_all_is_taken_back(crm: Crm) -> None:
    await receive(crm, inbound())
    (work,) = await claim(crm)
    await commit(crm, work, "¡Hola!")
    step = await next_send(crm, work)
    await follow(crm)
    await receive(crm, echo("otra cosa", "our-1"))
    await next_send(crm, work, {"message": step["send"]["id"], "outcome": "sent", "platform_id": "our-1"})
    found = await types(crm)
    assert found.count("message.written") == 1 and found.count("message.removed") == 1


async def test_a_person_is_asked_for_and_comes_and_leaves(crm: Crm) -> None:
    await receive(crm, inbound())
    await follow(crm, "conversation")
    await ask_for_a_person(crm, "pidió factura")
    conversation = (await drained_conversation(crm))["conversation"]
    await crm.call("omnicrm_take_over", p_conversation=conversation, p_person="Ana", p_seconds=3600)
    await crm.call("omnicrm_take_over", p_conversation=conversation, p_person="Ana", p_seconds=7200)
    taken = await drained_conversation(crm)
    assert (taken["state"], taken["before"], taken["person"]) == ("with_person", "waiting", "Ana")
    await crm.call("omnicrm_take_over", p_conversation=conversation, p_person="Luis", p_seconds=3600)
    assert (await drained_conversation(crm))["person"] == "Luis"
    await crm.call("omnicrm_hand_back", p_conversation=conversation, p_by="Luis")
    back = await drained_conversation(crm)
    assert (back["state"], back["before"], "until" in back) == ("open", "with_person", False)


async def drained_conversation(crm: Crm) -> Json:
    (event,) = await drained(crm)
    assert event["type"] == "conversation.state"
    return event["data"]


async def test_the_hand_over_tells_why(crm: Crm) -> None:
    await follow(crm, "conversation")
    await ask_for_a_person(crm, "pidió factura")
    told = await drained_conversation(crm)
    assert (told["state"], told["before"], told["reason"]) == ("waiting", "open", "pidió factura")


async def test_an_echo_of_a_person_is_one_state_and_one_message(crm: Crm) -> None:
    await receive(crm, inbound())
    await follow(crm)
    await receive(crm, echo("Soy Ana, de la tienda", "staff-1"))
    await receive(crm, echo("¿En qué te ayudo?", "staff-2"))
    assert sorted(await types(crm)) == ["conversation.state", "message.written", "message.written"]
    await receive(crm, control("bot"))
    assert await types(crm) == ["conversation.state"]


async def test_closing_a_conversation_that_somebody_held_is_one_event(crm: Crm) -> None:
    await ask_for_a_person(crm)
    await follow(crm, "conversation")
    ((conversation,),) = [[w["data"]["conversation"] for w in await _taken(crm)]]
    await crm.call("omnicrm_close", p_conversation=conversation, p_by="Ana")
    (event,) = await drained(crm)
    assert event["type"] == "conversation.closed"
    assert (event["data"]["state"], event["data"]["before"]) == ("closed", "with_person")
    await receive(crm, inbound("hola otra vez"))
    (event,) = await drained(crm)
    assert (event["type"], event["data"]["before"]) == ("conversation.reopened", "closed")


async def _taken(crm: Crm) -> list[Json]:
    await receive(crm, echo("Soy Ana", "staff-1"))
    return await drained(crm)


async def test_a_client_is_made_and_changed(crm: Crm, database: Database) -> None:
    await follow(crm, "client")
    await receive(crm, inbound(address=WHATSAPP, contact=Contact(name="Ana Pérez", phone="+525512345678")))
    made, *rest = await drained(crm)
    assert made["type"] == "client.created" and made["data"]["fields"]["name"] == "Ana Pérez"
    assert {event["type"] for event in rest} <= {"client.updated"}
    database.run("update public.clients set name = 'Ana P.', platform_metadata = jsonb_build_object('a', 1)")
    database.run("update public.clients set name = 'Ana P.'")
    (changed,) = await drained(crm)
    assert (changed["type"], changed["data"]["fields"]) == ("client.updated", {"name": "Ana P."})


async def test_who_may_write_clients_alone_writes_their_events_too(crm: Crm, database: Database) -> None:
    await follow(crm, "client")
    database.run("create role other_program bypassrls; grant usage on schema public to other_program")
    database.run("grant insert, update, select on public.clients to other_program")
    database.run("set role other_program; insert into public.clients (name) values ('Luis')")
    database.run("drop owned by other_program; drop role other_program")
    assert await types(crm) == ["client.created"]


async def test_tags_and_stage_are_one_event_each(crm: Crm, database: Database) -> None:
    await receive(crm, inbound())
    await follow(crm)
    client = only_client(database)
    for _ in range(2):
        await crm.call("omnicrm_tag", p_client=client, p_add=["vip"], p_remove=[])
        await crm.call("omnicrm_set_stage", p_client=client, p_stage="customer", p_reason="compró", p_by="Ana")
    tags, stage = await drained(crm)
    assert (tags["type"], tags["data"]) == ("client.tags", {"client": client, "tags": ["vip"], "before": []})
    assert (stage["type"], stage["data"]["stage"], stage["data"]["before"]) == ("client.stage", "customer", "lead")


async def test_a_merge_and_its_undoing_are_one_event_each(crm: Crm, database: Database) -> None:
    await receive(crm, inbound(), inbound(address=WHATSAPP))
    await follow(crm, "client.merged", "client.unmerged")
    one, two = [str(row[0]) for row in database.run("select id::text from public.clients order by created_at, id")]
    merged = await crm.call("omnicrm_merge", p_keep=one, p_gone=two, p_reason="es la misma", p_by="Ana")
    ((merge,),) = database.run("select id from omnicrm.merges")
    await crm.call("omnicrm_unmerge", p_merge=merge, p_by="Ana")
    joined, parted = await drained(crm)
    assert (joined["type"], joined["data"]["client"], joined["data"]["gone"]) == ("client.merged", one, two), merged
    assert (parted["type"], parted["data"]["back"]) == ("client.unmerged", two)


async def test_a_webhook_gets_the_events_that_it_asked_for(crm: Crm) -> None:
    await follow(crm, "message.received")
    await follow(crm, "client", url=HOOK + "/2")
    await follow(crm, url=HOOK + "/3")
    await receive(crm, inbound())
    events = await drained(crm)
    by_url = {url: [event["type"] for event in events if event["url"] == url] for url in {event["url"] for event in events}}
    assert by_url == {
        HOOK: ["message.received"], HOOK + "/2": ["client.created"], HOOK + "/3": ["client.created", "message.received"],
    }  # fmt: skip
    # One event has one id, whoever gets it.
    assert len({event["uid"] for event in events}) == 2


@pytest.mark.parametrize("kind", ["thread", "client"])
async def test_what_goes_with_its_conversation_is_no_news(crm: Crm, database: Database, kind: str) -> None:
    await receive(crm, inbound())
    await follow(crm, "message")
    database.run("delete from omnicrm.threads" if kind == "thread" else "delete from public.clients")
    assert await claimed_events(crm) == []
