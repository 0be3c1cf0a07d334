"""The running service: from a customer's wish to Ana's mail, WhatsApp and webhook, and to the shop's own program."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.policy import default as modern
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.http import http_client
from crm.connect import open_crm
from crm.port import Crm, CrmUnavailable
from notify.guard import Poster
from notify.notices import Notices
from notify.outlets import Outlets
from notify.quiet import read_quiet_hours
from notify.service import Service
from notify.settings import Target
from omnicrm.settings import Settings
from tests.support.events import CUSTOMER, inbound, receive
from tests.support.eventually import eventually
from tests.support.mail_servers import HANG_UP, SILENCE, SmtpServer, smtp_server
from tests.support.postgres import PostgresServer
from tests.support.receiver import Receiver, receiver
from tests.support.telling import SECRET, ask_for_a_person, follow
from tests.unit.whapi.server import Reply, Whapi, whapi

SENT = Reply({"sent": True, "message": {"id": "w1"}})
ANA = Target("email", "ana@x.mx")
GROUP = Target("whatsapp", "120363@g.us")
NUMBER = Target("whatsapp", "+525512345678")
LINK = "https://crm.example.com/c/{conversation}"


@pytest.fixture
async def mail() -> AsyncIterator[SmtpServer]:
    async with smtp_server() as server:
        yield server


@pytest.fixture
async def slack() -> AsyncIterator[Receiver]:
    async with receiver() as server:
        yield server


@pytest.fixture
def told(settings: Settings, mail: SmtpServer, slack: Receiver) -> Settings:
    """Settings that tell Ana by mail of everything, with all ways set up but WhatsApp."""
    return replace(
        settings, notify_default=(ANA,), notify_link=LINK, notify_webhook_url=slack.url, email_address="hola@acme.test",
        email_name="EXTRACTOS EUM", email_smtp_url=f"smtp://127.0.0.1:{mail.port}", send_timeout_seconds=0.3,
        webhook_allow_networks=(ipaddress.ip_network("127.0.0.0/8"),),
    )  # fmt: skip


Start = Callable[..., Any]


@pytest.fixture
async def running() -> AsyncIterator[Start]:
    """Start a service, in a process's place."""
    async with AsyncExitStack() as stack:

        async def start(settings: Settings, name: str = "uno") -> Service:
            return await stack.enter_async_context(_service(settings, name))

        yield start


@asynccontextmanager
async def _service(settings: Settings, name: str) -> AsyncIterator[Service]:
    crm = await open_crm(settings)
    service = Service(settings, crm, name, [])
    service.start()
    try:
        yield service
    finally:
        await service.stop()
        await crm.close()


async def status_is(crm: Crm, **messages: int) -> None:
    async def look() -> bool:
        return bool((await crm.call("omnicrm_notice_status"))["messages"] == messages)

    await eventually(look)


async def test_ana_gets_a_mail_with_who_where_why_and_a_link(
    crm: Crm, told: Settings, mail: SmtpServer, running: Start
) -> None:
    await running(told)
    await ask_for_a_person(crm, "pidió factura")
    await status_is(crm, sent=1)
    (taken,) = mail.mails
    assert (taken.mail_from, taken.rcpt_to) == ("hola@acme.test", ["ana@x.mx"])
    message = message_from_bytes(taken.content, policy=modern)
    body = message.get_content()
    assert message["Subject"] == "…3278 (Instagram) pide hablar con una persona"
    assert "Motivo: pidió factura." in body and "https://crm.example.com/c/" in body
    # What the customer wrote is in the conversation, and nowhere else.
    assert "una persona por favor" not in body
    assert message["Auto-Submitted"] == "auto-generated"


async def test_a_group_and_a_number_get_a_whatsapp(crm: Crm, told: Settings, running: Start) -> None:
    contact = Reply({"contacts": [{"input": "+525512345678", "status": "valid", "wa_id": "5215512345678"}]})
    for target, replies in ((GROUP, (SENT,)), (NUMBER, (contact, SENT))):
        async with whapi(*replies) as server:
            by_whatsapp = replace(told, notify_default=(target,), whapi_token="t0ken", whapi_url=server.address)
            await _one_whatsapp(crm, by_whatsapp, server)


async def _one_whatsapp(crm: Crm, settings: Settings, server: Whapi) -> None:
    async with _service(settings, "uno"):
        await ask_for_a_person(crm, address=replace(CUSTOMER, user=server.address))
        await eventually(lambda: _done(not server.replies))
    *_, post = server.heard
    to = settings.notify_default[0].address if settings.notify_default else ""
    assert post.json["to"] == ("5215512345678@s.whatsapp.net" if to.startswith("+") else to)
    assert "pide hablar con una persona" in post.json["body"]


async def _done(value: bool) -> bool:
    return value


async def test_a_webhook_gets_a_text_and_what_programs_need(crm: Crm, told: Settings, slack: Receiver, running: Start) -> None:
    await running(replace(told, notify_handover=(Target("webhook"),)))
    await ask_for_a_person(crm)
    await status_is(crm, sent=1)
    (post,) = slack.posts
    assert post.document["text"].startswith("…3278 (Instagram) pide hablar con una persona.")
    (item,) = post.document["items"]
    assert (item["kind"], item["count"], item["channel"]) == ("handover", 1, "IG")
    assert item["link"] == LINK.replace("{conversation}", item["conversation"])
    assert post.id == post.document["id"]


async def test_a_night_is_told_in_the_morning_in_one_mail(crm: Crm, told: Settings, mail: SmtpServer, database: Any) -> None:
    # A night to come, because the database has a clock of its own.
    later = datetime.now(timezone.utc) + timedelta(days=2)
    now = [later.astimezone(ZoneInfo("America/Mexico_City")).replace(hour=23, minute=0)]
    settings = replace(told, notify_quiet_hours=read_quiet_hours("22:00-08:00"))
    poster = Poster()
    async with http_client(settings) as http:
        outlets = Outlets(settings, http, poster, lambda: now[0])
        notices = Notices(crm, settings, outlets, lambda: now[0])
        for user in ("1", "2"):
            await ask_for_a_person(crm, address=replace(CUSTOMER, user=user * 6))
        assert (await notices.claim(5))[0] == []
        database.run("update omnicrm.notice_messages set due_at = now()")
        now[0] += timedelta(hours=10)
        (work,), _ = await notices.claim(5)
        await notices.deliver(work)
        await outlets.close()
    await poster.close()
    (taken,) = mail.mails
    message = message_from_bytes(taken.content, policy=modern)
    assert message["Subject"] == "2 avisos de las horas de silencio"
    first, *lines = message.get_content().splitlines()
    assert first == "2 avisos de las horas de silencio (22:00-08:00):"
    assert [line.partition(" https://")[0] for line in lines] == [
        "- …1111 (Instagram): pide hablar con una persona (pidió factura).",
        "- …2222 (Instagram): pide hablar con una persona (pidió factura).",
    ]


async def test_a_mail_whose_fate_is_unknown_is_not_sent_again(
    crm: Crm, told: Settings, mail: SmtpServer, running: Start
) -> None:
    mail.answer("content", SILENCE)
    await running(told)
    await ask_for_a_person(crm)
    await status_is(crm, unknown=1)
    assert mail.mails == []


async def test_a_mail_server_that_is_away_gets_it_later(
    crm: Crm, told: Settings, mail: SmtpServer, running: Start, database: Any
) -> None:
    mail.answer("greeting", HANG_UP)
    await running(told)
    await ask_for_a_person(crm)
    await status_is(crm, waiting=1)
    assert "…" not in json.dumps((await crm.call("omnicrm_notice_status"))["last_errors"])
    database.run("update omnicrm.notice_messages set due_at = now(); select pg_notify('omnicrm_notice', '')")
    await status_is(crm, sent=1)
    assert len(mail.mails) == 1


async def test_a_whatsapp_that_may_have_left_is_not_sent_again(crm: Crm, told: Settings, running: Start) -> None:
    async with whapi("hang up") as server:
        await running(replace(told, notify_default=(GROUP,), whapi_token="t0ken", whapi_url=server.address))
        await ask_for_a_person(crm)
        await status_is(crm, unknown=1)
        assert len(server.heard) == 1


async def test_a_webhook_without_an_answer_is_told_again_with_the_same_id(
    crm: Crm, told: Settings, slack: Receiver, running: Start, database: Any
) -> None:
    slack.answers.append("cut")
    await running(replace(told, notify_default=(Target("webhook"),)))
    await ask_for_a_person(crm)
    await status_is(crm, waiting=1)
    database.run("update omnicrm.notice_messages set due_at = now(); select pg_notify('omnicrm_notice', '')")
    await status_is(crm, sent=1)
    assert len({post.id for post in slack.posts}) == 1 and len(slack.posts) == 2


async def test_the_shops_program_follows_a_conversation_signed_and_in_order(
    crm: Crm, told: Settings, slack: Receiver, running: Start
) -> None:
    await running(told)
    await running(told, "dos")
    await follow(crm, url=slack.url)
    slack.answers.extend([500, "cut"])
    for number in range(10):
        await receive(crm, inbound(str(number)))

    def delivered() -> list[str]:
        told_texts = [post.document["data"]["message"]["text"] for post in slack.posts if post.type == "message.received"]
        return list(dict.fromkeys(told_texts))

    await eventually(lambda: _done(len(delivered()) == 10), within=40)
    assert delivered() == [str(number) for number in range(10)]
    for post in slack.posts:
        assert post.verified(SECRET)["version"] == 1
    sequence = [post.document["sequence"] for post in slack.posts if post.type == "message.received"]
    assert sequence == sorted(sequence)


async def test_two_processes_tell_each_thing_once(crm: Crm, told: Settings, slack: Receiver, running: Start) -> None:
    for name in ("uno", "dos", "tres"):
        await running(told, name)
    await follow(crm, "message.received", url=slack.url)
    people = [replace(CUSTOMER, user=str(number)) for number in range(25)]
    await asyncio.gather(*(receive(crm, inbound(address=person)) for person in people))

    async def all_settled() -> bool:
        return bool((await crm.call("omnicrm_notice_status"))["events"] == {"delivered": 25})

    await eventually(all_settled)
    assert len(slack.posts) == len({post.id for post in slack.posts}) == 25


async def test_an_absent_database_is_survived(
    crm: Crm, told: Settings, mail: SmtpServer, running: Start, postgres_server: PostgresServer,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    await running(told)
    postgres_server.stop()
    await eventually(lambda: _done("action=notify" in caplog.text and "action=feed" in caplog.text), within=20)
    postgres_server.start()

    async def asked() -> bool:
        await ask_for_a_person(crm)
        return True

    await eventually(asked, ignoring=CrmUnavailable)
    await eventually(lambda: _done(len(mail.mails) == 1), within=20)


async def test_it_stops_at_once_while_a_receiver_is_silent(crm: Crm, told: Settings, slack: Receiver) -> None:
    slack.usual = "silence"
    async with _service(told, "uno"):
        await follow(crm, "message.received", url=slack.url)
        await receive(crm, inbound())
        await eventually(lambda: _done(len(slack.posts) == 1))
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 7
