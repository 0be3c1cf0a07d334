"""What servers report about our mails reaches the right message of the right customer, and nobody else can report."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email.tokens import message_id, token, unverified_user
from connectors.message import AnyEvent, Fact, Receipt
from tests.unit.email.samples import ANA, RECEIVED, SECRET, mail, read

OWN = message_id(SECRET, "omnicrm:17", "abcdefgh", ANA, "acme.mx")
UNVERIFIED = unverified_user(ANA, "abcdefgh")
OF_UNVERIFIED = message_id(SECRET, "omnicrm:17", "abcdefgh", UNVERIFIED, "acme.mx")


def returned(written: str = OWN, to: str = ANA, kind: str = "message/rfc822") -> str:
    return f"Content-Type: {kind}\n\nFrom: ACME <bot@acme.mx>\nTo: {to}\nMessage-ID: {written}\n\nHola"


def status(*recipients: tuple[str, str], extra: str = "") -> str:
    blocks = "\n".join(
        f"Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: 5.1.1\n"
        f"Diagnostic-Code: smtp; 550 no such user\n{extra}"
        for recipient, action in recipients
    )
    return f"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.acme.mx\n\n{blocks}"


def report(*parts: str, headers: tuple[str, ...] = (), **envelope: Any) -> list[AnyEvent]:
    body = "".join(f"--d\n{part}\n" for part in ("Content-Type: text/plain\n\nSorry.", *parts)) + "--d--\n"
    raw = mail(
        "Return-Path: <>", *headers, body=body, sender="Mail System <MAILER-DAEMON@mx.example.net>", above=[RECEIVED],
        content="multipart/report; report-type=delivery-status; boundary=d",
    )  # fmt: skip
    return read(raw, **envelope)


@pytest.mark.parametrize("third", [
    returned(), returned(OWN.upper()), returned(kind="text/rfc822-headers"), returned(kind="message/rfc822-headers"),
    "Content-Type: text/plain\n\nYour message " + OWN + " was not delivered",
])  # fmt: skip
def test_a_bounce_fails_the_message(third: str) -> None:
    [event] = report(status((ANA, "failed")), third)
    assert isinstance(event, Receipt)
    assert (event.status, event.platform_ids) == ("failed", (OWN,))
    assert event.address is not None
    assert event.address.user == ANA
    assert event.raw["detail"] == "550 no such user"
    assert event.raw["status"] == "5.1.1"


def test_a_bounce_of_an_unverified_conversation_reaches_it() -> None:
    [event] = report(status((ANA, "failed")), returned(OF_UNVERIFIED))
    assert isinstance(event, Receipt)
    assert event.address is not None
    assert event.address.user == UNVERIFIED


@pytest.mark.parametrize(("recipient", "extra", "to"), [
    ("ana@other.example", f"Original-Recipient: rfc822;{ANA}\n", "x@y.example"),
    ("ana@other.example", "", ANA),
    ("unreadable", "", f"Ana <{ANA.upper()}>"),
])  # fmt: skip
def test_a_forwarded_mail_that_bounces_is_the_one_we_sent(recipient: str, extra: str, to: str) -> None:
    [event] = report(status((recipient, "failed"), extra=extra), returned(to=to))
    assert isinstance(event, Receipt)
    assert event.platform_ids == (OWN,)


@pytest.mark.parametrize(("action", "told"), [
    ("failed", "failed"), ("Failed (permanently)", "failed"), ("delivered", "delivered"),
    ("delayed", None), ("relayed", None), ("expanded", None), ("", None), ("x" * 500, None),
])  # fmt: skip
def test_only_what_is_certain_changes_a_message(action: str, told: str | None) -> None:
    [event] = report(status((ANA, action)), returned())
    if told:
        assert isinstance(event, Receipt)
        assert event.status == told
    else:
        assert isinstance(event, Fact)
        assert event.name in ("delivery_delayed", "delivery_relayed", "delivery_expanded", "delivery_unknown")
        assert event.data["about"] == OWN


def test_every_recipient_has_an_event_of_its_own() -> None:
    events = report(status((ANA, "failed"), ("eva@x.mx", "delayed")), returned(to=f"{ANA}, eva@x.mx"))
    assert [type(event) for event in events] == [Receipt, Fact]
    assert len({event.key for event in events}) == 2


@pytest.mark.parametrize("written", [
    "<m-17.c-aaaaaaaabbbbbbbbbbbb@acme.mx>", "<x@acme.mx>", OWN.replace("acme.mx", "other.mx"), OWN.replace("m-17", "m-18"), "",
])  # fmt: skip
def test_nobody_can_report_a_message_whose_id_we_did_not_sign(written: str) -> None:
    [event] = report(status((ANA, "failed")), returned(written))
    assert isinstance(event, Fact)
    assert (event.name, event.address) == ("delivery_failed", None)
    [event] = report(status(("eva@x.mx", "failed")), returned(to="eva@x.mx"))
    assert isinstance(event, Fact)


def test_an_envelope_recipient_of_its_own_names_the_customer() -> None:
    to = f"bounce+{token(SECRET, 'abcdefgh', UNVERIFIED)}@acme.mx"
    [event] = report(status((ANA, "failed")), rcpt_to=(to,))
    assert isinstance(event, Fact)
    assert event.address is not None
    assert event.address.user == UNVERIFIED


def test_gmails_bounce_names_the_mail_in_its_references() -> None:
    [event] = read(mail(f"X-Failed-Recipients: {ANA}", f"References: <x@y> {OWN}", sender="mailer-daemon@googlemail.com"))
    assert isinstance(event, Receipt)
    assert (event.status, event.platform_ids) == ("failed", (OWN,))


def test_an_old_bounce_names_the_mail_in_its_text() -> None:
    body = f"could not be delivered:\n  {ANA}\n\n--- copy ---\nMessage-ID: {OWN}\n"
    [event] = read(mail(f"X-Failed-Recipients: {ANA}", body=body, sender="Mailer-Daemon@mx.acme.mx"))
    assert isinstance(event, Receipt)


@pytest.mark.parametrize(("kind", "name"), [
    ("disposition-notification", "disposition_notification"), ("feedback-report", "complaint"),
])  # fmt: skip
def test_other_reports_are_kept_as_facts(kind: str, name: str) -> None:
    body = f"--d\nContent-Type: message/{kind}\n\nX: y\n\n--d--\n"
    [event] = read(mail(body=body, content=f"multipart/report; report-type={kind}; boundary=d"))
    assert isinstance(event, Fact)
    assert event.name == name


def test_a_bounce_that_somebody_attaches_is_a_mail() -> None:
    bounce = f"--d\n{status((ANA, 'failed'))}\n--d\n{returned()}\n--d--"
    inner = mail(body=bounce, content="multipart/report; boundary=d").decode()
    body = f"--m\nContent-Type: text/plain\n\nMira\n--m\nContent-Type: message/rfc822\n\n{inner}\n--m--"
    [event] = read(mail(body=body, content="multipart/mixed; boundary=m"))
    assert type(event).__name__ == "Inbound"


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=60))
def test_any_status_is_read(block: str, recipient: str, written: str) -> None:
    odd = f"Content-Type: message/delivery-status\n\nA: b\n\n{block}"
    for parts in ((odd, returned(written)), (status((recipient, "failed")), returned(written))):
        assert report(*parts)


def test_a_report_that_names_nobody_is_kept() -> None:
    for raw in (mail("X-Failed-Recipients: "), mail("X-Failed-Recipients: nobody")):
        [event] = read(raw)
        assert isinstance(event, Fact)
        assert (event.name, event.data["recipient"]) == ("delivery_failed", None)
