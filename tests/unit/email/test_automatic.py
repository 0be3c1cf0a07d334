"""What machines write is kept and never answered; what people write is."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.email.automatic import RULES
from connectors.email.tokens import message_id, token
from tests.unit.email.samples import ANA, SECRET, inbound, mail

OWN_ID = message_id(SECRET, "omnicrm:17", "abcdefgh", ANA, "acme.mx")

MACHINES = [
    ("auto_submitted", ["Auto-Submitted: auto-replied"], {}),
    ("auto_submitted", ["Auto-Submitted: Auto-Generated; owner-email=x"], {}),
    ("auto_submitted", ["auto-submitted: auto-replied (vacation)"], {}),
    ("auto_submitted", ["Auto-Submitted: yes"], {}),
    ("null_sender", ["Return-Path: <>"], {}),
    ("null_sender", ["Return-Path:   < >"], {}),
    ("null_sender", [], {"mail_from": ""}),
    ("precedence", ["Precedence: bulk"], {}),
    ("precedence", ["Precedence: LIST"], {}),
    ("precedence", ["Precedence: junk"], {}),
    ("precedence", ["Precedence: auto_reply"], {}),
    ("responder", ["X-Autoreply: yes"], {}),
    ("responder", ["X-Autorespond: Vacaciones"], {}),
    ("responder", ["X-AutoResponder: 1"], {}),
    ("responder", ["X-Auto-Reply: true"], {}),
    ("list", ["List-Id: <x.example.com>"], {}),
    ("list", ["List-Unsubscribe: <mailto:u@example.com>"], {}),
    ("list", ["List-Post: <mailto:l@example.com>"], {}),
    ("list", ["Feedback-ID: 1:2:3:esp"], {}),
    ("loop", ["X-Loop: bot@acme.mx"], {}),
    ("spam", ["X-Spam-Flag: YES"], {}),
    ("spam", [], {"spam": True}),
    ("machine", ["From: Facturas <no-reply@example.com>"], {}),
    ("machine", ["From: NoReply@example.com"], {}),
    ("machine", ["From: do_not.reply@example.com"], {}),
    ("machine", ["From: noreply-maps@example.com"], {}),
    ("machine", ["From: no-responder@example.com"], {}),
    ("machine", ["From: postmaster@example.com"], {}),
    ("machine", ["From: MAILER-DAEMON@example.com"], {}),
    ("machine", ["From: bounces+123-abc@example.com"], {}),
    ("machine", ["From: notification@example.com"], {}),
    ("machine", ["From: abuse@example.com"], {}),
    ("report", ["Content-Type: multipart/report; boundary=x"], {}),
    ("subject", ["Subject: Automatic reply: Tu pedido"], {}),
    ("subject", ["Subject: Out of Office Re: Tu pedido"], {}),
    ("subject", ["Subject: =?utf-8?q?Respuesta_autom=C3=A1tica=3A_Tu_pedido?="], {}),
    ("subject", ["Subject: RE: Fuera de la oficina"], {}),
    ("subject", ["Subject: Estoy fuera de la oficina"], {}),
    ("subject", ["Subject: Undeliverable: Tu pedido"], {}),
    ("subject", ["Subject: Delivery Status Notification (Failure)"], {}),
    ("subject", ["Subject: No se puede entregar: Tu pedido"], {}),
    # Exchange answers our mail: with its wish for no answer beside it, the subject is believed all the same.
    ("subject", [f"In-Reply-To: {OWN_ID}", "Subject: Automatic reply: x", "X-Auto-Response-Suppress: All"], {}),
    ("calendar", ["Content-Type: text/calendar; method=REQUEST"], {}),
    ("calendar", ["Content-Type: text/calendar; method=reply"], {}),
]


@pytest.mark.parametrize(("rule", "headers", "envelope"), MACHINES)
def test_machines_are_not_answered(rule: str, headers: list[str], envelope: dict[str, Any]) -> None:
    event = inbound(mail(*headers), **envelope)
    assert event.silent == f"automatic:{rule}"
    assert event.address is not None


@pytest.mark.parametrize("headers", [
    [],
    ["Auto-Submitted: no"],
    ["Auto-Submitted: No (really)"],
    ["Return-Path: <ana@example.com>"],
    ["Precedence: first-class"],
    ["X-Autoreply: no"],
    ["X-Auto-Response-Suppress: All"],
    ["X-Loop: other@example.com"],
    ["X-Spam-Flag: NO"],
    ["From: reply@example.com"],
    ["From: notificadora@example.com"],
    ["From: Postmaster Pérez <ana@example.com>"],
    ["Subject: Mi pedido no llegó: estoy fuera de la oficina"],
    ["Subject: Re: Automatic reply: x", f"In-Reply-To: {OWN_ID}"],
    ["Content-Type: text/calendar; method=PUBLISH"],
    ["Disposition-Notification-To: ana@example.com"],
])
def test_people_are_answered(headers: list[str]) -> None:
    assert inbound(mail(*headers)).silent is None


def test_a_subject_that_answers_a_made_up_id_is_no_answer_to_us() -> None:
    headers = ["Subject: Automatic reply: x", "In-Reply-To: <m-17.c-aaaaaaaabbbbbbbbbbbb@acme.mx>"]
    assert inbound(mail(*headers)).silent == "automatic:subject"


def test_a_reply_token_does_not_make_a_machine_a_person() -> None:
    to = f"To: bot+{token(SECRET, 'abcdefgh', ANA)}@acme.mx"
    assert inbound(mail(to, "Auto-Submitted: auto-replied")).silent == "automatic:auto_submitted"


def test_every_rule_is_shown() -> None:
    # A mail with X-Failed-Recipients is a report before it is anything else.
    assert {rule for rule, _, _ in MACHINES} | {"failed_recipients"} == {*RULES, "subject", "calendar"}
