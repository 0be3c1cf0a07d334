"""Customers write mails as real programs do: threads, quotes, verdicts, attachments; the staff answers from the mailbox."""

from __future__ import annotations

import base64
import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest
import pytest_asyncio

from simulator.app import Simulator
from simulator.client import SimulatorClient, SimulatorError

from .conftest import Recorder
from .mail_clients import SHOP, Sender, arrived, letter

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA = "ana@example.com"


@pytest_asyncio.fixture(loop_scope="module")
async def smtp(simulator: Simulator, sim: SimulatorClient) -> Sender:
    return Sender(simulator)


def inbox(simulator: Simulator) -> list[EmailMessage]:
    """Every mail of the INBOX, parsed."""
    stored = simulator.app.ctx.world.mail.mailbox.folders["INBOX"].messages.values()
    return [email.message_from_bytes(message.raw, policy=email.policy.default) for message in stored]  # type: ignore[misc]


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


# --- a first mail ----------------------------------------------------------------------------------------------------------


async def test_a_first_mail_begins_a_thread(simulator: Simulator, sim: SimulatorClient, bot: Recorder):
    said = await sim.say("email", "Ana@Example.com", "¿Tienen árnica?", name="Ana Pérez", subject="Árnica")
    mail = inbox(simulator)[0]
    assert (said.status, said.mid, mail["Message-ID"]) == (200, mail["Message-ID"], said.mid)
    assert (mail["From"].addresses[0].display_name, mail["From"].addresses[0].addr_spec) == ("Ana Pérez", ANA)
    assert (mail["To"], mail["Subject"], mail["In-Reply-To"], mail["References"]) == (SHOP, "Árnica", None, None)
    assert text_of(mail) == "¿Tienen árnica?\n"
    assert mail["Date"].datetime.utcoffset().total_seconds() == -6 * 3600
    assert bot.calls == []  # nobody is called: the mailbox is looked at
    shown = (await sim.phone("email", ANA)).messages[0]
    assert (shown.author, shown.subject, shown.text) == ("customer", "Árnica", "¿Tienen árnica?")


async def test_our_receiver_writes_its_headers_above(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "hola")
    names = list(inbox(simulator)[0].keys())
    assert names[:5] == ["Return-Path", "Delivered-To", "X-Original-To", "Received", "Authentication-Results"]
    mail = inbox(simulator)[0]
    assert (mail["Return-Path"], mail["X-Original-To"]) == (f"<{ANA}>", SHOP)
    assert mail["Authentication-Results"].startswith("mx.acme.example; dkim=pass header.d=example.com")
    assert "dmarc=pass (p=none) header.from=example.com" in mail["Authentication-Results"]


@pytest.mark.parametrize(("auth", "found"), [("fail", "dmarc=fail"), ("none", "dmarc=none"), ("missing", None)])
async def test_the_verdict_can_be_another(simulator: Simulator, sim: SimulatorClient, auth: str, found: str | None):
    await sim.say("email", ANA, "hola", auth=auth)
    results = inbox(simulator)[0]["Authentication-Results"]
    assert results is None if found is None else found in results


async def test_a_sender_can_forge_a_verdict_below_the_real_one(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "hola", auth="fail", forged=True)
    real, forged = inbox(simulator)[0].get_all("Authentication-Results")
    assert ("dmarc=fail" in real, "dmarc=pass" in forged, forged.startswith("mx.acme.example;")) == (True, True, True)
    assert "forged" not in str(await sim.mails())


async def test_headers_can_be_added_repeated_and_taken_away(simulator: Simulator, sim: SimulatorClient):
    headers = {"Auto-Submitted": "auto-replied", "List-Id": ["<a.example>", "<b.example>"], "Date": None}
    await sim.say("email", ANA, "hola", headers=headers, return_path="", cc="luis@example.com")
    mail = inbox(simulator)[0]
    assert (mail["Auto-Submitted"], mail.get_all("List-Id"), mail["Date"]) == (
        "auto-replied",
        ["<a.example>", "<b.example>"],
        None,
    )
    assert (mail["Return-Path"], mail["Cc"]) == ("<>", "luis@example.com")
    with pytest.raises(SimulatorError, match="this is no mail"):
        await sim.say("email", ANA, "hola", headers={"X-Evil": "a\r\nBcc: b"})


async def test_the_charset_can_be_an_old_one(simulator: Simulator, sim: SimulatorClient):
    await sim.say("email", ANA, "¿Cuánto?", style="plain", charset="iso-8859-1")
    mail = inbox(simulator)[0]
    assert (mail.get_content_charset(), text_of(mail)) == ("iso-8859-1", "¿Cuánto?\n")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ({"react": "👍"}, "on email there are the acts text, attachment, tap"),
        ({"text": "x", "style": "pine"}, "style must be one of"),
        ({"text": "x", "auth": "maybe"}, "auth must be one of"),
        ({"text": "x", "via": "pigeon"}, "via must be one of"),
        ({"text": "x", "headers": "y"}, "headers must be an object"),
        ({"text": "x", "reply_to": "<nobody@x>"}, "reply_to must be"),
        ({"text": 5}, "text must be a string"),
    ],
)
async def test_what_email_does_not_have_is_refused(sim: SimulatorClient, act: dict[str, Any], words: str):
    with pytest.raises(SimulatorError, match=words):
        await sim.act("email", ANA, **act)
    with pytest.raises(SimulatorError, match="address"):
        await sim.say("email", "Ana", "hola")


# --- answers ---------------------------------------------------------------------------------------------------------------


async def test_an_answer_goes_to_reply_to_in_its_thread(simulator: Simulator, sim: SimulatorClient, smtp: Sender):
    first = await sim.say("email", ANA, "hola", subject="Pedido")
    answer = letter(
        ANA, "¿Qué producto?", Subject="Re: Pedido", Reply_To="ACME <tienda+c-1@acme.example>", References=first.mid
    )
    await smtp.send(answer)
    await sim.say("email", ANA, "árnica")
    mail = inbox(simulator)[1]
    assert (mail["To"], mail["Subject"]) == ("tienda+c-1@acme.example", "Re: Pedido")
    assert mail["In-Reply-To"] == answer["Message-ID"]
    assert mail["References"] == f"{first.mid} {answer['Message-ID']}"
    assert mail["X-Original-To"] == "tienda+c-1@acme.example"


async def test_a_thread_can_be_left_renamed_or_taken_up_again(simulator: Simulator, sim: SimulatorClient, smtp: Sender):
    asked = [letter(ANA, "uno", Subject="A"), letter(ANA, "dos", Subject="B")]
    for message in asked:
        await smtp.send(message)
    await sim.say("email", ANA, "otra cosa", new=True)
    await sim.say("email", ANA, "cambio", subject="Factura")
    await sim.say("email", ANA, "de nuevo", reply_to=asked[0]["Message-ID"], to=SHOP)
    new, renamed, old = inbox(simulator)
    assert (new["Subject"], new["In-Reply-To"]) == ("Consulta", None)
    assert (renamed["Subject"], renamed["In-Reply-To"]) == ("Factura", asked[1]["Message-ID"])
    assert (old["Subject"], old["In-Reply-To"], old["To"]) == ("Re: A", asked[0]["Message-ID"], SHOP)


async def test_an_id_of_outlooks_length_stays_whole(simulator: Simulator, sim: SimulatorClient, smtp: Sender):
    long_id = f"<{'A' * 90}@namprd12.prod.outlook.com>"
    message = letter(ANA)
    del message["Message-ID"]
    await smtp.send(email.message_from_bytes(f"Message-ID: {long_id}\r\n".encode() + message.as_bytes(), policy=message.policy))
    await sim.say("email", ANA, "sí")
    assert b"In-Reply-To: " + long_id.encode() in await sim.raw_mail(1)


QUOTES = {
    "gmail": ("El {day}, ACME (<tienda@acme.example>) escribió:", "> ¿Confirmas\n> tu cita?", "gmail_quote"),
    "outlook": (
        "De: ACME <tienda@acme.example>\nEnviado: {long}",
        "Asunto: Tu pedido\n\n¿Confirmas\ntu cita?",
        "divRplyFwdMsg",
    ),
    "apple": ("> El {apple}, ACME <tienda@acme.example> escribió:", "> ¿Confirmas\n> tu cita?", 'type="cite"'),
    "thunderbird": ("El 22/11/2026 a las 9:05, ACME escribió:", "> ¿Confirmas\n> tu cita?", None),
    "yahoo": (
        "El domingo, 22 de noviembre de 2026, 09:05:00 CST, ACME <tienda@acme.example> escribió:",
        "¿Confirmas\ntu cita?",
        "yahoo_quoted",
    ),  # fmt: skip
}


@pytest.mark.parametrize("style", [*QUOTES])
async def test_each_program_quotes_in_its_own_way(simulator: Simulator, sim: SimulatorClient, smtp: Sender, style: str):
    await sim.call("POST", "clock", {"set": "2026-11-22T15:05:00Z"})
    await smtp.send(letter(ANA, "¿Confirmas\ntu cita?"))
    await sim.say("email", ANA, "Sí, a las 5.", style=style)
    mail, (attribution, quote, mark) = inbox(simulator)[0], QUOTES[style]
    text = text_of(mail)
    filled = attribution.format(
        day="dom, 22 nov 2026 a las 9:05", long="domingo, 22 de noviembre de 2026 9:05", apple="22 nov 2026, a la(s) 9:05 a.m."
    )
    assert text.lstrip().startswith("Sí, a las 5.\n")
    assert (filled in text, quote in text) == (True, True), text
    if mark is None:
        assert mail.get_body(("html",)) is None
    else:
        assert mark in text_of(mail, "html")
    assert (await sim.phone("email", ANA)).messages[-1].text == "Sí, a las 5."


async def test_a_long_name_wraps_gmails_attribution(simulator: Simulator, sim: SimulatorClient, smtp: Sender):
    message = letter(ANA)
    message.replace_header("From", f"Extractos Naturales de la Sierra <{SHOP}>")
    await smtp.send(message)
    await sim.say("email", ANA, "ok")
    assert "Extractos Naturales de la Sierra\n(<tienda@acme.example>) escribió:" in text_of(inbox(simulator)[0])


async def test_a_quote_can_be_left_out(simulator: Simulator, sim: SimulatorClient, smtp: Sender):
    await smtp.send(letter(ANA))
    await sim.say("email", ANA, "ok", quote=False)
    assert text_of(inbox(simulator)[0]) == "ok\n"


async def test_a_choice_is_answered_with_its_number_in_its_own_mail(simulator: Simulator, sim: SimulatorClient, smtp: Sender):
    first = letter(ANA, "Elige:\n1) Precios\n2. Pedido\n")
    await smtp.send(first)
    await smtp.send(letter(ANA, "¿Sigues ahí?"))
    await sim.tap("email", ANA, "Pedido")
    mail = inbox(simulator)[0]
    assert (text_of(mail).split("\n")[0], mail["In-Reply-To"]) == ("2", first["Message-ID"])
    with pytest.raises(SimulatorError, match="nothing called 'Nada'"):
        await sim.tap("email", ANA, "Nada")


# --- attachments and raw mail ----------------------------------------------------------------------------------------------


async def test_attachments_are_named_typed_and_perhaps_inline(simulator: Simulator, sim: SimulatorClient):
    content = base64.b64encode(b"PK").decode()
    given = ["image", {"type": "file", "name": "pedido.pdf"}, {"type": "application/zip", "name": "a.zip", "content": content}]
    await sim.send_attachment("email", ANA, [*given, {"type": "image", "name": None, "inline": True}, "logo"], text="adjunto")
    mail = inbox(simulator)[0]
    parts = [
        (p.get_content_type(), p.get_filename(), p.get_content_disposition(), p["Content-ID"]) for p in mail.iter_attachments()
    ]
    assert parts == [
        ("image/jpeg", "foto.jpg", "attachment", None),
        ("application/pdf", "pedido.pdf", "attachment", None),
        ("application/zip", "a.zip", "attachment", None),
        ("image/jpeg", None, "inline", None),
        ("image/png", "image001.png", "inline", "<logo@shop>"),
    ]
    assert list(mail.iter_attachments())[2].get_content() == b"PK"
    assert text_of(mail) == "adjunto\n"
    with pytest.raises(SimulatorError, match="no attachment type 'sticker'"):
        await sim.send_attachment("email", ANA, "sticker")


async def test_a_raw_mail_arrives_byte_by_byte(simulator: Simulator, sim: SimulatorClient, smtp: Sender):
    raw = b"From: Ana <ana@example.com>\nSubject: caf\xe9\nMessage-ID: <[raw]@x>\n\nhola\xff\n"
    said = await sim.deliver_mail(raw)
    stored = list(simulator.app.ctx.world.mail.mailbox.folders["INBOX"].messages.values())
    assert ([message.raw for message in stored], said.mid) == ([raw], "<[raw]@x>")
    await smtp.send(letter(ANA, "¿sí?"))  # whoever wrote it has a phone, too
    assert [message.author for message in (await sim.phone("email", ANA)).messages] == ["customer", "bot"]


async def test_a_raw_mail_can_get_our_receivers_headers(simulator: Simulator, sim: SimulatorClient):
    await sim.deliver_mail(
        b"From: ana@example.com\r\n\r\nhola", received=1, auth="fail", to="tienda+x@acme.example", **{"from": "b@b.example"}
    )
    mail = inbox(simulator)[0]
    assert (mail["Return-Path"], mail["X-Original-To"]) == ("<b@b.example>", "tienda+x@acme.example")
    assert "dmarc=fail" in mail["Authentication-Results"]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\xff",
        b"hola",
        b"\r\n" * 9,
        b"From: a@b, c@d\r\n\r\n",
        b"From: <>\r\nMessage-ID: <>\r\n\r\n",
        b"Content-Type: multipart/mixed\r\n\r\nx",
        b"Content-Type: text/plain; charset=none\r\n\r\nx",
        b"Subject: =?x-unknown?q?=ff?=\r\n\r\nx",
    ],
)
async def test_even_what_is_no_mail_is_put_into_the_mailbox(sim: SimulatorClient, raw: bytes):
    await sim.deliver_mail(raw)
    await arrived(sim, "INBOX", 1)
    await sim.phones()
    await sim.mails()


async def test_the_same_mail_can_come_twice_late_and_out_of_order(sim: SimulatorClient):
    held = await sim.say("email", ANA, "primero", hold=True)
    await sim.say("email", ANA, "segundo", new=True, copies=2)
    assert len(await arrived(sim, "INBOX", 2)) == 2
    await sim.redeliver(mid=held.mid, copies=2)
    mails = await arrived(sim, "INBOX", 4)
    assert [mail["message_id"] == held.mid for mail in mails] == [False, False, True, True]
    assert len({mail["uid"] for mail in mails}) == 4
    await sim.batch(
        [{"channel": "email", "user": ANA, "text": str(n), "new": True, "subject": str(n)} for n in range(3)], order="reversed"
    )
    assert [mail["subject"] for mail in (await arrived(sim, "INBOX", 7))[4:]] == ["2", "1", "0"]


# --- the staff -------------------------------------------------------------------------------------------------------------


async def test_a_person_answers_from_the_same_mailbox(sim: SimulatorClient):
    asked = await sim.say("email", ANA, "¿Hay factura?", subject="Factura")
    written = await sim.agent_writes("email", ANA, "Sí, te la envío.")
    copy = (await arrived(sim, "Sent", 1))[0]
    headers = {name for name, _ in copy["headers"]}
    assert (copy["message_id"], copy["in_reply_to"], copy["subject"], copy["to"]) == (
        written.mid,
        asked.mid,
        "Re: Factura",
        [ANA],
    )
    assert (copy["flags"], copy["from"], "Auto-Submitted" in headers) == (["\\Seen"], SHOP, False)
    shown = (await sim.phone("email", ANA)).replies[0]
    assert (shown.author, shown.subject, (shown.text or "").split("\n")[0]) == ("agent", "Re: Factura", "Sí, te la envío.")


async def test_a_person_may_write_first(sim: SimulatorClient):
    await sim.settings(sent_copies=False)  # a mail program always keeps its own copy
    await sim.agent_writes("email", ANA, "Hola, Ana", subject="Tu pedido")
    assert (await arrived(sim, "Sent", 1))[0]["subject"] == "Tu pedido"
    with pytest.raises(SimulatorError, match="an agent writes text"):
        await sim.call("POST", "agent", {"channel": "email", "user": ANA})


@pytest.mark.parametrize(("path", "body"), [("event", {"item": {"x": 1}}), ("comment", {"text": "x"}), ("test-event", {})])
async def test_what_only_meta_has_is_refused(sim: SimulatorClient, path: str, body: dict[str, Any]):
    with pytest.raises(SimulatorError, match="email has no"):
        await sim.call("POST", path, {"channel": "email", "user": ANA, **body})


@pytest.mark.parametrize("query", [{"auth": "x"}, {"via": "x"}, {"copies": "x"}])
async def test_a_raw_mails_query_is_checked(sim: SimulatorClient, query: dict[str, str]):
    with pytest.raises(SimulatorError, match="must be"):
        await sim.deliver_mail(b"x", **query)
    with pytest.raises(SimulatorError, match="must be the mail"):
        await sim.deliver_mail(b"")
