"""The submission server takes mail from those who log in, shows it to its readers, and fails at every stage on request."""

from __future__ import annotations

import asyncio
import email
import email.policy

import aiosmtplib
import pytest
import pytest_asyncio

from simulator.app import Simulator
from simulator.client import SimulatorClient

from .conftest import MAIL_ACCESS_TOKEN, MAIL_PASSWORD, Recorder
from .mail_clients import SHOP, Sender, arrived, letter

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA = "ana@example.com"


@pytest_asyncio.fixture(loop_scope="module")
async def smtp(simulator: Simulator, sim: SimulatorClient) -> Sender:
    return Sender(simulator)


# --- login -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auth_plain", "auth_login"])
async def test_user_and_password_are_checked(smtp: Sender, method: str):
    async with smtp.client() as client:
        await client.ehlo()
        with pytest.raises(aiosmtplib.SMTPAuthenticationError) as refused:
            await getattr(client, method)(SHOP, "other")
        assert refused.value.code == 535
        assert (await getattr(client, method)(SHOP, MAIL_PASSWORD)).code == 235


async def test_an_access_token_is_checked(smtp: Sender):
    async with smtp.client() as client:
        await client.ehlo()
        with pytest.raises(aiosmtplib.SMTPAuthenticationError) as refused:
            await client.auth_xoauth2(SHOP, "expired")
        assert refused.value.code == 535
        assert (await client.auth_xoauth2(SHOP, MAIL_ACCESS_TOKEN)).code == 235


async def test_nobody_sends_without_a_login_or_in_a_strange_name(smtp: Sender):
    async with smtp.client() as client:
        with pytest.raises(aiosmtplib.SMTPSenderRefused) as refused:
            await client.sendmail(SHOP, [ANA], letter(ANA).as_bytes())
        assert refused.value.code == 530
    with pytest.raises(aiosmtplib.SMTPSenderRefused) as refused:
        await smtp.send(letter(ANA), sender="ceo@example.com")
    assert refused.value.code == 553


# --- what the reader sees --------------------------------------------------------------------------------------------------


async def test_a_mail_is_on_its_readers_screen(sim: SimulatorClient, smtp: Sender):
    message = letter("Ana Pérez <ana@example.com>", "Elige:\n\n1) Precios\n2) Hacer pedido\n\nACME\n")
    message.add_alternative("<p>Elige</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="precios.pdf")
    await smtp.send(message, "Ana@Example.com")
    view = await sim.phone("email", ANA)
    shown = view.replies[0]
    assert (shown.subject, shown.text) == ("Tu pedido", "Elige:\n\n1) Precios\n2) Hacer pedido\n\nACME")
    assert (shown.author, shown.mid, shown.buttons) == ("bot", message["Message-ID"], ("Precios", "Hacer pedido"))
    assert shown.attachments == ({"type": "application/pdf", "name": "precios.pdf", "size": 4},)


async def test_lines_of_a_quote_are_no_choices(sim: SimulatorClient, smtp: Sender):
    await smtp.send(letter(ANA, "Claro.\n\n> 1) Precios\n> 2) Pedido\n\nTenemos 3. Y 12 más\n"))
    assert (await sim.phone("email", ANA)).replies[0].buttons == ()


async def test_the_raw_mail_is_kept(sim: SimulatorClient, smtp: Sender):
    message = letter(ANA, "¿Sí?", In_Reply_To="<1@x>", References="<0@x> <1@x>", Auto_Submitted="auto-replied")
    await smtp.send(message, sender="bounce+1@acme.example")
    mail = (await sim.mails())[0]
    assert (mail["direction"], mail["envelope_from"], mail["envelope_to"]) == ("out", "bounce+1@acme.example", [ANA])
    assert (mail["in_reply_to"], mail["references"]) == ("<1@x>", ["<0@x>", "<1@x>"])
    assert ["Auto-Submitted", "auto-replied"] in mail["headers"]
    raw = await sim.raw_mail(mail["n"])
    assert email.message_from_bytes(raw, policy=email.policy.default)["Message-ID"] == message["Message-ID"]


async def test_a_second_mail_with_the_same_id_is_not_shown(sim: SimulatorClient, smtp: Sender):
    for _ in range(2):
        await smtp.send(letter(ANA))
    stats = await sim.stats()
    assert len((await sim.phone("email", ANA)).replies) == 1
    assert (stats["smtp"]["mails"], stats["smtp"]["duplicates"]) == (2, 1)
    assert stats["accepted_by_user"]["email"] == {ANA: 2}


async def test_a_mail_without_an_id_gets_one(sim: SimulatorClient, smtp: Sender):
    message = letter(ANA)
    del message["Message-ID"]
    await smtp.send(message)
    assert (await sim.phone("email", ANA)).replies[0].mid.startswith("<")


async def test_copies_lie_in_sent_unless_the_server_makes_none(sim: SimulatorClient, smtp: Sender):
    await smtp.send(letter(ANA, "uno"))
    copy = (await arrived(sim, "Sent", 1))[0]
    assert (copy["subject"], copy["flags"]) == ("Tu pedido", ["\\Seen"])
    await sim.settings(sent_copies=False)
    await smtp.send(letter(ANA, "dos"))
    await arrived(sim, "Sent", 1)
    assert len((await sim.phone("email", ANA)).replies) == 2


async def test_what_cannot_be_delivered_comes_back(sim: SimulatorClient, smtp: Sender):
    await sim.user("email", ANA, gone=True)
    message = letter(ANA)
    await smtp.send(message, sender="bounce@acme.example")
    bounced = (await arrived(sim, "INBOX", 1))[0]
    headers = dict(bounced["headers"])
    assert (headers["Return-Path"], headers["X-Failed-Recipients"], headers["Auto-Submitted"]) == ("<>", ANA, "auto-replied")
    assert (await sim.phone("email", ANA)).replies == ()


async def test_a_bounce_is_a_report_that_a_machine_can_read(sim: SimulatorClient, simulator: Simulator, smtp: Sender):
    await sim.user("email", ANA, gone=True)
    message = letter(ANA)
    await smtp.send(message)
    await sim.stats(wait=5)
    raw = next(iter(simulator.app.ctx.world.mail.mailbox.folders["INBOX"].messages.values())).raw
    report = email.message_from_bytes(raw)
    assert report.get_content_type() == "multipart/report"
    words, machine, original = report.get_payload()
    assert "no se encontró la dirección" in words.get_payload(decode=True).decode()
    assert (machine.get_payload(1)["Action"], machine.get_payload(1)["Status"]) == ("failed", "5.1.1")
    assert f"Message-ID: {message['Message-ID']}" in original.get_payload()


async def test_who_has_blocked_the_shop_sees_nothing(sim: SimulatorClient, smtp: Sender):
    await sim.user("email", ANA, blocked=True)
    await smtp.send(letter(ANA))
    await arrived(sim, "INBOX", 0)
    assert (await sim.phone("email", ANA)).replies == ()


async def test_mail_to_ourselves_arrives_in_our_mailbox(sim: SimulatorClient, smtp: Sender):
    await smtp.send(letter(SHOP))
    assert (await arrived(sim, "INBOX", 1))[0]["from"] == SHOP
    assert await sim.phones() == []


async def test_one_mail_can_have_many_readers(sim: SimulatorClient, smtp: Sender):
    await smtp.send(letter(ANA), ANA, "luis@example.com")
    assert len((await sim.phone("email", "luis@example.com")).replies) == 1
    await arrived(sim, "Sent", 1)


# --- what goes wrong -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("smtp_connect", aiosmtplib.SMTPConnectError),
        ("smtp_auth", aiosmtplib.SMTPAuthenticationError),
        ("smtp_mail", aiosmtplib.SMTPSenderRefused),
        ("smtp_rcpt", aiosmtplib.SMTPRecipientsRefused),
        ("send", aiosmtplib.SMTPDataError),
    ],
)
@pytest.mark.parametrize("code", [451, 554])
async def test_every_stage_can_refuse(sim: SimulatorClient, smtp: Sender, where: str, error: type[Exception], code: int):
    await sim.fault("error", channel="email", where=where, code=code, message="4.7.1 Try again later")
    with pytest.raises(error) as refused:
        await smtp.send(letter(ANA))
    refusal = refused.value.recipients[0] if isinstance(refused.value, aiosmtplib.SMTPRecipientsRefused) else refused.value
    assert refusal.code == code
    await smtp.send(letter(ANA))
    assert len((await sim.phone("email", ANA)).replies) == 1


@pytest.mark.parametrize(
    ("fault", "where", "code"),
    [
        ("unknown_recipient", "smtp_rcpt", 550),
        ("blocked", "send", 550),
        ("transient", "smtp_rcpt", 451),
        ("429", "send", 450),
        ("500", "send", 451),
        ("503", "send", 421),
        ("token", "smtp_auth", 535),
    ],
)
async def test_the_usual_faults_have_their_usual_codes(sim: SimulatorClient, smtp: Sender, fault: str, where: str, code: int):
    await sim.fault(fault, channel="email", where=where)
    with pytest.raises(aiosmtplib.SMTPException) as refused:
        await smtp.send(letter(ANA))
    first = refused.value.recipients[0] if isinstance(refused.value, aiosmtplib.SMTPRecipientsRefused) else refused.value
    assert getattr(first, "code", None) == code


async def test_a_fault_can_be_for_one_reader(sim: SimulatorClient, smtp: Sender):
    await sim.fault("unknown_recipient", channel="email", where="smtp_rcpt", user=ANA)
    await smtp.send(letter("luis@example.com"))
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await smtp.send(letter(ANA))


@pytest.mark.parametrize("where", ["smtp_connect", "smtp_auth", "smtp_mail", "smtp_rcpt", "send"])
async def test_every_stage_can_cut_the_line(sim: SimulatorClient, smtp: Sender, where: str):
    await sim.fault("reset_before_accept", channel="email", where=where)
    with pytest.raises((aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPConnectError)):
        await smtp.send(letter(ANA))
    assert (await sim.phone("email", ANA)).replies == ()


@pytest.mark.parametrize(("fault", "arrives"), [("timeout_before_accept", False), ("timeout_after_accept", True)])
async def test_a_sender_who_gives_up_cannot_know(sim: SimulatorClient, smtp: Sender, fault: str, arrives: bool):
    await sim.fault(fault, channel="email")
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp.port, start_tls=False, timeout=0.5)
    await client.connect()
    await client.login(SHOP, MAIL_PASSWORD)
    with pytest.raises(aiosmtplib.SMTPReadTimeoutError):
        await client.sendmail(SHOP, [ANA], letter(ANA).as_bytes())
    client.close()
    assert len((await sim.phone("email", ANA)).replies) == arrives


async def test_the_line_can_be_cut_after_the_mail_was_taken(sim: SimulatorClient, smtp: Sender):
    await sim.fault("reset", channel="email")
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await smtp.send(letter(ANA))
    assert len((await sim.phone("email", ANA)).replies) == 1
    assert (await sim.requests(api="smtp"))[0]["status"] is None


async def test_a_slow_server_is_only_slow(sim: SimulatorClient, smtp: Sender):
    await sim.fault("slow", channel="email", seconds=0.1)
    began = asyncio.get_running_loop().time()
    await smtp.send(letter(ANA))
    assert asyncio.get_running_loop().time() - began >= 0.1


async def test_a_rate_can_be_set(sim: SimulatorClient, smtp: Sender):
    await sim.settings(send_rate_email=1)
    await smtp.send(letter(ANA, "uno"))
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await smtp.send(letter(ANA, "dos"))
    assert refused.value.code == 450


async def test_idle_connections_can_be_cut_and_are_counted(sim: SimulatorClient, smtp: Sender):
    client = smtp.client(username=SHOP, password=MAIL_PASSWORD)
    async with client:
        assert (await sim.stats())["smtp"]["open"] == 1
        assert await sim.cut("smtp") == 1
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await client.noop()
    stats = (await sim.stats())["smtp"]
    assert (stats["open"], stats["connections"], stats["logins"]) == (0, 1, 1)


async def test_mails_are_recorded_as_sends(sim: SimulatorClient, smtp: Sender, bot: Recorder):
    await smtp.send(letter(ANA, "¿Sí?"))
    sent = (await sim.requests(user=ANA, where="send"))[0]
    assert (sent["api"], sent["channel"], sent["status"], sent["body"]["text"]) == ("smtp", "email", 250, "¿Sí?")
    assert MAIL_PASSWORD not in str(await sim.requests())
