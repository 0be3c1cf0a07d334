"""What reading a mail promises beyond single mails: never raises, loses nothing, gives what can be stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email.mail import MAX_KEY
from connectors.email.parse import MAX_CUSTOMERS
from connectors.email.said import MAX_TEXT
from connectors.email.tokens import message_id, unverified_user
from connectors.message import AnyEvent, Echo, Fact, Inbound, Unsupported, event_to_json
from tests.support.growth import assert_linear
from tests.unit.email.samples import ANA, NOW, OURS, RECEIVED, SECRET, VERIFIED, inbound, mail, read

MAILS = [file.read_bytes() for file in sorted((Path(__file__).parents[2] / "fixtures" / "email").glob("*/*.eml"))]
OWN = message_id(SECRET, "omnicrm:17", "abcdefgh", ANA, "acme.mx")


# --- never raises, always storable ---------------------------------------------------------------------------------------


def assert_storable(events: list[AnyEvent]) -> None:
    assert events
    assert len({event.key for event in events}) == len(events)
    for event in events:
        written = json.dumps(event_to_json(event) | {"raw": event.raw}, allow_nan=False)
        assert "\\u0000" not in written
        assert not any(0xD800 <= ord(sign) < 0xE000 for sign in json.dumps(event_to_json(event), ensure_ascii=False))
        assert 0 < len(event.key) <= MAX_KEY
        assert event.timestamp.tzinfo is not None
        assert event.address is None or 0 < len(event.address.user) <= 255
        assert event.address is None or event.address.user != event.address.account
        if isinstance(event, Inbound | Echo):
            assert event.platform_id
            assert len(event.platform_id) <= 512
            assert event.text is None or 0 < len(event.text) <= MAX_TEXT


_headers = st.sampled_from([
    "From", "To", "Cc", "Subject", "Message-ID", "References", "In-Reply-To", "Reply-To", "Content-Type", "Content-Disposition",
    "Content-Transfer-Encoding", "Content-ID", "Date", "Received", "Authentication-Results", "Return-Path", "Auto-Submitted",
    "X-Failed-Recipients", "X-Loop", "Precedence",
])  # fmt: skip
_values = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([
        b"Ana <ana@example.com>", b"bot@acme.mx", b"multipart/mixed; boundary=b", b"multipart/alternative; boundary=b",
        b"text/html", b"multipart/report; boundary=b", b"message/rfc822",
        b"message/delivery-status", b"text/calendar; method=REQUEST", b"<a@b>",
        b"=?utf-8?q?=C3?= =?x?b?!?=", b"base64", b"quoted-printable", b"x-uuencode", b"mx.acme.mx; dmarc=pass", b"<>",
        OWN.encode(),
        b"attachment; filename*=utf-8''%00%FF", b"text/plain; charset=utf-16", b"multipart/encrypted; boundary=b", b"image/png",
        b"text/plain; charset*0*=x''%FF", b"multipart/signed", b"by x; Thu, 99 Foo 99999 99:99:99 +9999",
        b"text/plain; charset=\x00",
    ]),
)  # fmt: skip
_lines = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"--b", b"--b--", b"> x", b"-- ", b"Content-Type: text/html", b"<div>", b"=C3"]),
)
_odd_mails = st.builds(
    lambda headers, lines: b"\n".join([*(name.encode() + b": " + value for name, value in headers), b"", *lines]),
    st.lists(st.tuples(_headers, _values), max_size=12),
    st.lists(_lines, max_size=25),
)
_envelopes = st.fixed_dictionaries({
    "folder": st.sampled_from(["inbox", "sent"]),
    "mail_from": st.sampled_from([None, "", "ana@example.com"]),
    "verdict": st.sampled_from([None, "verified", "unverified", "failed"]),
    "rcpt_to": st.lists(st.text(max_size=30), max_size=2).map(tuple),
})


@settings(deadline=None)
@given(st.binary(max_size=2000), _envelopes)
def test_any_bytes_are_read(raw: bytes, envelope: dict[str, Any]) -> None:
    assert_storable(read(raw, **envelope))


@settings(max_examples=300, deadline=None)
@given(_odd_mails, _envelopes)
def test_any_mail_is_read_by_rule_and_not_by_rescue(raw: bytes, envelope: dict[str, Any]) -> None:
    events = read(raw, **envelope)
    assert_storable(events)
    for event in events:
        # The last line of defence never had to help.
        assert not (isinstance(event, Unsupported) and event.reason.startswith("unreadable"))


@settings(deadline=None)
@given(st.sampled_from(MAILS), st.integers(0, 3000), st.binary(max_size=30), st.integers(0, 30))
def test_a_damaged_mail_is_read(raw: bytes, at: int, damage: bytes, length: int) -> None:
    events = read(raw[:at] + damage + raw[at + length :])
    assert_storable(events)
    assert not any(isinstance(event, Unsupported) and event.reason.startswith("unreadable") for event in events)


@settings(deadline=None)
@given(st.sampled_from(MAILS), st.integers(0, 3000))
def test_a_mail_that_is_cut_off_is_read(raw: bytes, at: int) -> None:
    assert_storable(read(raw[:at]))


# --- what is not read is kept ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("raw", "reason"), [
    (mail("From: "), "not exactly one sender"),
    (mail("From: a@b.mx, c@d.mx"), "not exactly one sender"),
    (mail("From: a@b.mx", "From: c@d.mx"), "not exactly one sender"),
    (b"", "not exactly one sender"),
    (mail("X: y\n" * 2000), "too many header fields"),
    (mail(body="--b\n\nx\n" * 300, content="multipart/mixed; boundary=b"), "too many parts"),
])  # fmt: skip
def test_what_is_refused_is_kept_with_its_reason(raw: bytes, reason: str) -> None:
    [event] = read(raw)
    assert isinstance(event, Unsupported)
    assert event.reason == reason
    assert event.raw["size"] == len(raw)
    assert event.raw["body"].strip() in raw.decode()
    assert len(json.dumps(event.raw)) < 20_000


def test_a_mail_without_sender_keeps_its_words() -> None:
    [event] = read(mail("From: nobody", body="Necesito ayuda"))
    assert "Necesito ayuda" in event.raw["body"]
    assert "Subject: Consulta" in event.raw["head"]


def test_what_nobody_foresaw_is_kept_and_told() -> None:
    # No mail is known that needs it, so the fault is on our side here: a secret that is not bytes.
    [event] = read(mail("To: bot+c-abcdefghabcdefghijkl@acme.mx"), ours=replace(OURS, secret="text"))  # type: ignore[arg-type]
    assert isinstance(event, Unsupported)
    assert event.reason == "unreadable: TypeError"


def test_of_a_mail_that_is_too_long_the_beginning_is_read() -> None:
    body = "--b\nContent-Type: text/plain\n\n¿Llegó mi foto?\n--b\nContent-Type: image/png; name=a.png\n\n" + "x" * 5000
    raw = mail(body=body, content="multipart/mixed; boundary=b")
    event = inbound(raw, ours=replace(OURS, max_bytes=2000))
    assert event.text == "¿Llegó mi foto?"
    assert event.raw["cut"] is True
    assert event.raw["size"] == len(raw)
    assert [attachment.title for attachment in event.attachments] == ["a.png"]


def test_a_long_text_is_cut() -> None:
    assert inbound(mail(body="palabra " * 2000)).text == ("palabra " * 2000)[:MAX_TEXT].strip()


# --- keys and times ----------------------------------------------------------------------------------------------------------


def test_the_same_mail_on_another_way_has_the_same_key() -> None:
    by_imap = inbound(mail())
    by_webhook = inbound(mail(above=[]), source="mailgun", verdict="verified", received_at=NOW)
    assert by_imap.key == by_webhook.key
    assert by_imap.platform_id == "<a1@mail.example.com>"


def test_two_mails_without_an_id_have_two_keys() -> None:
    one, other = inbound(mail("Message-ID: <>")), inbound(mail("Message-ID: <>", body="Otra"))
    assert one.key != other.key
    assert one.platform_id is not None
    assert one.platform_id.startswith("sha256:")


@pytest.mark.parametrize(("received_at", "above", "moment"), [
    (NOW - timedelta(minutes=5), (RECEIVED, VERIFIED), NOW - timedelta(minutes=5)),
    (None, (RECEIVED, VERIFIED), datetime(2026, 11, 22, 15, 15, 3, tzinfo=timezone.utc)),
    (None, (VERIFIED,), NOW),
    (None, ("Received: by mx.acme.mx; nonsense", VERIFIED), NOW),
    (NOW + timedelta(days=9), (VERIFIED,), NOW),
])  # fmt: skip
def test_a_mail_is_as_old_as_our_server_says(received_at: datetime | None, above: tuple[str, ...], moment: datetime) -> None:
    event = inbound(mail("Date: Mon, 3 Mar 1997 10:00:00 +0000", above=above), received_at=received_at)
    assert event.timestamp == moment
    assert event.silent is None


def test_an_old_mail_is_kept_and_not_answered() -> None:
    assert inbound(mail(), received_at=NOW - OURS.stale - timedelta(seconds=1)).silent == "stale"
    assert inbound(mail(), received_at=NOW - OURS.stale).silent is None


# --- who is who --------------------------------------------------------------------------------------------------------


def test_only_a_verified_sender_is_vouched_for() -> None:
    verified, unverified = inbound(mail()), inbound(mail(above=[RECEIVED]))
    assert verified.contact is not None
    assert unverified.contact is not None
    assert (verified.contact.email, verified.contact.name, verified.sender) == (ANA, "Ana", None)
    assert (unverified.contact.email, unverified.contact.name, unverified.sender) == (None, "Ana", ANA)
    assert (verified.raw["trust"], unverified.raw["trust"]) == ("verified", "unverified")


def test_commands_in_a_mail_are_words() -> None:
    event = inbound(mail(body='/restart{"x": 1}'))
    assert (event.text, event.payload) == ('/restart{"x": 1}', None)


# --- what we wrote ourselves -------------------------------------------------------------------------------------------


def sent(*headers: str, **given: Any) -> list[AnyEvent]:
    return read(mail("From: ACME <bot@acme.mx>", *headers, above=[], **given), folder="sent")


def test_our_own_mail_in_the_sent_folder_is_known_by_its_id() -> None:
    [event] = sent(f"To: Ana <{ANA}>", f"Message-ID: {OWN}", "Auto-Submitted: auto-replied")
    assert isinstance(event, Echo)
    assert event.address is not None
    assert (event.reference, event.platform_id, event.address.user) == ("omnicrm:17", OWN, ANA)
    assert event.own_app is None


def test_a_persons_mail_is_an_echo_in_every_customers_conversation() -> None:
    events = sent(f"To: {ANA}, Eva <EVA@x.mx>, ventas@acme.mx", "Cc: pepe@x.mx", body="Les escribe Luis")
    assert [event.address.user for event in events if event.address] == [ANA, "eva@x.mx", "pepe@x.mx"]
    assert all(isinstance(event, Echo) and event.reference is None and event.text == "Les escribe Luis" for event in events)


def test_a_persons_answer_goes_to_the_conversation_that_it_answers() -> None:
    user = unverified_user(ANA, "abcdefgh")
    ours = message_id(SECRET, "omnicrm:17", "abcdefgh", user, "acme.mx")
    [event] = sent(f"To: {ANA}", f"References: <first@x> {ours} <a2@x>", "In-Reply-To: <a2@x>")
    assert event.address is not None
    assert event.address.user == user
    [event] = sent("To: eva@x.mx", f"References: <first@x> {ours} <a2@x>", "In-Reply-To: <a2@x>")
    assert event.address is not None
    assert event.address.user == "eva@x.mx"


@pytest.mark.parametrize("headers", [
    ["To: ventas@acme.mx"],
    ["To: undisclosed-recipients:;"],
    [f"To: {ANA}", "Auto-Submitted: auto-replied"],
    [f"To: {ANA}", "Message-ID: <m-17.c-aaaaaaaabbbbbbbbbbbb@acme.mx>"],
    ["To: " + ", ".join(f"c{number}@x.mx" for number in range(MAX_CUSTOMERS + 1))],
])
def test_what_no_person_wrote_to_a_customer_silences_nobody(headers: list[str]) -> None:
    [event] = sent(*headers)
    assert isinstance(event, Fact)
    assert (event.name, event.address) == ("own_mail", None)


OWN_VERIFIED = (RECEIVED, "Authentication-Results: mx.acme.mx; dmarc=pass header.from=acme.mx")


def test_a_colleagues_mail_with_us_in_copy_is_an_echo_only_when_it_is_theirs() -> None:
    headers = ("From: Ventas <ventas@acme.mx>", f"To: {ANA}", "Cc: bot@acme.mx")
    [event] = read(mail(*headers, above=OWN_VERIFIED))
    assert isinstance(event, Echo)
    assert event.address is not None
    assert event.address.user == ANA
    [event] = read(mail(*headers, above=[RECEIVED]))
    assert isinstance(event, Fact)


@pytest.mark.parametrize("headers", [
    ["From: bot@acme.mx", f"To: {ANA}, bot@acme.mx"],
    ["From: bot+x@acme.mx", f"To: {ANA}"],
    [f"From: Ana <{ANA}>", "Message-ID: <m-17.c-aaaaaaaabbbbbbbbbbbb@acme.mx>", "To: eva@x.mx"],
    ["From: eva@x.mx", f"Message-ID: {OWN}", "To: eva@x.mx"],
])
@pytest.mark.parametrize("above", [[RECEIVED], [RECEIVED, VERIFIED]])
def test_no_stranger_can_silence_the_bot_in_our_name(headers: list[str], above: list[str]) -> None:
    [event] = read(mail(*headers, above=above))
    assert isinstance(event, Fact)
    assert event.data["certain"] is False


def test_our_own_mail_that_comes_back_is_an_echo_of_ours() -> None:
    [event] = read(mail("From: bot@acme.mx", f"To: {ANA}", f"Message-ID: {OWN}", above=[RECEIVED]))
    assert isinstance(event, Echo)
    assert event.reference == "omnicrm:17"


# --- hostile mails -----------------------------------------------------------------------------------------------------


def hostile_header(name: str, unit: str) -> Callable[[int], bytes]:
    return lambda count: f"{name}: x/y; boundary=x {unit * count}\nFrom: {ANA}\n\nx".encode()


def repeated(unit: str, content: str, *headers: str) -> Callable[[int], bytes]:
    return lambda count: mail(*headers, body=unit * count, content=content)


HEADERS = (
    "From", "To", "Subject", "References", "Authentication-Results", "Received", "Content-Type", "Content-Disposition",
)  # fmt: skip
UNITS = ("<", "a", "(", '"', ";", "=", "a@b,", "a=b;", "=?utf-8?q?a?= ", "=?a?q?", "\\", ";a*0*=x", OWN)
STATUS = "--b\nContent-Type: message/delivery-status\n\nA: b\n\nFinal-Recipient: x; a@b.mx\nAction: failed\n\n"
HOSTILE = {
    **{f"{name}: {unit}": hostile_header(name, unit) for name in HEADERS for unit in UNITS},
    "lines": repeated("a\n", "text/plain"),
    "empty lines": repeated("\n", "text/plain"),
    "soft lines": repeated("a \n", "text/plain; format=flowed"),
    "tags": repeated("<b x=1><p>", "text/html"),
    "parts": repeated("--b\n\nx\n", "multipart/mixed; boundary=b"),
    "nested": repeated("--b\nContent-Type: multipart/mixed; boundary=b\n\n", "multipart/mixed; boundary=b"),
    "mails in mails": repeated("Content-Type: message/rfc822\n\n", "message/rfc822"),
    "base64": repeated("=Q=\n", "text/plain", "Content-Transfer-Encoding: base64"),
    "quoted-printable": repeated("=\n=C3", "text/plain", "Content-Transfer-Encoding: quoted-printable"),
    "bounces": repeated(STATUS, "multipart/report; boundary=b"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mails_take_linear_time(name: str) -> None:
    assert_linear(read, HOSTILE[name], 25_000, noise=0.01)
