""""Baja" and "alta": for whom they count, and where they are heard without a turn."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from connectors.message import Address, Json, event_to_json
from crm.port import Crm, CrmUnavailable
from omnicrm import tasks
from omnicrm.settings import Settings
from tests.support.events import (
    ACCOUNTS,
    CUSTOMER,
    WHATSAPP,
    answer,
    claim,
    commit,
    conversation,
    echo,
    inbound,
    next_send,
    now,
    receive,
    turn_of,
    unsend,
)  # fmt: skip
from tests.support.eventually import eventually
from tests.support.postgres import Database
from turns.model import Claimed, TurnInput, TurnResult
from turns.overheard import BATCH, Overhearing
from turns.runtime import Runtime

MAIL = "ana@correo.mx"
PROVEN = Address(channel="EMAIL", account="hola@eum.mx", user=MAIL)
FORGED = replace(PROVEN, user=f"unverified:{MAIL}:hilo1")
FORGED_TOO = replace(PROVEN, user=f"unverified:{MAIL}:hilo2")
OTHER_BOX = replace(PROVEN, account="ventas@eum.mx")
STRANGER = replace(PROVEN, user="unverified:otra@correo.mx:hilo3")


class Reading:
    """Understands the words themselves; of ``breaks`` nothing."""

    def __init__(self) -> None:
        self.read: list[str] = []

    async def run(self, work: Claimed, turn: TurnInput, channel_name: str) -> TurnResult:
        """No turn is run here."""
        raise AssertionError

    async def consent(self, turn: TurnInput) -> str | None:
        """What the text says of itself."""
        self.read.append(turn.text)
        if turn.text == "breaks":
            raise ValueError
        return {"baja": "out", "alta": "in"}.get(turn.text)

    def stumbled(self, work: Claimed) -> TurnResult:
        """No turn is run here."""
        raise AssertionError


async def write(crm: Crm, address: Address, text: str = "hola") -> None:
    """A customer's message, whoever vouches for it."""
    sender = address.user.split(":")[1] if address.user.startswith("unverified:") else None
    await receive(crm, inbound(text, address=address, sender=sender))


async def say(crm: Crm, address: Address, effect: str) -> None:
    """A message whose turn has this effect."""
    await write(crm, address)
    for work in await claim(crm, accounts=[*ACCOUNTS, "EMAIL:ventas@eum.mx"]):
        await commit(crm, work, effects=[{"effect": effect}] if work["key"] == address.key else [])
        await crm.call("omnicrm_release", p_thread=work["thread"], p_token=work["token"])


async def out(crm: Crm, *addresses: Address) -> list[bool]:
    """Who of them gets no messages."""
    return [(await conversation(crm, address.key))["opted_out"] for address in addresses]


async def hear(crm: Crm) -> list[str]:
    """Read what has no turn; returns the texts that were read."""
    reading = Reading()
    await Overhearing(crm, reading, poll_seconds=60).round()
    return reading.read


# --- For whom ---------------------------------------------------------------------------------------------------------


async def test_baja_holds_for_every_box_and_thread_of_a_proven_sender(crm: Crm) -> None:
    for address in (PROVEN, OTHER_BOX, FORGED, STRANGER, CUSTOMER):
        await write(crm, address)
    await say(crm, PROVEN, "opt_out")
    assert await out(crm, PROVEN, OTHER_BOX, FORGED, STRANGER, CUSTOMER) == [True, True, True, False, False]
    await say(crm, OTHER_BOX, "opt_in")
    assert await out(crm, PROVEN, OTHER_BOX, FORGED) == [False, False, False]


async def test_nobody_who_proved_nothing_silences_the_owner_of_the_address(crm: Crm) -> None:
    for address in (PROVEN, FORGED, STRANGER):
        await write(crm, address)
    await say(crm, FORGED, "opt_out")
    assert await out(crm, PROVEN, FORGED, STRANGER) == [False, True, False]


async def test_an_unproven_baja_holds_in_threads_that_are_begun_later_until_alta(crm: Crm) -> None:
    await say(crm, FORGED, "opt_out")
    await write(crm, FORGED_TOO)
    assert await out(crm, FORGED_TOO) == [True]
    await say(crm, FORGED_TOO, "opt_in")
    third = replace(PROVEN, user=f"unverified:{MAIL}:hilo9")
    await write(crm, third)
    assert await out(crm, FORGED, FORGED_TOO, third) == [False, False, False]


async def test_a_new_conversation_begins_as_the_senders_others_stand(crm: Crm) -> None:
    await say(crm, PROVEN, "opt_out")
    await write(crm, FORGED)
    await write(crm, OTHER_BOX)
    await write(crm, STRANGER)
    assert await out(crm, FORGED, OTHER_BOX, STRANGER) == [True, True, False]
    # Who cannot prove who they are is heard all the same, and for good; the owner of the address stays as they were.
    await say(crm, FORGED, "opt_in")
    await write(crm, FORGED_TOO)
    assert await out(crm, FORGED, FORGED_TOO, PROVEN) == [False, False, True]


async def test_what_was_never_proven_says_nothing_of_who_proves_it_later(crm: Crm) -> None:
    await say(crm, FORGED, "opt_out")
    await write(crm, PROVEN)
    assert await out(crm, PROVEN) == [False]


async def test_a_client_joined_with_somebody_unproven_is_not_silenced_by_them(crm: Crm, database: Database) -> None:
    await write(crm, PROVEN)
    await write(crm, FORGED)
    keep, gone = (str(client) for (client,) in database.run("select client_id from omnicrm.threads order by id"))
    await crm.call("omnicrm_merge", p_keep=keep, p_gone=gone, p_reason="x", p_by="Ana")
    await say(crm, FORGED, "opt_out")
    target = {"conversation": str((await conversation(crm, PROVEN.key))["conversation"])}
    parts = [{"message": {"text": "Tu pedido está listo."}, "payloads": []}]
    told = await crm.call("omnicrm_send_message", p_target=target, p_author="system", p_person="tienda", p_parts=parts)
    assert "refused" not in told


async def test_a_conversation_that_begins_in_that_moment_is_out_as_well(crm: Crm, database: Database) -> None:
    await write(crm, PROVEN)
    (work,) = await claim(crm)
    with psycopg.connect(database.admin_dsn) as beginning:
        beginning.execute("select omnicrm_receive(%s::jsonb)", (json.dumps([event_to_json(inbound(address=OTHER_BOX))]),))
        leaving = asyncio.create_task(commit(crm, work, effects=[{"effect": "opt_out"}]))
        await eventually(lambda: waits_for_a_lock(database))
        beginning.commit()
    await leaving
    assert await out(crm, PROVEN, OTHER_BOX) == [True, True]


async def waits_for_a_lock(database: Database) -> bool:
    """Whether somebody waits for another transaction."""
    return bool(database.run("select 1 from pg_locks where not granted"))


async def test_one_phone_is_out_on_all_numbers_of_the_shop(crm: Crm, database: Database) -> None:
    other = replace(WHATSAPP, account="OTRO-CANAL")
    await write(crm, other)
    await say(crm, WHATSAPP, "opt_out")
    assert await out(crm, WHATSAPP, other) == [True, True]
    assert database.run("select distinct consent #>> '{WA,state}' from omnicrm.people") == [("out",)]


# --- Where no turn answers --------------------------------------------------------------------------------------------


async def unanswered(crm: Crm, database: Database, why: str, text: str) -> None:
    """A message that gets no turn for this reason."""
    fields: dict[str, Any] = {}
    await receive(crm, inbound("hola"))
    if why == "taken at once":
        await receive(crm, echo("soy Ana", "agent-1"))
    elif why == "too late":
        fields["timestamp"] = now() - timedelta(hours=7)
    if why != "another app holds it":
        await receive(crm, inbound(text, **fields))
    if why == "taken while it waits":
        await receive(crm, echo("soy Ana", "agent-1"))
    elif why == "taken at the claim":
        database.run("update omnicrm.threads set owner = 'human', owner_until = now() + interval '1 hour'")
        await claim(crm)
    elif why == "another app holds it":
        await receive(crm, inbound(text, silent="standby"))
    elif why == "too many":
        database.run("update omnicrm.channels set replies_per_hour = 0 where code = 'IG'")
        await claim(crm)


WAYS = ["another app holds it", "taken at once", "taken while it waits", "taken at the claim", "too late", "too many"]


@pytest.mark.parametrize("why", WAYS)
async def test_baja_is_heard_where_no_turn_answers(crm: Crm, database: Database, why: str) -> None:
    await unanswered(crm, database, why, "baja")
    assert (await conversation(crm))["messages"][-1 if why != "taken while it waits" else 1]["status"] == "ignored"
    assert "baja" in await hear(crm)
    held = await conversation(crm)
    assert held["opted_out"]
    assert held["attention"].endswith("pidió no recibir más mensajes")
    assert database.run("select consent #>> '{IG,state}' from omnicrm.people") == [("out",)]
    assert await hear(crm) == []


async def test_alta_is_heard_there_too_and_other_words_change_nothing(crm: Crm, database: Database) -> None:
    await unanswered(crm, database, "taken at once", "baja")
    await hear(crm)
    await receive(crm, inbound("gracias, Ana"))
    assert await hear(crm) == ["gracias, Ana"]
    assert await out(crm, CUSTOMER) == [True]
    await receive(crm, inbound("alta"))
    await hear(crm)
    held = await conversation(crm)
    assert (held["opted_out"], held["attention"]) == (False, "pidió no recibir más mensajes; pidió volver a recibir mensajes")


async def test_what_has_a_turn_is_left_to_it(crm: Crm) -> None:
    await receive(crm, inbound("baja"))
    assert await hear(crm) == []
    (work,) = await claim(crm)
    await commit(crm, work)
    assert await hear(crm) == []


async def test_what_was_said_last_stands_whoever_reads_it(crm: Crm, database: Database) -> None:
    await unanswered(crm, database, "taken at once", "baja")
    slow: list[Json] = await crm.call("omnicrm_unheard", p_limit=BATCH)
    await receive(crm, inbound("alta"))
    await hear(crm)
    # Another process read the first message long ago, and says so only now.
    told = await crm.call("omnicrm_hear", p_message=slow[0]["id"], p_consent="out")
    assert (told, await out(crm, CUSTOMER)) == ({"heard": False}, [False])


async def test_an_older_message_that_is_read_late_undoes_nothing_that_a_turn_decided(crm: Crm, database: Database) -> None:
    await unanswered(crm, database, "taken at once", "baja")
    await crm.call("omnicrm_hand_back", p_conversation=str((await conversation(crm))["conversation"]), p_by="Ana")
    await say(crm, CUSTOMER, "opt_in")
    await hear(crm)
    held = await conversation(crm)
    assert (held["opted_out"], held["attention"]) == (False, None)


async def test_what_was_said_before_baja_is_not_answered_any_more(crm: Crm) -> None:
    await write(crm, PROVEN, "¿tienen tila?")
    (work,) = await claim(crm)
    await say(crm, OTHER_BOX, "opt_out")
    told = await answer(crm, work, "Sí tenemos.")
    assert "send" not in told
    (reply,) = [m for m in (await conversation(crm, PROVEN.key))["messages"] if m["direction"] == "out"]
    assert (reply["status"], reply["reason"]) == ("withdrawn", "opted_out")


async def test_what_waits_to_be_sent_when_baja_comes_is_not_sent(crm: Crm) -> None:
    await write(crm, PROVEN, "¿tienen tila?")
    (work,) = await claim(crm)
    await commit(crm, work, "Sí tenemos.")
    await say(crm, OTHER_BOX, "opt_out")
    assert "send" not in await next_send(crm, work)


async def test_what_is_being_sent_when_baja_comes_is_not_tried_again(crm: Crm) -> None:
    await write(crm, PROVEN, "¿tienen tila?")
    (work,) = await claim(crm)
    await commit(crm, work, "Sí tenemos.")
    send = (await next_send(crm, work))["send"]
    await say(crm, OTHER_BOX, "opt_out")
    retry = {"message": send["id"], "outcome": "retry", "retry_seconds": 0.0, "error": {}}
    assert "send" not in await next_send(crm, work, retry)
    (reply,) = [m for m in (await conversation(crm, PROVEN.key))["messages"] if m["direction"] == "out"]
    assert (reply["status"], reply["reason"]) == ("withdrawn", "opted_out")


@pytest.mark.parametrize(("author", "leaves"), [("system", False), ("agent", True)])
async def test_what_programs_wrote_before_baja_does_not_leave_and_what_people_wrote_does(
    crm: Crm, author: str, leaves: bool
) -> None:
    await write(crm, CUSTOMER)
    (work,) = await claim(crm)
    await commit(crm, work)
    await crm.call("omnicrm_release", p_thread=work["thread"], p_token=work["token"])
    target = {"conversation": str((await conversation(crm))["conversation"])}
    parts = [{"message": {"text": "Mañana cerramos."}, "payloads": []}]
    await crm.call("omnicrm_send_message", p_target=target, p_author=author, p_person="Ana", p_parts=parts)
    await say(crm, CUSTOMER, "opt_out")
    (work,) = await claim(crm)
    assert ("send" in await next_send(crm, work)) == leaves


async def test_baja_itself_is_confirmed(crm: Crm) -> None:
    await write(crm, PROVEN, "BAJA")
    (work,) = await claim(crm)
    await commit(crm, work, "Listo, ya no te escribiremos.", effects=[{"effect": "opt_out"}])
    assert (await next_send(crm, work))["send"]["message"]["text"] == "Listo, ya no te escribiremos."


async def test_it_is_heard_as_soon_as_it_comes(crm: Crm, database: Database) -> None:
    await unanswered(crm, database, "taken at once", "gracias")
    bot = Runtime(Settings(), crm, [])
    bot.start(Reading())
    try:
        await eventually(lambda: unread(database, 0))
        await bot.receive([inbound("baja")])
        await eventually(lambda: unread(database, 0))
    finally:
        for task in bot._tasks:
            task.cancel()
    assert await out(crm, CUSTOMER) == [True]


class Nothing:
    """A database in which nothing waits."""

    async def call(self, function: str, /, **arguments: Any) -> Any:
        return []


@pytest.mark.parametrize("turns", range(4))
async def test_it_ends_when_told_to_also_as_its_waiting_ends(turns: int) -> None:
    task = asyncio.create_task(Overhearing(Nothing(), Reading(), poll_seconds=0.005).run())  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(0.01)  # noqa: ASYNC251  a loop that was busy comes to the end of the wait and to the cancelling at once
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    assert (await asyncio.wait({task}, timeout=2))[1] == set()


async def test_a_task_that_loses_its_cancelling_is_cancelled_again(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_SECONDS", 0.01)
    lost: list[str] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append("once")

    bot = Runtime(Settings(), crm, [])
    bot._tasks.append(asyncio.create_task(stubborn()))
    await asyncio.sleep(0)
    await asyncio.wait_for(bot.stop(), 5)
    assert lost == ["once"]


async def unread(database: Database, count: int) -> bool:
    """Whether so many messages were not read yet."""
    return database.run("select count(*) from omnicrm.messages where status = 'ignored' and not heard") == [(count,)]


SLOWLY = """
create function public.slowly() returns trigger language plpgsql as $$ begin perform pg_sleep(0.2); return new; end $$;
create trigger slowly before update of opted_out on omnicrm.threads for each row execute function public.slowly();
"""


@pytest.mark.parametrize("way", ["commit", "answer", "hear"])
async def test_two_conversations_of_one_sender_that_say_baja_at_once_do_not_wait_for_each_other(
    crm: Crm, database: Database, way: str
) -> None:
    second = replace(WHATSAPP, account="SECOND")
    silent = "standby" if way == "hear" else None
    await receive(crm, inbound("baja", address=WHATSAPP, silent=silent), inbound("baja", address=second, silent=silent))
    database.run(SLOWLY)
    if way == "hear":
        calls = [
            ("select omnicrm_hear(%s, 'out')", message["id"])
            for message in await crm.call("omnicrm_unheard", p_limit=BATCH)
        ]  # fmt: skip
    else:
        ending = "omnicrm_commit_turn(%s, %s, %s)" if way == "commit" else "omnicrm_answer(%s, %s, %s, 3600, 30, 1e6)"
        calls = [
            (f"select {ending}", work["thread"], work["token"], json.dumps(turn_of(work, effects=[{"effect": "opt_out"}])))
            for work in await claim(crm, accounts=[*ACCOUNTS, "WA:SECOND"])
        ]
    assert len(calls) == 2
    # Not through the port, which tries again after a deadlock.
    await asyncio.gather(*(asyncio.to_thread(database.run, *call) for call in calls))
    assert await out(crm, WHATSAPP, second) == [True, True]


async def test_what_was_taken_back_says_nothing(crm: Crm, database: Database) -> None:
    await unanswered(crm, database, "taken at once", "hola")
    baja = inbound("baja")
    await receive(crm, baja)
    await receive(crm, unsend(str(baja.platform_id)))
    await hear(crm)
    assert await out(crm, CUSTOMER) == [False]


async def test_what_cannot_be_understood_is_read_once(crm: Crm, database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await unanswered(crm, database, "taken at once", "breaks")
    await receive(crm, inbound("baja"))
    assert "breaks" in await hear(crm)
    assert await out(crm, CUSTOMER) == [True]
    assert "not understood action=overhear" in caplog.text and "breaks" not in caplog.messages[-1]
    assert await hear(crm) == []


async def test_messages_of_before_this_was_read_stay_unread(crm: Crm, database: Database) -> None:
    await unanswered(crm, database, "taken at once", "baja")
    # As `alter table … add column` leaves the rows that were there.
    database.run("update omnicrm.messages set heard = true")
    assert await hear(crm) == []


async def test_it_reads_on_until_all_is_read_and_waits_for_an_absent_database(crm: Crm, database: Database) -> None:
    await unanswered(crm, database, "taken at once", "baja")
    for _ in range(BATCH):
        await receive(crm, inbound("¿sigue ahí?"))
    calls: list[str] = []
    all_read = asyncio.Event()

    class Shaky:
        async def call(self, function: str, /, **arguments: Any) -> Any:
            calls.append(function)
            if len(calls) == 1:
                overhearing.wake()
                raise CrmUnavailable("gone")
            told = await crm.call(function, **arguments)
            if calls.count("omnicrm_hear") == BATCH + 2:
                all_read.set()
            return told

    reading = Reading()
    overhearing = Overhearing(Shaky(), reading, poll_seconds=60)  # type: ignore[arg-type]
    task = asyncio.create_task(overhearing.run())
    await asyncio.wait_for(all_read.wait(), 30)
    task.cancel()
    assert len(reading.read) == BATCH + 2
    assert await out(crm, CUSTOMER) == [True]
