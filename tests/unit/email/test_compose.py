"""Our mails: what any context makes of them, read back with Python's own parser."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.email.compose import Mail, compose
from connectors.email.envelope import Ours
from connectors.email.tokens import read_message_id, read_token, unverified_user
from connectors.message import Address, Outgoing, Unreachable

NOW = datetime(2026, 11, 22, 15, 15, 6, tzinfo=timezone.utc)
OURS = Ours(address="hola@acme.mx", domain="acme.mx", secret=b"0123456789abcdef", stale=timedelta(hours=6))
# 98 characters, as Outlook makes them.
OUTLOOK = "<SJ0PR19MB5415A7C3D8E9F0B1C2D3E4F5A6B7C8D9E0F1A2B3C4D5E6F7@SJ0PR19MB5415.namprd19.prod.outlook.com>"
ONCE = (
    "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References", "Auto-Submitted",
    "X-Auto-Response-Suppress", "X-Loop", "MIME-Version", "Content-Type",
)


def context(**changes: Any) -> dict[str, Any]:
    newest = {
        "to": "ana@example.com", "name": "Ana Pérez", "subject": "Tu cita", "message_id": "<CAPk3R4ZrXyz@mail.gmail.com>",
        "references": ["<CAFirst@mail.gmail.com>"], "thread": "k7q2mf3a",
    }
    return {**newest, **changes}


def mail(text: str = "Hola", name: str = "ACME", ours: Ours = OURS, user: str = "ana@example.com", **changes: Any) -> Mail:
    to = Address(channel="EMAIL", account=OURS.address, user=user, context=context(**changes))
    return compose(to, Outgoing(text=text), "omnicrm:18", ours, name, NOW)


def read(written: Mail) -> Message:
    return message_from_bytes(written.content, policy=policy.compat32)


def header(written: Mail, name: str) -> str:
    """A header as a mail program shows it: unfolded and decoded."""
    return str(make_header(decode_header(re.sub(r"\r?\n(?=[ \t])", "", str(read(written)[name])))))


def test_an_answer_has_the_headers_that_keep_it_in_the_thread() -> None:
    written = mail("¿A las 5?")
    assert written.recipient == "ana@example.com"
    assert not written.utf8
    assert header(written, "From") == '"ACME" <hola@acme.mx>'
    assert header(written, "To") == "Ana Pérez <ana@example.com>"
    assert header(written, "Subject") == "Re: Tu cita"
    assert header(written, "Date") == "Sun, 22 Nov 2026 15:15:06 +0000"
    assert header(written, "In-Reply-To") == "<CAPk3R4ZrXyz@mail.gmail.com>"
    assert header(written, "References") == "<CAFirst@mail.gmail.com> <CAPk3R4ZrXyz@mail.gmail.com>"
    assert header(written, "Auto-Submitted") == "auto-replied"
    assert header(written, "X-Auto-Response-Suppress") == "All"
    assert header(written, "X-Loop") == "hola@acme.mx"
    assert header(written, "Message-ID") == written.message_id
    assert "Bcc" not in read(written)
    assert "Precedence" not in read(written)


def test_id_and_reply_address_lead_back_to_message_thread_and_customer() -> None:
    written = mail()
    own = read_message_id(OURS.secret, written.message_id, OURS.domain, ["ana@example.com"])
    assert own is not None
    assert (own.reference, own.thread, own.user) == ("omnicrm:18", "k7q2mf3a", "ana@example.com")
    reply_to = header(written, "Reply-To")
    assert reply_to.startswith('"ACME" <hola+c-')
    assert read_token(OURS.secret, reply_to.partition("<")[2].rstrip(">"), "ana@example.com") == ("k7q2mf3a", "ana@example.com")


def test_a_second_attempt_is_the_same_mail() -> None:
    assert mail() == mail()


@pytest.mark.parametrize(
    ("ours", "why"),
    [
        (Ours(address="hola@acme.mx", domain="acme.mx", separator="", secret=b"0" * 16, stale=timedelta(1)), "no separator"),
        (Ours(address=f"{'a' * 60}@acme.mx", domain="acme.mx", secret=b"0" * 16, stale=timedelta(1)), "over 64 characters"),
    ],
)
def test_without_room_for_a_token_answers_come_to_our_plain_address(ours: Ours, why: str) -> None:
    assert "Reply-To" not in read(mail(ours=ours)), why


@pytest.mark.parametrize(
    ("subject", "ours"),
    [
        ("Tu cita", "Re: Tu cita"),
        ("Re: Tu cita", "Re: Tu cita"),
        ("RE: RV: Re[2]: re : Tu cita", "Re: Tu cita"),
        ("Receta: árnica", "Re: Receta: árnica"),
        ("", "Re: tu mensaje"),
        ("Re:", "Re: tu mensaje"),
        ("=?utf-8?q?no_soy_palabra?=", "Re: =?utf-8?q?no_soy_palabra?="),
        ("Hola\r\nBcc: otro@example.com", "Re: Hola Bcc: otro@example.com"),
        ("familia 👨‍👩‍👧 y ñ", "Re: familia 👨‍👩‍👧 y ñ"),
        ("x" * 900, "Re: " + "x" * 400),
        (None, "Re: tu mensaje"),
        (7, "Re: tu mensaje"),
    ],
)
def test_the_subject_is_the_customers_with_one_re(subject: Any, ours: str) -> None:
    assert header(mail(subject=subject), "Subject") == ours


def test_long_ids_stay_whole_and_unencoded() -> None:
    ids = [OUTLOOK.replace("SJ0", f"S{n}") for n in range(8)]
    written = mail(message_id=OUTLOOK, references=ids)
    assert f"In-Reply-To: {OUTLOOK}\r\n".encode() in written.content
    for one in (ids[0], ids[-1], OUTLOOK):
        assert one.encode() in written.content
    assert message_from_bytes(written.content, policy=policy.default)["In-Reply-To"] == OUTLOOK


def test_of_a_long_thread_the_first_and_the_newest_ids_are_kept() -> None:
    written = mail(message_id="<m99@x>", references=[f"<m{n}@x>" for n in range(99)])
    kept = header(written, "References").split()
    assert kept == ["<m0@x>", *(f"<m{n}@x>" for n in range(91, 100))]


def test_ids_that_are_none_are_left_out() -> None:
    written = mail(message_id="<a b@x>", references=["<ok@x>", "no", "<x\r\nBcc: a@b>", 3, None])
    assert "In-Reply-To" not in read(written)
    assert "References" not in read(written)
    written = mail(references=["<ok@x>", "no", "<x\r\nBcc: a@b>", 3, "<ñ@x>", f"<{'x' * 999}@x>", "<ok@x>"])
    assert header(written, "References") == "<ok@x> <CAPk3R4ZrXyz@mail.gmail.com>"


def test_whom_nobody_wrote_to_yet_gets_a_new_mail() -> None:
    to = Address(channel="EMAIL", account=OURS.address, user="ana@example.com")
    written = compose(to, Outgoing(text="Tu pedido va en camino"), "omnicrm:18", OURS, "ACME", NOW)
    assert header(written, "Subject") == "Mensaje de ACME"
    assert header(written, "To") == "ana@example.com"
    assert header(written, "Auto-Submitted") == "auto-generated"
    assert "In-Reply-To" not in read(written)
    own = read_message_id(OURS.secret, written.message_id, OURS.domain, ["ana@example.com"])
    assert own is not None
    assert own.reference == "omnicrm:18"


def test_a_customer_whom_nobody_vouches_for_is_written_to_at_their_address() -> None:
    user = unverified_user("ana@example.com", "k7q2mf3a")
    assert compose(
        Address(channel="EMAIL", account=OURS.address, user=user), Outgoing(text="Hola"), "omnicrm:18", OURS, "", NOW
    ).recipient == "ana@example.com"


@pytest.mark.parametrize(
    "address",
    ["", "ana", "ana@", "@example.com", "a b@example.com", "a@b@c.mx", "ana@example.com>\r\nRCPT TO:<otro@example.com",
     "<ana@example.com>", "ana@a..mx", f"{'a' * 65}@example.com", "ana@example.com, otro@example.com"],
)  # fmt: skip
def test_an_address_that_is_none_is_unreachable(address: str) -> None:
    with pytest.raises(Unreachable):
        mail(to=address, user=address)


def test_international_addresses_are_written_as_smtp_wants_them() -> None:
    assert mail(to="ana@ñandú.mx").recipient == "ana@xn--and-6ma2c.mx"
    assert not mail(to="ana@ñandú.mx").utf8
    assert mail(to="josé@example.com").utf8


def test_a_name_cannot_become_an_address_or_a_header() -> None:
    written = mail(name='Ana" <otro@example.com>, x\r\nBcc: z@example.com')
    assert "Bcc" not in read(written)
    parsed = message_from_bytes(written.content, policy=policy.default)
    assert [address.addr_spec for address in parsed["From"].addresses] == ["hola@acme.mx"]


def test_html_is_escaped_and_says_the_same() -> None:
    written = mail("1 < 2 & <script>alert(1)</script>\nhttps://acme.mx/?a=1&b=2")
    page = parts(written)[1]
    assert "1 &lt; 2 &amp; &lt;script&gt;" in page
    assert "<script>" not in page
    assert "<br>" in page


def parts(written: Mail) -> list[str]:
    parsed = message_from_bytes(written.content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    return [str(part.get_content()).replace("\r\n", "\n") for part in parsed.iter_parts()]


anything = st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text(), max_size=3))
ids = st.one_of(
    st.from_regex(r"\A<[a-zA-Z0-9.+=_-]{1,120}@[a-z0-9.-]{1,60}>\Z"), st.just(OUTLOOK), st.text(max_size=30), st.integers()
)
contexts = st.fixed_dictionaries(
    {"to": st.just("ana@example.com")},
    optional={
        "name": anything, "subject": anything, "message_id": ids, "references": st.one_of(st.lists(ids, max_size=30), anything),
        "thread": st.one_of(st.just("k7q2mf3a"), anything),
    },
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(contexts, st.text(max_size=300), st.text(max_size=200))
def test_any_context_and_text_make_one_correct_mail(newest: dict[str, Any], text: str, name: str) -> None:
    to = Address(channel="EMAIL", account=OURS.address, user="ana@example.com", context=newest)
    written = compose(to, Outgoing(text=text), "omnicrm:18", OURS, name, NOW)

    lines = written.content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert written.content.isascii()
    for word in re.findall(rb"=\?[^?]+\?[bq]\?[^?]*\?=", written.content.partition(b"\r\n\r\n")[0]):
        assert len(word) <= 75

    parsed = read(written)
    assert not parsed.defects
    assert len(parsed.keys()) == len(set(parsed.keys()))
    assert set(parsed.keys()) <= set(ONCE)
    assert header(written, "Subject").startswith("Re: ")
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", str(parsed["References"] or ""))
    assert len(unfolded) <= 998 - len("References: ")
    assert all(re.fullmatch(r"<[^<>\s]+>", one) for one in unfolded.split())
    given_id = newest.get("message_id")
    if isinstance(given_id, str) and re.fullmatch(r"<[A-Za-z0-9.+=_-]+@[a-z0-9.-]+>", given_id):
        assert parsed["In-Reply-To"] == given_id
        assert unfolded.split()[-1] == given_id

    plain, page = parts(written)
    said = re.sub(r"\r\n?", "\n", text).encode("utf-8", "replace").decode()
    assert plain == said + "\n"
    assert html.escape(said, quote=False).replace("\n", "<br>\n") in page
