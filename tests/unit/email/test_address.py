"""Addresses: one reading of who wrote, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.email.address import MAX_ADDRESS, is_ours, mailboxes, normalise, recipients
from tests.unit.email.samples import OURS


@pytest.mark.parametrize(("written", "normal"), [
    ("Ana@Example.COM", "ana@example.com"),
    (" ana@example.com. ", "ana@example.com"),
    ("ana+x@example.com", "ana+x@example.com"),
    ("ana@ñandú.example", "ana@xn--and-6ma2c.example"),
    ("ñ@example.com", "ñ@example.com"),
    ("n\u0303@example.com", "ñ@example.com"),
    ("o'hara@example.com", "o'hara@example.com"),
])  # fmt: skip
def test_an_address_is_compared_in_one_form(written: str, normal: str) -> None:
    assert normalise(written) == normal


@pytest.mark.parametrize("written", [
    "", "ana", "ana@", "@example.com", "a b@example.com", "ana@exa mple.com", '"ana"@example.com', "ana@[192.0.2.1]",
    "a@b@c.mx",
    "ana@-example.com", "ana@example..com", "ana\n@example.com", "ana@example.com\nBcc: x", "<ana@example.com>",
    "ana;b@example.com",
    "a" * 65 + "@example.com", "a@" + "b." * 127 + "mx",
    "a" * 60 + "@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60, "ana@\u2603\u0000.mx",
])  # fmt: skip
def test_what_is_no_address_is_none(written: str) -> None:
    assert normalise(written) is None


@pytest.mark.parametrize(("header", "people"), [
    ("ana@example.com", [("ana@example.com", "")]),
    ("Ana Pérez <ana@example.com>", [("ana@example.com", "Ana Pérez")]),
    ("=?UTF-8?Q?Ana_P=C3=A9rez?= <ana@example.com>", [("ana@example.com", "Ana Pérez")]),
    ('"Pérez, Ana" <ana@example.com>', [("ana@example.com", "Pérez, Ana")]),
    ("Pérez, Ana <ana@example.com>", [("ana@example.com", "Pérez, Ana")]),
    (r'"Ana \"la jefa\"" <ana@example.com>', [("ana@example.com", 'Ana "la jefa"')]),
    ("ana@example.com (Ana)", [("ana@example.com", "Ana")]),
    ("ana@example.com (Ana (la (jefa)))", [("ana@example.com", "Ana (la (jefa))")]),
    ("<ana@example.com>,eva@example.com", [("ana@example.com", ""), ("eva@example.com", "")]),
    ("ana@example.com; eva@example.com", [("ana@example.com", ""), ("eva@example.com", "")]),
    ("amigos: ana@example.com, eva@example.com;", [("ana@example.com", ""), ("eva@example.com", "")]),
    ("undisclosed-recipients:;", []),
    ("", []),
    # A name that is an address is there to be taken for the sender.
    ('"ceo@victim.example" <ana@example.com>', [("ana@example.com", "")]),
    ("ceo@victim.example <ana@example.com>", [("ana@example.com", "")]),
    ("ANA <ANA@EXAMPLE.COM>", [("ana@example.com", "ANA")]),
])  # fmt: skip
def test_people_in_a_header(header: str, people: list[tuple[str, str]]) -> None:
    assert [(mailbox.normal, mailbox.name) for mailbox in mailboxes(header)] == people


@pytest.mark.parametrize("header", [
    "alice@example.org)bob@example.com", "a@b.mx c@d.mx", "<a@b.mx> <c@d.mx>", "<a@b.mx", 'Ana "x <a@b.mx>', "(x a@b.mx",
    "<>", "a@b.mx>",
    "<a@b.mx>: c@d.mx", "a@@b.mx", "<@relay.mx:a@b.mx>", "\\a@b.mx",
])  # fmt: skip
def test_what_two_readers_could_read_differently_is_refused(header: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - no message is promised
        mailboxes(header)


@given(st.text(alphabet='ab@.<>(),;:"\\ =?\n', max_size=60))
def test_any_header_is_read_or_refused(header: str) -> None:
    try:
        found = mailboxes(header)
    except ValueError:
        found = []
    assert all(mailbox.normal == normalise(mailbox.normal) and len(mailbox.normal) <= MAX_ADDRESS for mailbox in found)
    assert recipients([header, "ana@example.com"])[-1].normal == "ana@example.com"


@pytest.mark.parametrize(("address", "ours"), [
    ("bot@acme.mx", True),
    ("ventas@acme.mx", True),
    ("bot+c-abcdefghabcdefghijkl@acme.mx", True),
    ("bot+anything@acme.mx", True),
    ("bot2@acme.mx", False),
    ("bot@acme.mx.evil.example", False),
    ("bot-anything@acme.mx", False),
    ("ana@example.com", False),
])  # fmt: skip
def test_who_we_are(address: str, ours: bool) -> None:
    assert is_ours(address, OURS) is ours


def test_who_we_are_with_another_separator() -> None:
    dashed = replace(OURS, separator="-", address="Bot@Acme.mx")
    assert is_ours("bot-c-abcdefghabcdefghijkl@acme.mx", dashed)
    assert not is_ours("bot-team@acme.mx", dashed)
