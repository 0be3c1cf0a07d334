"""Mail can come by the inbound webhooks of Mailgun, SendGrid and Postmark, signed as theirs are."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import json
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from simulator.client import SimulatorClient
from simulator.mail.providers import mailgun_signature

from .conftest import Recorder, Webhook
from .mail_clients import SHOP, arrived

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA = "ana@example.com"


def fields(call: Webhook) -> dict[str, Any]:
    """The form by name; files as messages with name, type and content, text as bytes."""
    content_type = call.headers["content-type"]
    if content_type.startswith("application/x-www-form-urlencoded"):
        return {name: value.encode() for name, value in parse_qsl(call.body.decode(), keep_blank_values=True)}
    parsed = BytesParser(policy=email.policy.HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + call.body)
    found = {}
    for part in parsed.iter_parts():
        name = part.get_param("name", header="content-disposition")
        found[name] = part if part.get_filename() else part.get_payload(decode=True)
    return found


# --- Mailgun ---------------------------------------------------------------------------------------------------------------


async def test_mailguns_signature_is_the_documented_one():
    token = "0123456789abcdef0123456789abcdef0123456789abcdef01"
    expected = "e4ff8ac035b8fccdf368bb2dfd9cf9abf1ef63887edf268698c54a5641670713"
    assert mailgun_signature("key-test", "1763800001", token) == expected


async def test_mailgun_posts_a_signed_form(sim: SimulatorClient, bot: Recorder):
    said = await sim.say(
        "email", ANA, "¿Tienen árnica?", name="Ana Pérez", subject="Árnica", via="mailgun", to="tienda+c-1@acme.example"
    )
    call, form = bot.calls[0], fields(bot.calls[0])
    assert (said.status, call.path) == (200, "/api/webhooks/email/mailgun")
    signed = form["timestamp"] + form["token"]
    assert form["signature"].decode() == hmac.new(b"key-test", signed, hashlib.sha256).hexdigest()
    assert len(form["token"]) == 50
    assert {name: form[name].decode() for name in ("recipient", "sender", "from", "subject", "Message-Id", "body-plain")} == {
        "recipient": "tienda+c-1@acme.example",
        "sender": ANA,
        "from": f"Ana Pérez <{ANA}>",
        "subject": "Árnica",
        "Message-Id": said.mid,
        "body-plain": "¿Tienen árnica?",
    }
    headers = json.loads(form["message-headers"])
    assert ["X-Mailgun-Spf", "Pass"] in headers
    assert ["X-Mailgun-Dkim-Check-Result", "Pass"] in headers
    assert not any(name == "Authentication-Results" for name, _ in headers)  # it was our own receiver's
    await arrived(sim, "INBOX", 0)


async def test_mailgun_brings_attachments_as_files(sim: SimulatorClient, bot: Recorder):
    await sim.send_attachment("email", ANA, ["file", "logo"], text="va", via="mailgun", auth="fail")
    form = fields(bot.calls[0])
    assert form["attachment-count"] == b"2"
    assert (form["attachment-1"].get_filename(), form["attachment-1"].get_content_type()) == (
        "documento.pdf",
        "application/pdf",
    )
    assert json.loads(form["content-id-map"]) == {"<logo@shop>": "attachment-2"}
    assert ["X-Mailgun-Spf", "Fail"] in json.loads(form["message-headers"])


async def test_mailgun_can_post_the_mail_itself(sim: SimulatorClient, bot: Recorder):
    said = await sim.say("email", ANA, "hola", via="mailgun_mime")
    assert bot.calls[0].path == "/api/webhooks/email/mailgun/mime"
    assert email.message_from_bytes(fields(bot.calls[0])["body-mime"])["Message-ID"] == said.mid


# --- SendGrid --------------------------------------------------------------------------------------------------------------


async def test_sendgrid_posts_text_in_its_own_charset(sim: SimulatorClient, bot: Recorder):
    await sim.settings(mail_route="sendgrid")
    await sim.say("email", ANA, "¿Cuánto?", style="plain", charset="iso-8859-1", subject="Árnica")
    call, form = bot.calls[0], fields(bot.calls[0])
    charsets = json.loads(form["charsets"])
    assert (call.path, charsets["text"], form["text"]) == (
        "/api/webhooks/email/sendgrid",
        "iso-8859-1",
        "¿Cuánto?\n".encode("latin-1"),
    )
    assert form["subject"].decode(charsets["subject"]) == "Árnica"
    assert json.loads(form["envelope"]) == {"to": [SHOP], "from": ANA}
    assert (form["SPF"], form["dkim"], form["attachments"]) == (b"pass", b"{@example.com : pass}", b"0")
    assert b"Message-ID: <" in form["headers"]


async def test_sendgrids_signature_fits_the_key_that_is_shown(sim: SimulatorClient, bot: Recorder):
    await sim.send_attachment("email", ANA, "file", via="sendgrid")
    call = bot.calls[0]
    key = load_der_public_key(base64.b64decode((await sim.ports())["sendgrid_public_key"]))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signature = base64.b64decode(call.headers["x-twilio-email-event-webhook-signature"])
    timestamp = call.headers["x-twilio-email-event-webhook-timestamp"].encode()
    key.verify(signature, timestamp + call.body, ec.ECDSA(hashes.SHA256()))
    info = json.loads(fields(call)["attachment-info"])
    assert info == {"attachment1": {"filename": "documento.pdf", "name": "documento.pdf", "type": "application/pdf"}}


async def test_sendgrid_can_post_the_mail_itself(sim: SimulatorClient, bot: Recorder):
    said = await sim.say("email", ANA, "hola", via="sendgrid_raw")
    form = fields(bot.calls[0])
    assert (email.message_from_bytes(form["email"])["Message-ID"], "text" in form) == (said.mid, False)


# --- Postmark --------------------------------------------------------------------------------------------------------------


async def test_postmark_posts_json_with_the_password_of_its_address(sim: SimulatorClient, bot: Recorder):
    said = await sim.send_attachment(
        "email", ANA, "file", text="Sí", name="Ana", subject="Cita", via="postmark", to="tienda+c-1@acme.example", style="plain"
    )
    call, document = bot.calls[0], bot.calls[0].document
    assert call.headers["authorization"] == "Basic " + base64.b64encode(b"postmark:simulated-postmark-token").decode()
    assert call.headers["host"] == bot.base.split("/")[2]
    assert (document["From"], document["FromName"], document["Subject"], document["TextBody"]) == (ANA, "Ana", "Cita", "Sí")
    assert (document["OriginalRecipient"], document["MailboxHash"]) == ("tienda+c-1@acme.example", "c-1")
    headers = {header["Name"]: header["Value"] for header in document["Headers"]}
    assert (headers["Return-Path"], headers["Message-ID"], document["MessageID"] in said.mid) == (f"<{ANA}>", said.mid, False)
    assert headers["Received-SPF"].startswith("Pass")
    assert base64.b64decode(document["Attachments"][0]["Content"]).startswith(b"%PDF")
    assert "RawEmail" not in document


async def test_postmark_can_add_the_mail_itself(sim: SimulatorClient, bot: Recorder):
    raw = b"From: ana@example.com\r\nMessage-ID: <1@x>\r\n\r\nhola\r\n"
    assert (await sim.deliver_mail(raw, via="postmark_raw")).status == 200
    assert bot.calls[0].document["RawEmail"] == raw.decode()


# --- answers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("via", "refused"), [("mailgun", 406), ("postmark", 403)])
async def test_a_provider_takes_no_for_an_answer_by_its_own_status(sim: SimulatorClient, bot: Recorder, via: str, refused: int):
    await sim.settings(retries=[0.01] * 3)
    bot.answers.append(refused)
    assert (await sim.say("email", ANA, "hola", via=via)).status == refused
    stats = (await sim.stats(wait=5))["webhooks"]
    assert (len(bot.calls), stats["given_up"]) == (1, 1)


@pytest.mark.parametrize("via", ["mailgun", "sendgrid", "postmark"])
async def test_a_provider_repeats_what_failed(sim: SimulatorClient, bot: Recorder, via: str):
    await sim.settings(retries=[0.01] * 3)
    bot.answers.extend([500, 503])
    said = await sim.say("email", ANA, "hola", via=via)
    calls = await bot.wait_for(3)
    assert (said.status, len({call.body for call in calls})) == (500, 1)
    assert await sim.redeliver(mid=said.mid) == [200]
