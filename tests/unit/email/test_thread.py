"""Which conversation a mail belongs to, how far its sender is trusted there, and where an answer goes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email.compose import compose
from connectors.email.thread import MAX_REFERENCES
from connectors.email.tokens import message_id, thread_of, token, unverified_user
from connectors.message import Address, Outgoing
from tests.unit.email.samples import ANA, NOW, OURS, RECEIVED, SECRET, VERIFIED, inbound, mail

FIRST = "<first-1@mail.example.com>"
THREAD = thread_of(FIRST, ANA)
NOBODY_VOUCHES = (RECEIVED,)
FAILED = (RECEIVED, "Authentication-Results: mx.acme.mx; dmarc=fail header.from=example.com")


def address(raw: bytes, **given: Any) -> Address:
    found = inbound(raw, **given).address
    assert found is not None
    return found


def reply_to(user: str) -> str:
    return f"To: ACME <bot+{token(SECRET, THREAD, user)}@acme.mx>"


def answers(user: str) -> str:
    return f"In-Reply-To: {message_id(SECRET, 'omnicrm:17', THREAD, user, 'acme.mx')}"


# --- conversations ---------------------------------------------------------------------------------------------------------


def test_all_verified_mails_of_a_sender_are_one_conversation() -> None:
    one, other = address(mail()), address(mail("Message-ID: <b@x>", "Subject: Otra", f"References: {FIRST}"))
    assert one.user == other.user == ANA
    assert one.account == "bot@acme.mx"
    assert one.context["thread"] != other.context["thread"]


def test_of_an_unverified_sender_every_thread_is_a_conversation() -> None:
    one = address(mail(above=NOBODY_VOUCHES))
    other = address(mail("Message-ID: <b@x>", above=NOBODY_VOUCHES))
    again = address(mail("Message-ID: <c@x>", "References: <b@x> <z@y>", "In-Reply-To: <z@y>", above=NOBODY_VOUCHES))
    assert one.user == unverified_user(ANA, thread_of("<a1@mail.example.com>", ANA))
    assert other.user == again.user != one.user


def test_the_thread_begins_at_the_oldest_id_that_the_mail_names() -> None:
    def thread(*headers: str) -> str:
        return str(address(mail(*headers)).context["thread"])

    assert thread(f"References: {FIRST} <b@x>", "In-Reply-To: <b@x>") == THREAD
    assert thread(f"In-Reply-To: {FIRST}") == THREAD
    assert thread(f"Message-ID: {FIRST}") == THREAD


@pytest.mark.parametrize("sign", [reply_to(ANA), answers(ANA), f"Delivered-To: bot+{token(SECRET, THREAD, ANA)}@acme.mx",
    f"X-Original-To: bot+{token(SECRET, THREAD, ANA)}@acme.mx", f"Cc: x@y.mx, <bot+{token(SECRET, THREAD, ANA)}@acme.mx>",
    answers(ANA).replace("In-Reply-To:", "References: <x@y>").replace("acme.mx>", "acme.mx> <z@y>")])  # fmt: skip
def test_our_own_sign_names_the_thread_and_vouches_for_its_holder(sign: str) -> None:
    found = address(mail(sign, above=NOBODY_VOUCHES))
    assert (found.user, found.context["thread"]) == (ANA, THREAD)


def test_what_a_provider_cut_out_of_the_recipient_counts_as_well() -> None:
    found = address(mail(above=NOBODY_VOUCHES), rcpt_to=("bot@acme.mx", token(SECRET, THREAD, ANA)))
    assert (found.user, found.context["thread"]) == (ANA, THREAD)


def test_a_sign_of_an_unverified_conversation_leads_back_to_it_and_no_further() -> None:
    user = unverified_user(ANA, THREAD)
    for sign in (reply_to(user), answers(user)):
        event = inbound(mail(sign, above=NOBODY_VOUCHES))
        assert event.address is not None
        assert event.address.user == user
        assert event.contact is not None
        assert event.contact.email is None
        assert event.sender == ANA


def test_a_verified_mail_never_goes_on_with_an_unverified_conversation() -> None:
    # Somebody else may have begun that one in her name.
    found = address(mail(reply_to(unverified_user(ANA, THREAD))))
    assert (found.user, found.context["thread"]) == (ANA, THREAD)


@pytest.mark.parametrize("sign", [reply_to(ANA), answers(ANA), reply_to(unverified_user(ANA, THREAD))])
@pytest.mark.parametrize("above", [NOBODY_VOUCHES, (RECEIVED, VERIFIED.replace("example.com", "eva.mx"))])
def test_somebody_elses_sign_counts_for_nothing(sign: str, above: tuple[str, ...]) -> None:
    found = address(mail(sign, sender="Eva <eva@eva.mx>", above=above))
    assert found.user in ("eva@eva.mx", unverified_user("eva@eva.mx", found.context["thread"]))
    assert found.context["thread"] != THREAD


def test_a_forged_mail_opens_nothing_in_spite_of_a_sign() -> None:
    event = inbound(mail(reply_to(ANA), above=FAILED))
    assert event.silent == "forged"
    assert event.address is not None
    assert event.address.user == unverified_user(ANA, THREAD)


def test_the_newest_of_our_ids_names_the_thread() -> None:
    older = message_id(SECRET, "omnicrm:1", thread_of("<old@x>", ANA), ANA, "acme.mx")
    newer = message_id(SECRET, "omnicrm:2", THREAD, ANA, "acme.mx")
    assert address(mail(f"References: {older} {newer} <z@y>")).context["thread"] == THREAD
    assert address(mail(f"References: {newer} {older}", f"In-Reply-To: {newer}")).context["thread"] == THREAD


@pytest.mark.parametrize("above", [NOBODY_VOUCHES, (RECEIVED, VERIFIED)])
def test_an_answer_to_what_we_compose_comes_back_to_the_conversation(above: tuple[str, ...]) -> None:
    first = address(mail(above=above))
    ours = compose(first, Outgoing(text="Sí tenemos"), "omnicrm:17", OURS, "ACME", NOW)
    headers = dict(line.split(": ", 1) for line in ours.content.decode().split("\r\n\r\n")[0].split("\r\n") if ": " in line)
    for sign in (f"In-Reply-To: {ours.message_id}", f"To: {headers['Reply-To']}"):
        again = address(mail("Message-ID: <a2@x>", sign, above=above))
        assert (again.user, again.context["thread"]) == (first.user, first.context["thread"])


# --- where an answer goes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("named", "above", "to"), [
    ("Compras@mail.example.com", NOBODY_VOUCHES, "Compras@mail.example.com"),
    ("<eva@elsewhere.example>", NOBODY_VOUCHES, ANA),
    ("<eva@elsewhere.example>", None, "eva@elsewhere.example"),
    ("<bot+x@acme.mx>", None, ANA),
    ("a@example.com, b@example.com", None, ANA),
    ("broken@", None, ANA),
    ("", None, ANA),
])  # fmt: skip
def test_reply_to(named: str, above: tuple[str, ...] | None, to: str) -> None:
    raw = mail(f"Reply-To: {named}", above=above) if above else mail(f"Reply-To: {named}")
    assert address(raw).context["to"] == to


def test_a_forged_senders_reply_to_is_not_heard() -> None:
    assert address(mail("Reply-To: eva@elsewhere.example", above=FAILED)).context["to"] == ANA


@pytest.mark.parametrize(("subject", "cleaned"), [
    ("Re: Tu cita", "Tu cita"),
    ("RE: RV: Re[2]: Tu cita", "Tu cita"),
    ("Fwd: tu cita", "tu cita"),
    ("re : Tu cita", "Tu cita"),
    ("Revisar: tu cita", "Revisar: tu cita"),
    ("Recibo", "Recibo"),
    ("Re:", ""),
    ("=?utf-8?q?Re=3A_Cotizaci=C3=B3n?=", "Cotización"),
    ("a\tb", "a b"),
])  # fmt: skip
def test_the_subject_of_the_thread(subject: str, cleaned: str) -> None:
    assert address(mail(f"Subject: {subject}")).context["subject"] == cleaned


def test_references_of_an_answer_keep_the_beginning_and_the_newest() -> None:
    named = [f"<{number}@x>" for number in range(40)]
    assert address(mail("References: " + "\n ".join(named))).context["references"] == [
        "<0@x>", *named[-9:], "<a1@mail.example.com>",
    ]  # fmt: skip
    assert address(mail("In-Reply-To: <p@x>")).context["references"] == ["<p@x>", "<a1@mail.example.com>"]


@settings(deadline=None)
@given(st.lists(st.integers(1, 380), max_size=40))
def test_references_of_an_answer_fit_on_a_line(lengths: list[int]) -> None:
    named = [f"<{number}{'a' * length}@x>" for number, length in enumerate(lengths)]
    references = address(mail("References: " + " ".join(named))).context["references"]
    assert len(" ".join(references)) <= MAX_REFERENCES
    assert references[-1] == "<a1@mail.example.com>"
    assert len(set(references)) == len(references)


def test_an_id_that_no_server_takes_is_left_out() -> None:
    event = inbound(mail(f"Message-ID: <{'a' * 600}@x>", f"References: <{'b' * 600}@x> <c@x>"))
    assert event.platform_id is not None
    assert event.platform_id.startswith("sha256:")
    assert event.address is not None
    assert event.address.context["references"] == ["<c@x>"]
    assert event.address.context["message_id"] is None
