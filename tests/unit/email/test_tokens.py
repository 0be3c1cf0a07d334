"""Reply tokens and Message-IDs of ours: they say what they said, to the one whom they were made for, and to nobody else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.email.tokens import (
    looks_like_ours,
    message_id,
    own_ids_in,
    read_message_id,
    read_token,
    thread_of,
    token,
    unverified_user,
    without_token,
)

SECRET = b"a secret of this shop"
DOMAIN = "acme.mx"
addresses = st.from_regex(r"[a-z0-9.]{1,20}@[a-z0-9]{1,10}\.(mx|com)", fullmatch=True)
roots = st.text(min_size=1, max_size=60)


@given(roots, addresses)
def test_a_thread_is_eight_characters_that_survive_any_server(root: str, sender: str) -> None:
    assert re.fullmatch(r"[a-z2-7]{8}", thread_of(root, sender))


@given(roots, addresses, addresses)
def test_two_senders_never_share_a_thread(root: str, one: str, other: str) -> None:
    assert (thread_of(root, one) == thread_of(root, other)) == (one == other)


@given(roots, addresses, st.booleans())
def test_a_token_tells_thread_and_user_to_its_sender(root: str, sender: str, verified: bool) -> None:
    thread = thread_of(root, sender)
    user = sender if verified else unverified_user(sender, thread)
    written = token(SECRET, thread, user)
    assert re.fullmatch(r"c-[a-z2-7]{20}", written)
    for recipient in (f"bot+{written}@acme.mx", f"bot-{written}@acme.mx", written, f"BOT+{written.upper()}@ACME.MX"):
        assert read_token(SECRET, recipient, sender) == (thread, user)


@given(roots, addresses, addresses, st.booleans())
def test_a_token_never_verifies_for_somebody_else(root: str, sender: str, stranger: str, verified: bool) -> None:
    thread = thread_of(root, sender)
    written = token(SECRET, thread, sender if verified else unverified_user(sender, thread))
    assert (read_token(SECRET, f"bot+{written}@acme.mx", stranger) is not None) == (stranger == sender)


@given(roots, addresses, st.integers(2, 21), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_changed_token_never_verifies(root: str, sender: str, at: int, sign: str) -> None:
    written = token(SECRET, thread_of(root, sender), sender)
    changed = written[:at] + sign + written[at + 1 :]
    assert (read_token(SECRET, f"bot+{changed}@acme.mx", sender) is not None) == (changed == written)


def test_a_token_of_another_secret_never_verifies() -> None:
    assert read_token(b"another", token(SECRET, "abcdefgh", "ana@example.com"), "ana@example.com") is None


def test_the_trust_in_a_token_cannot_be_raised() -> None:
    low = token(SECRET, "abcdefgh", unverified_user("ana@example.com", "abcdefgh"))
    high = token(SECRET, "abcdefgh", "ana@example.com")
    assert low != high
    assert read_token(SECRET, low, "ana@example.com") == ("abcdefgh", "unverified:ana@example.com:abcdefgh")


@pytest.mark.parametrize("recipient", [
    "bot@acme.mx", "", "c-", "bot+c-abcdefgh@acme.mx", "bot+c-abcdefghABCDEFGHIJKL1@acme.mx",
    "bot+xc-abcdefghabcdefghijkl@acme.mx", "c-abcdefghabcdefghijkl.more@acme.mx", "\x00", "ü" * 100,
])  # fmt: skip
def test_what_is_no_token_is_none(recipient: str) -> None:
    assert read_token(SECRET, recipient, "ana@example.com") is None


@given(st.integers(0, 10**18 - 1), roots, addresses, st.booleans())
def test_a_message_id_tells_reference_thread_and_user(number: int, root: str, sender: str, verified: bool) -> None:
    thread = thread_of(root, sender)
    user = sender if verified else unverified_user(sender, thread)
    written = message_id(SECRET, f"omnicrm:{number}", thread, user, "Acme.mx")
    assert written == message_id(SECRET, f"omnicrm:{number}", thread, user, DOMAIN)
    own = read_message_id(SECRET, f" {written.upper()} ", DOMAIN, ["nobody@example.com", sender])
    assert own is not None
    assert (own.message_id, own.reference, own.thread, own.user) == (written, f"omnicrm:{number}", thread, user)
    assert looks_like_ours(written, DOMAIN)
    assert own_ids_in(f"Message-ID: {written}\n{written}x", DOMAIN) == [written, written]


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_number_in_a_message_id_is_signed(number: int, other: int) -> None:
    written = message_id(SECRET, f"omnicrm:{number}", "abcdefgh", "ana@example.com", DOMAIN)
    changed = written.replace(f"<m-{number}.", f"<m-{other}.")
    assert (read_message_id(SECRET, changed, DOMAIN, ["ana@example.com"]) is not None) == (number == other)


def test_a_message_id_is_nobody_elses_and_of_no_other_domain() -> None:
    written = message_id(SECRET, "omnicrm:5", "abcdefgh", "ana@example.com", DOMAIN)
    assert read_message_id(SECRET, written, DOMAIN, ["eva@example.com"]) is None
    assert read_message_id(SECRET, written, DOMAIN, []) is None
    assert read_message_id(SECRET, written, "other.mx", ["ana@example.com"]) is None
    assert not looks_like_ours(written, "other.mx")


def test_a_reply_token_is_not_a_message_id_and_the_reverse() -> None:
    reply = token(SECRET, "abcdefgh", "ana@example.com")
    assert read_message_id(SECRET, f"<m-5.{reply}@{DOMAIN}>", DOMAIN, ["ana@example.com"]) is None
    written = message_id(SECRET, "omnicrm:5", "abcdefgh", "ana@example.com", DOMAIN)
    assert read_token(SECRET, written[5:27] + "@acme.mx", "ana@example.com") is None


@pytest.mark.parametrize("reference", [
    "", "5x", "omnicrm:", "omnicrm:-1", "omnicrm: 5", "omnicrm:05", "omnicrm:1" + "0" * 18, "x:5",
])  # fmt: skip
def test_only_our_references_become_message_ids(reference: str) -> None:
    with pytest.raises(ValueError, match="reference"):
        message_id(SECRET, reference, "abcdefgh", "ana@example.com", DOMAIN)


@pytest.mark.parametrize(("local", "separator", "base"), [
    ("bot+c-abcdefghabcdefghijkl", "+", "bot"),
    ("bot-c-abcdefghabcdefghijkl", "-", "bot"),
    ("bot-team", "-", "bot-team"),
    ("bot+c-abcdefgh", "+", "bot+c-abcdefgh"),
    ("c-abcdefghabcdefghijkl", "+", "c-abcdefghabcdefghijkl"),
])  # fmt: skip
def test_a_token_is_taken_off_a_local_part(local: str, separator: str, base: str) -> None:
    assert without_token(local, separator) == base
