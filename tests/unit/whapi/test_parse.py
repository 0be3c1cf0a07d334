"""What parsing promises beyond single payloads: it never raises, never mixes up events, and gives what can be stored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.message import AccountState, AnyEvent, Echo, Fact, Inbound, Receipt, Unsupported, event_to_json
from connectors.values import MAX_DEPTH, MAX_KEY, as_moment, decode
from connectors.whapi import content
from connectors.whapi.item import Ours
from connectors.whapi.parse import READERS, parse

CHANNEL, CUSTOMER = "MANTIS-M72HC", "5215512345678"
OURS = Ours(channel=CHANNEL, number="+525599990000")
NOW = datetime(2025, 11, 22, 8, 30, tzinfo=timezone.utc)
SENT = 1763800000


def message(**keys: Any) -> dict[str, Any]:
    base = {"id": "m_1-aaaa", "from_me": False, "type": "text", "chat_id": f"{CUSTOMER}@s.whatsapp.net", "from": CUSTOMER}
    return {**base, "timestamp": SENT, "source": "mobile", "text": {"body": "hola"}, **keys}


def body(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), "event": {"type": "messages", "event": "post"}, "channel_id": CHANNEL, **more}


def one(*messages: Any, ours: Ours = OURS, now: datetime = NOW) -> AnyEvent:
    [event] = parse(body(*messages), ours, now)
    return event


# --- never raises, always storable ---------------------------------------------------------------------------------------

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("\x00\ud800"), st.just(10**80),
    st.sampled_from([
        CUSTOMER, f"{CUSTOMER}@s.whatsapp.net", "69385314111689@lid", "1203631@g.us", "status@broadcast", "m_1-aaaa", "AUTH",
        "QR", "post", "delete", "reaction", "edit", "vote", "delivered", "mobile", "api", "system", SENT, str(SENT), CHANNEL,
    ]),
)  # fmt: skip
_names = st.sampled_from([
    *READERS, *content.READERS, *content.PROTOCOL, "event", "channel_id", "method", "id", "chat_id", "from", "from_me", "type",
    "source", "timestamp", "from_name", "body", "caption", "link", "action", "target", "votes", "emoji", "edited_content",
    "buttons_reply", "list_reply", "title", "context", "quoted_id", "mentions", "quoted_author", "ad", "status",
    "recipient_id", "viewer_id", "before_update", "after_update", "trigger", "changes", "poll", "results", "voters", "name",
    "uptime", "list",
])  # fmt: skip
_json = st.recursive(
    _scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_names, inner, max_size=6)), max_leaves=8
)
_types = st.sampled_from([*content.READERS, *content.PROTOCOL, "action", "poll_update", "hologram"])
_odd_messages = st.builds(
    lambda kind, value, extra, dropped: {
        name: item for name, item in {**message(type=kind), kind: value, **extra}.items() if name not in dropped
    },
    _types, _json, st.dictionaries(_names, _json, max_size=4), st.sets(st.sampled_from(["id", "chat_id", "from", "timestamp"])),
)
_odd_bodies = st.builds(
    lambda messages, extra, verb: {**body(*messages), **extra, "event": {"event": verb}, "channel_id": CHANNEL},
    st.lists(_odd_messages, max_size=3),
    st.dictionaries(st.sampled_from(sorted(READERS)), _json, max_size=3),
    st.sampled_from(["post", "put", "patch", "delete", "", 7]),
)
_ours = st.builds(
    Ours, channel=st.just(CHANNEL), number=st.sampled_from(["", "+525599990000"]), groups=st.sampled_from(["off", "mentioned"])
)


def assert_storable(events: list[AnyEvent]) -> None:
    for event in events:
        document = event_to_json(event)
        written = json.dumps(document, allow_nan=False)
        assert "\\u0000" not in written
        assert not any(0xD800 <= ord(sign) < 0xE000 for sign in "".join(_strings(document)))
        assert 0 < len(event.key) <= MAX_KEY
        assert event.timestamp.tzinfo is not None
        assert event.address is None or 0 < len(event.address.user) <= 255
        assert event.address is None or "chat_id" in event.address.context
        assert not isinstance(event, (Inbound, Echo)) or event.address is not None


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _strings(part)]
    return [text for part in value for text in _strings(part)] if isinstance(value, (list, tuple)) else []


@settings(max_examples=100, deadline=None)
@given(_json, _ours)
def test_any_json_gives_events_that_can_be_stored(document: Any, ours: Ours) -> None:
    assert_storable(parse(document, ours, NOW))


@settings(max_examples=200, deadline=None)
@given(_odd_bodies, _ours)
def test_any_item_in_a_right_envelope_gives_events_that_can_be_stored(document: Any, ours: Ours) -> None:
    events = parse(document, ours, NOW)
    assert_storable(events)
    # None of them hit the last line of defence: each odd form has its own answer.
    assert not [event for event in events if isinstance(event, Unsupported) and event.reason.startswith("unreadable")]


@settings(max_examples=50, deadline=None)
@given(st.lists(_odd_messages, max_size=3), st.lists(_odd_messages, max_size=3))
def test_a_good_message_is_read_whatever_is_beside_it(before: list[Any], after: list[Any]) -> None:
    good = message(id="m_good-one")
    assert one(good) in parse(body(*before, good, *after), OURS, NOW)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_are_json_or_a_value_error(data: bytes) -> None:
    try:
        document = decode(data)
    except ValueError:
        return
    assert_storable(parse(document, OURS, NOW))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"messages":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"messages":[{"id":' + b"9" * 10_000 + b"}]}",
        b'{"messages":[{"timestamp":1e999}]}',
        b'"text"',
        b"null",
        b"{}",
    ],
    ids=["deep", "deep inside", "huge number", "infinite", "text", "null", "nothing"],
)
def test_extreme_json_is_kept_as_unsupported(data: bytes) -> None:
    events = parse(decode(data), OURS, NOW)
    assert_storable(events)
    assert events and all(isinstance(event, Unsupported) for event in events)


def test_deep_raw_is_cut_where_no_writer_would_follow() -> None:
    deep: Any = "bottom"
    for _ in range(500):
        deep = {"payload": deep}
    event = one(message(extra=deep))
    assert isinstance(event, Inbound) and event.text == "hola"
    assert json.dumps(event.raw).count("{") <= MAX_DEPTH + 4


# --- keys ----------------------------------------------------------------------------------------------------------------


def test_one_message_id_in_many_kinds_of_event_has_as_many_keys() -> None:
    def act(name: str) -> dict[str, Any]:
        done = {"type": name, "target": "m_1-aaaa", "edited_content": {"body": "x"}, "emoji": "👍"}
        return message(type="action", action=done)

    told = {
        **body(message(), message(from_me=True), act("reaction"), act("edit"), act("delete"), act("vote"), act("pin")),
        "statuses": [{"id": "m_1-aaaa", "status": status} for status in ("delivered", "read", "failed", "deleted")],
        "messages_removed": ["m_1-aaaa"],
    }
    keys = [event.key for event in parse(told, OURS, NOW)]
    assert len(set(keys)) == len(keys) == 12


def test_two_channels_never_share_a_key_or_a_customer() -> None:
    other = replace(OURS, channel="LYNX-AAAAA")
    here = one(message())
    [there] = parse({**body(message()), "channel_id": "LYNX-AAAAA"}, other, NOW)
    assert here.address and there.address
    assert here.key != there.key and here.address.key != there.address.key


def test_very_long_ids_that_differ_at_the_end_have_different_keys() -> None:
    first, second = (one(message(id="a" * 1000 + end)) for end in "12")
    assert first.key != second.key
    assert isinstance(first, Inbound) and first.platform_id is None


def test_a_voter_who_changes_their_mind_is_heard_and_one_who_repeats_is_not() -> None:
    def vote(*votes: str) -> str:
        return one(message(type="action", action={"type": "vote", "target": "p_1-aaaa", "votes": list(votes)})).key

    assert vote("a") != vote("b")
    assert vote("a", "b") == vote("b", "a")


# --- who is answered -----------------------------------------------------------------------------------------------------


def test_how_old_a_message_may_be_is_a_setting() -> None:
    ours = replace(OURS, stale_seconds=60.0)
    sent = datetime.fromtimestamp(SENT, timezone.utc)
    fresh, stale = (one(message(), ours=ours, now=sent + timedelta(seconds=age)) for age in (60, 61))
    assert isinstance(fresh, Inbound) and fresh.silent is None
    assert isinstance(stale, Inbound) and stale.silent == "stale"


@pytest.mark.parametrize("kind", sorted(content.PROTOCOL))
def test_protocol_noise_is_kept_and_never_answered(kind: str) -> None:
    assert isinstance(one(message(type=kind)), Fact)


@pytest.mark.parametrize("kind", ["hologram", "", None, 7])
def test_only_types_that_are_listed_are_answered(kind: Any) -> None:
    event = one(message(type=kind))
    assert isinstance(event, Unsupported) and "without content that we know" in event.reason


@pytest.mark.parametrize("chat_id", ["status@broadcast", "120363@newsletter", "1234567890@broadcast", "1203631@g.us"])
@pytest.mark.parametrize("from_me", [True, False])
def test_what_is_no_conversation_of_ours_makes_no_customer(chat_id: str, from_me: bool) -> None:
    event = one(message(chat_id=chat_id, from_me=from_me))
    assert isinstance(event, Fact) and event.address is None


@pytest.mark.parametrize("chat_id", [f"{CUSTOMER}@s.whatsapp.net", "1203631@g.us"])
def test_a_notice_to_the_staff_makes_nobody_a_customer(chat_id: str) -> None:
    ours = replace(OURS, groups="mentioned", staff=frozenset({"+525512345678", "1203631@g.us"}))
    event = one(message(chat_id=chat_id, from_me=True, source="api"), ours=ours)
    assert isinstance(event, Fact) and (event.name, event.address) == ("notice", None)
    assert isinstance(one(message(chat_id=chat_id, from_me=True, source="mobile"), ours=ours), Echo)
    # With whoever is told nothing, it is the echo of an answer.
    assert isinstance(one(message(from_me=True, source="api", chat_id="5215500000000@s.whatsapp.net"), ours=ours), Echo)


def test_without_our_number_nobody_can_mention_us() -> None:
    ours = Ours(channel=CHANNEL, groups="mentioned")
    event = one(message(chat_id="1203631@g.us", context={"mentions": [""], "quoted_author": ""}), ours=ours)
    assert isinstance(event, Fact)


@pytest.mark.parametrize("mention", ["525599990000", "5215599990000", "5215599990000@s.whatsapp.net"])
def test_a_mention_counts_in_every_spelling_of_our_number(mention: str) -> None:
    words = f"oye @{mention.partition('@')[0]} ¿abren hoy?"
    event = one(
        message(chat_id="1203631@g.us", text={"body": words}, context={"mentions": [mention]}),
        ours=replace(OURS, groups="mentioned"),
    )
    assert isinstance(event, Inbound) and event.text == "oye  ¿abren hoy?"
    assert event.contact is None or event.contact.phone is None


@pytest.mark.parametrize(
    ("source", "own_app"),
    [
        ("mobile", False), ("web", False), ("api", None), ("business_api", None), ("unknown", None), ("", None), (None, None),
        (7, None),
    ],
)  # fmt: skip
def test_who_wrote_from_our_number_is_told_only_where_it_is_certain(source: Any, own_app: bool | None) -> None:
    event = one(message(from_me=True, source=source))
    assert isinstance(event, Echo) and event.own_app is own_app


def test_only_a_linked_number_is_able_to_send() -> None:
    for word in ("AUTH", "auth", "QR", "INIT", "LAUNCH", "STOP", "NOT_INIT", "ERROR", "SYNC_ERROR", "NEW"):
        [event] = parse({"health": {"uptime": 5, "status": {"text": word}}, "channel_id": CHANNEL}, OURS, NOW)
        assert isinstance(event, AccountState)
        assert (event.ok, event.account) == (word.upper() == "AUTH", CHANNEL)
        assert bool(event.reason) is not event.ok


def test_a_receipt_names_the_message_and_the_customer() -> None:
    status = {"id": "m_1-aaaa", "status": "read", "recipient_id": f"{CUSTOMER}@s.whatsapp.net", "timestamp": str(SENT)}
    [event] = parse({"statuses": [status], "channel_id": CHANNEL}, OURS, NOW)
    assert isinstance(event, Receipt) and event.address
    assert (event.status, event.platform_ids, event.address.user) == ("read", ("m_1-aaaa",), "+525512345678")


# --- values --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        (SENT, SENT), (str(SENT), SENT), (float(SENT), SENT), (SENT * 1000, SENT), (0, None), (-5, None), (True, None),
        ("soon", None), (10**30, None), (None, None), ("9" * 70, None), (float("nan"), None),
    ],
)  # fmt: skip
def test_times_in_all_forms(given_: Any, seconds: int | None) -> None:
    moment = as_moment(given_)
    assert (moment.timestamp() if moment else None) == seconds
