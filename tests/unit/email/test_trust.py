"""Whom we believe: only what our own receiver wrote, and only about the domain in From."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.email.address import aligned, is_public, organisation
from connectors.email.envelope import Envelope, Ours, Trust
from connectors.email.mime import Headers
from connectors.email.trust import trust
from tests.unit.email.samples import NOW, OURS, RECEIVED, inbound, mail

AR = "Authentication-Results"
BORDER = ("Received", "from out.example.com (out.example.com [192.0.2.1]) by mx.acme.mx with ESMTPS; Sun, 22 Nov 2026")
FOREIGN = ("Received", "from laptop by relay.evil.example with ESMTP; Sun, 22 Nov 2026")


def ours(*authserv_ids: str) -> Ours:
    return replace(OURS, authserv_ids=authserv_ids or ("mx.acme.mx",))


def level(*fields: tuple[str, str], domain: str = "example.com", of: Ours | None = None, verdict: Trust | None = None) -> Trust:
    return trust(Headers(list(fields)), Envelope(source="imap", verdict=verdict), of or ours(), domain)


@pytest.mark.parametrize(("results", "expected"), [
    ("dmarc=pass header.from=example.com", "verified"),
    ("dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=Example.COM", "verified"),
    ("dmarc=pass", "verified"),
    ("dmarc=fail (p=none) header.from=example.com", "failed"),
    ("dkim=pass header.d=example.com; dmarc=fail header.from=example.com", "failed"),
    ("dmarc=none header.from=example.com", "unverified"),
    ("dmarc=none; dkim=pass header.d=example.com", "verified"),
    ("dmarc=bestguesspass action=none header.from=example.com", "unverified"),
    ("dmarc=temperror; spf=pass smtp.mailfrom=ana@example.com", "verified"),
    ("dkim=pass header.i=@mail.example.com header.s=s1", "verified"),
    ("dkim=pass header.d=example.com.evil.net", "unverified"),
    ("dkim=pass header.d=notexample.com", "unverified"),
    ("dkim=pass header.d=com", "unverified"),
    ("dkim=fail header.d=example.com", "unverified"),
    ("dkim=pass", "unverified"),
    ("dkim = pass header.d = example.com", "verified"),
    ("dkim/1=pass header.d=example.com", "verified"),
    ('dkim=pass header.d="example.com"', "verified"),
    ("dkim=fail header.d=example.com; dkim=pass header.d=example.com", "verified"),
    ("spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=bounce.example.com", "verified"),
    ("spf=pass smtp.mailfrom=esp.example", "unverified"),
    ("spf=softfail smtp.mailfrom=example.com", "unverified"),
    ("spf=pass smtp.helo=example.com", "unverified"),
    ("none", "unverified"),
    ("", "unverified"),
    # Another reader saw another sender: there are two in From, or it is built to be read twice.
    ("dmarc=pass header.from=evil.example", "unverified"),
    ("dmarc=pass header.from=evil.example; dkim=pass header.d=example.com", "unverified"),
])  # fmt: skip
def test_results_of_our_receiver(results: str, expected: str) -> None:
    assert level(BORDER, (AR, f"mx.acme.mx; {results}")) == expected
    assert level((AR, f"mx.acme.mx 1;\r\n\t{results}"), BORDER) == expected


@pytest.mark.parametrize("results", [
    'spf=pass smtp.mailfrom="x; dmarc=pass header.from=example.com"@evil.example',
    "spf=pass (dmarc=pass; dkim=pass header.d=example.com) smtp.mailfrom=evil.example",
    r'spf=none reason="\"; dmarc=pass header.from=example.com; x=\""; dkim=none',
    "dkim=pass (\\) dmarc=pass) header.d=evil.example",
    "dkim=pass header.d=evil.example header.b=dmarc=pass",
    "dmarc=none header.from=example.com; dmarc=pass header.from=example.com",
])
def test_words_of_the_sender_inside_the_header_prove_nothing(results: str) -> None:
    assert level(BORDER, (AR, f"mx.acme.mx; {results}")) == "unverified"


PASS = (AR, "mx.acme.mx; dmarc=pass header.from=example.com")


@pytest.mark.parametrize("fields", [
    [BORDER, (AR, "mx.acme.mx; spf=softfail; dkim=none"), PASS],
    [(AR, "mx.acme.mx; dkim=none"), BORDER, PASS],
    [BORDER, FOREIGN, PASS],
    [FOREIGN, PASS],
    [BORDER, ("Received", "from x by mx.acme.mx.evil.example"), PASS],
    [BORDER, ("Received", "from x (by mx.acme.mx) with SMTP"), PASS],
    [BORDER, (AR, "mx.evil.example; dmarc=pass header.from=example.com")],
    [BORDER, (AR, "dmarc=pass header.from=example.com")],
    [BORDER, (AR, "mx.acme.mx.evil.example; dmarc=pass header.from=example.com")],
    [BORDER, (AR, "(mx.acme.mx) evil.example; dmarc=pass header.from=example.com")],
    [BORDER, ("ARC-Authentication-Results", "i=1; mx.acme.mx; dmarc=pass header.from=example.com")],
    [BORDER, ("X-Authentication-Results", "mx.acme.mx; dmarc=pass header.from=example.com")],
    [BORDER],
])
def test_headers_that_a_sender_can_write_count_for_nothing(fields: list[tuple[str, str]]) -> None:
    assert level(*fields) == "unverified"


def test_the_name_of_microsoft_is_no_name_that_one_can_write() -> None:
    written = (AR, "microsoft; dmarc=pass header.from=example.com")
    assert level(written, of=ours("microsoft")) == "unverified"


def test_without_a_name_in_the_settings_nothing_is_believed() -> None:
    assert level(BORDER, PASS, of=replace(OURS, authserv_ids=())) == "unverified"


def test_gmail() -> None:
    fields = [
        ("Delivered-To", "bot@acme.mx"),
        ("Received", "by 2002:a05:7208:5507:b0:85:1234:abcd with SMTP id x22csp1234; Sun, 22 Nov 2026 07:15:04 -0800 (PST)"),
        ("X-Received", "by 2002:a17:90b:1234 with SMTP id abc; Sun, 22 Nov 2026 07:15:03 -0800"),
        ("ARC-Authentication-Results", "i=1; mx.google.com; dmarc=pass"),
        ("Received", "from mail-sor-f41.google.com (mail-sor-f41.google.com. [209.85.220.41]) by mx.google.com with SMTPS"),
        (AR, "mx.google.com; dkim=pass header.i=@example.com header.s=s1 header.b=Ab1; spf=pass (google.com: domain of"
             " ana@example.com designates 209.85.220.41 as permitted sender) smtp.mailfrom=ana@example.com;"
             " dmarc=pass (p=REJECT dis=NONE) header.from=example.com"),
        ("Received", "from laptop by smtp.example.com; Sun"),
    ]  # fmt: skip
    assert level(*fields, of=ours("mx.google.com")) == "verified"


def test_microsoft_365() -> None:
    hop = (
        "Received",
        "from DM6NAM11FT066.eop-nam11.prod.protection.outlook.com (2603:10b6:5:100::1) by"
        " DS7PR03CA0044.outlook.office365.com (2603:10b6:5:3b5::19) with Microsoft SMTP Server; Sun, 22 Nov 2026",
    )
    mine = (
        AR,
        "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.com; dkim=pass (signature was verified)"
        " header.d=example.com;dmarc=pass action=none header.from=example.com;compauth=pass reason=100",
    )
    assert level(hop, mine, of=ours("microsoft")) == "verified"
    assert level(hop, mine, of=ours("mx.acme.mx")) == "unverified"
    below = (AR, "dkim=none (message not signed) header.d=none;dmarc=none action=none header.from=example.com;")
    assert level(hop, below, mine, of=ours("microsoft")) == "unverified"


def test_the_providers_own_verdict_stands_for_the_header() -> None:
    assert level(BORDER, PASS, verdict="unverified") == "unverified"
    assert level(BORDER, PASS, verdict="failed") == "failed"
    assert level(verdict="verified") == "verified"


@given(st.lists(st.tuples(st.sampled_from(["received", AR.lower()]), st.text(max_size=200)), max_size=6))
def test_nothing_that_stands_there_raises(fields: list[tuple[str, str]]) -> None:
    assert level(*fields) in ("verified", "unverified", "failed")


@given(st.text(alphabet='dmarc=ps;() "\\\r\n\t.@xhef', max_size=120))
def test_no_word_below_our_receivers_header_changes_it(words: str) -> None:
    genuine = (AR, "mx.acme.mx; spf=none; dkim=none")
    assert level(BORDER, genuine, (AR, f"mx.acme.mx; {words}"), PASS) == "unverified"


@pytest.mark.parametrize(("one", "other", "same"), [
    ("example.com", "example.com", True),
    ("Example.com.", "example.com", True),
    ("mail.example.com", "example.com", True),
    ("example.com.mx", "mail.example.com.mx", True),
    ("a.example.com", "b.example.com", False),
    ("evil.com.mx", "victim.com.mx", False),
    ("evil.com.mx", "com.mx", False),
    ("victim.com", "com", False),
    ("notexample.com", "example.com", False),
    ("evil.onmicrosoft.com", "victim.onmicrosoft.com", False),
    ("", "example.com", False),
    ("", "", False),
])  # fmt: skip
def test_alignment(one: str, other: str, same: bool) -> None:
    assert aligned(one, other) is same
    assert aligned(other, one) is same


def test_domains_of_everybody() -> None:
    assert is_public("mx") and is_public("com.mx") and is_public("co.uk")
    assert not is_public("acme.mx") and not is_public("acme.com.mx")
    assert organisation("mx.acme.com.mx") == "acme.com.mx"
    assert organisation("mx.google.com") == "google.com"


def test_a_failed_mail_is_kept_and_not_answered() -> None:
    event = inbound(mail(above=[RECEIVED, f"{AR}: mx.acme.mx; dmarc=fail header.from=example.com"]))
    assert event.silent == "forged"
    assert event.address is not None
    assert event.address.user.startswith("unverified:")
    assert event.contact is not None
    assert event.contact.email is None
    assert event.timestamp <= NOW
