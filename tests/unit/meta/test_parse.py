"""What parsing promises beyond single payloads: it never raises, never mixes up events, and gives what can be stored."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.message import AnyEvent, Control, Echo, Edit, Inbound, Unsupported, event_to_json
from connectors.meta.events import READERS
from connectors.meta.item import Ours
from connectors.meta.parse import MESSAGING_FIELDS, parse
from connectors.meta.values import as_emoji
from connectors.values import MAX_DEPTH, MAX_KEY, as_milliseconds, decode, storable

PAGE, IG, CUSTOMER = "104098558513421", "17841470026191358", "5360758100663278"
OURS = Ours(instagram=IG, page=PAGE, app="123456789")
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


def item(**keys: Any) -> dict[str, Any]:
    return {"sender": {"id": CUSTOMER}, "recipient": {"id": PAGE}, "timestamp": 1760000000123, **keys}


def body(*items: Any) -> dict[str, Any]:
    return {"object": "page", "entry": [{"id": PAGE, "time": 1760000000500, "messaging": list(items)}]}


def one(*items: Any, ours: Ours = OURS) -> AnyEvent:
    [event] = parse(body(*items), ours, NOW)
    return event


# --- never raises, always storable ---------------------------------------------------------------------------------------

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("\x00\ud800"), st.just(10**80),
    st.sampled_from([PAGE, IG, CUSTOMER, "0", "page", "instagram", 1760000000123, "1760000000", "m_1"]),
)
_names = st.sampled_from([
    *READERS, "object", "entry", "id", "time", "messaging", "standby", "changes", "field", "value", "sender", "recipient",
    "timestamp", "mid", "text", "attachments", "type", "payload", "url", "quick_reply", "reply_to", "story", "is_echo",
    "is_self", "is_deleted", "app_id", "metadata", "watermark", "mids", "emoji", "action", "referral", "new_owner_app_id",
    "num_edit", "title", "sticker_id", "product", "from",
])  # fmt: skip
_json = st.recursive(
    _scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_names, inner, max_size=6)), max_leaves=8
)
_odd_items = st.builds(
    lambda base, extra, dropped: {k: v for k, v in {**base, **extra}.items() if k not in dropped},
    st.just(item()), st.dictionaries(_names, _json, max_size=4), st.sets(st.sampled_from(["sender", "recipient", "timestamp"])),
)
_changes = st.fixed_dictionaries({"field": st.sampled_from([*MESSAGING_FIELDS, "comments", "feed", "x"]), "value": _json})
_odd_bodies = st.builds(
    lambda kind, items, standby, changes: {
        "object": kind, "entry": [{"id": PAGE, "messaging": items, "standby": standby, "changes": changes}]
    },
    st.sampled_from(["page", "instagram"]), st.lists(_odd_items, max_size=3), st.lists(_odd_items, max_size=2),
    st.lists(_changes, max_size=2),
)


def assert_storable(events: list[AnyEvent]) -> None:
    for event in events:
        written = json.dumps(event_to_json(event), allow_nan=False)
        assert "\\u0000" not in written
        written.encode()
        json.loads(written)
        assert not any(0xD800 <= ord(sign) < 0xE000 for sign in "".join(_strings(event_to_json(event))))
        assert 0 < len(event.key) <= MAX_KEY
        assert event.timestamp.tzinfo is not None
        assert event.address is None or 0 < len(event.address.user) <= 255
        assert event.address is None or event.address.user != event.address.account


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _strings(part)]
    return [text for part in value for text in _strings(part)] if isinstance(value, (list, tuple)) else []


@settings(max_examples=60, deadline=None)
@given(_json)
def test_any_json_gives_events_that_can_be_stored(document: Any) -> None:
    assert_storable(parse(document, OURS, NOW))


@settings(max_examples=60, deadline=None)
@given(_odd_bodies)
def test_any_item_in_a_right_envelope_gives_events_that_can_be_stored(document: Any) -> None:
    assert_storable(parse(document, OURS, NOW))


@settings(max_examples=30, deadline=None)
@given(st.lists(_odd_items, max_size=3), st.lists(_odd_items, max_size=3))
def test_a_good_message_is_read_whatever_is_beside_it(before: list[Any], after: list[Any]) -> None:
    good = item(message={"mid": "m_good_one", "text": "hola"})
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
        b'{"object":"page","entry":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"object":"page","entry":[{"id":' + b"9" * 10_000 + b"}]}",
        b'{"object":"page","entry":[{"id":"1","time":1e999}]}',
        b'"text"',
        b"null",
        b"[]",
    ],
    ids=["deep", "deep inside", "huge number", "infinite", "text", "null", "nothing"],
)
def test_extreme_json_is_kept_as_unsupported(data: bytes) -> None:
    events = parse(decode(data), OURS, NOW)
    assert_storable(events)
    assert all(isinstance(event, Unsupported) for event in events)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\xfa", b"NaN", b'{"a": Infinity}', b"object=page"])
def test_what_is_not_json_is_said_so(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode(data)


def test_deep_raw_is_cut_where_no_writer_would_follow() -> None:
    deep: Any = "bottom"
    for _ in range(500):
        deep = {"payload": deep}
    event = one(item(message={"mid": "m_1", "text": "hola", "x": deep}))
    assert isinstance(event, Inbound) and event.text == "hola"
    assert json.dumps(event.raw).count("{") <= MAX_DEPTH + 4
    assert "nested too deeply" in json.dumps(event.raw)


# --- keys ----------------------------------------------------------------------------------------------------------------


def test_one_message_id_in_many_kinds_of_event_has_as_many_keys() -> None:
    us, them = {"id": PAGE}, {"id": CUSTOMER}
    items = [
        item(message={"mid": "m_1", "text": "hola"}),
        item(message={"mid": "m_1", "is_deleted": True}),
        item(message_edit={"mid": "m_1", "text": "hola 1", "num_edit": 1}),
        item(message_edit={"mid": "m_1", "text": "hola 2", "num_edit": "2"}),
        item(reaction={"mid": "m_1", "action": "react", "emoji": "❤️"}),
        item(reaction={"mid": "m_1", "action": "unreact", "emoji": "❤️"}),
        item(reaction={"mid": "m_1", "action": "react", "emoji": "😂"}),
        item(read={"mid": "m_1"}),
        item(delivery={"mids": ["m_1"]}),
        item(postback={"mid": "m_1", "title": "t"}),
        {"sender": us, "recipient": them, "timestamp": 1760000000123, "message": {"mid": "m_1", "is_echo": True}},
    ]
    keys = [event.key for event in parse(body(*items), OURS, NOW)]
    assert len(set(keys)) == len(items)


def test_messenger_and_instagram_keep_apart_keys_and_customers() -> None:
    there = {**item(message={"mid": "m_1", "text": "hola"}), "recipient": {"id": IG}}
    [first] = parse(body(item(message={"mid": "m_1", "text": "hola"})), OURS, NOW)
    [second] = parse({"object": "instagram", "entry": [{"id": IG, "messaging": [there]}]}, OURS, NOW)
    assert first.key != second.key
    assert first.address and second.address
    assert (first.address.key, second.address.key) == (f"fb:{PAGE}:{CUSTOMER}", f"ig:{IG}:{CUSTOMER}")


def test_long_message_ids_that_differ_at_the_end_have_different_keys() -> None:
    first, second = (one(item(message={"mid": "a" * 1000 + end, "text": "hola"})) for end in "12")
    assert first.key != second.key
    assert isinstance(first, Inbound) and first.platform_id is None


# --- who we are ----------------------------------------------------------------------------------------------------------


def test_without_our_app_id_the_direction_of_a_handover_tells_who_holds_the_thread() -> None:
    unnamed = Ours(page=PAGE)
    passed = one(item(pass_thread_control={"new_owner_app_id": "77"}), ours=unnamed)
    taken = one(item(take_thread_control={"new_owner_app_id": "77"}), ours=unnamed)
    inbox = one(item(pass_thread_control={"new_owner_app_id": "263902037430900"}), ours=unnamed)
    assert [event.holder for event in (passed, taken, inbox) if isinstance(event, Control)] == ["bot", "other", "other"]


def test_without_our_app_id_an_unknown_app_in_an_echo_is_not_judged() -> None:
    echo = {"sender": {"id": PAGE}, "recipient": {"id": CUSTOMER}, "message": {"mid": "m_1", "is_echo": True, "app_id": 77}}
    event = one(echo, ours=Ours(page=PAGE))
    assert isinstance(event, Echo) and event.own_app is None


@pytest.mark.parametrize("app", ["263902037430900", "26390203743090", "1217981644879628"])
def test_without_our_app_id_metas_own_inboxes_are_people(app: str) -> None:
    message = {"mid": "m_1", "is_echo": True, "app_id": int(app)}
    event = one({"sender": {"id": PAGE}, "recipient": {"id": CUSTOMER}, "message": message}, ours=Ours(page=PAGE))
    assert isinstance(event, Echo) and event.own_app is False


def test_our_reference_in_an_echo_makes_it_ours_whatever_the_app_id_says() -> None:
    message = {"mid": "m_1", "is_echo": True, "app_id": 77, "metadata": "omnicrm:8"}
    event = one({"sender": {"id": PAGE}, "recipient": {"id": CUSTOMER}, "message": message})
    assert isinstance(event, Echo) and event.own_app is True and event.reference == "omnicrm:8"


def test_a_channel_that_is_not_set_up_is_an_unknown_account() -> None:
    event = one(item(message={"mid": "m_1", "text": "hola"}), ours=Ours(instagram=IG))
    assert isinstance(event, Unsupported) and event.reason == "unknown account" and event.address is None


# --- values --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "milliseconds"),
    [
        (1760000000123, 1760000000123),
        (1760000000, 1760000000000),
        ("1527459824", 1527459824000),
        (1760000000.5, 1760000000500),
        (0, None), (-5, None), (True, None), ("soon", None), (10**30, None), (None, None), ("9" * 70, None),
        (float("nan"), None),
    ],
)  # fmt: skip
def test_times_in_all_forms(given_: Any, milliseconds: int | None) -> None:
    assert as_milliseconds(given_) == milliseconds


@pytest.mark.parametrize(
    ("written", "emoji"),
    [
        (r"\u{2764}\u{FE0F}", "❤️"),
        ("❤️", "❤️"),
        (r"\u{1F602}", "😂"),
        (r"\u{FFFFFF}", r"\u{FFFFFF}"),
        (r"\u{0}", "\ufffd"),
        (7, None),
    ],
)
def test_emoji_in_both_forms(written: Any, emoji: str | None) -> None:
    assert as_emoji(written) == emoji


@pytest.mark.parametrize("sticker", [369239263222822, "369239343222814", 369239383222810], ids=["small", "medium", "large"])
def test_a_thumb_of_any_size_says_yes(sticker: int | str) -> None:
    payload = {"url": "https://x", "sticker_id": sticker}
    event = one(item(message={"mid": "m_1", "attachments": [{"type": "image", "payload": payload}]}))
    assert isinstance(event, Inbound) and event.text == "👍"


def test_broken_text_is_mended_and_good_text_stays() -> None:
    assert storable({"á\x00": ["👩‍👧", "\ud83d", "\ud83d\ude00", 1.5, None, True]}) == {
        "á\ufffd": ["👩‍👧", "\ufffd", "😀", 1.5, None, True]
    }


def test_an_edit_tells_the_new_text() -> None:
    event = one(item(message_edit={"mid": "m_1", "text": "mejor dos", "num_edit": 3}))
    assert isinstance(event, Edit) and (event.platform_id, event.text) == ("m_1", "mejor dos")
