"""Meta's webhooks to events. Pure; never raises on content: what it cannot read becomes a stored `Unsupported`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from connectors.message import Address, AnyEvent, ChannelCode, Fact, Json, Unsupported
from connectors.meta.events import read_item
from connectors.meta.item import Item, Ours
from connectors.values import as_id, as_list, as_milliseconds, as_moment, as_object, as_text, digest, make_key, storable

CHANNELS: dict[str, ChannelCode] = {"instagram": "IG", "page": "FB"}
# Subscription fields whose `changes[].value` is an item of `messaging[]`, in both spellings that Meta uses.
MESSAGING_FIELDS = frozenset({
    "messages", "message_echoes", "message_edit", "message_edits", "message_reactions", "message_reads", "message_deliveries",
    "messaging_postbacks", "messaging_seen", "messaging_referral", "messaging_referrals", "messaging_optins",
    "messaging_handover", "messaging_handovers", "messaging_policy_enforcement", "messaging_account_linking",
    "response_feedback", "standby",
})  # fmt: skip
COMMENT_FIELDS = {
    "comments": "comment", "live_comments": "comment", "mentions": "mention", "mention": "mention", "feed": "feed",
}  # fmt: skip
# The entry id of the App Dashboard's "Test" button.
TEST_ENTRY = "0"


def parse(document: Json, ours: Ours, now: datetime) -> list[AnyEvent]:
    """All events of one delivery, in its order. ``now`` stands in where Meta tells no time, and is part of no key."""
    clean = storable(document)
    return [event for body in (clean if isinstance(clean, list) else [clean]) for event in _body(body, ours, now)]


def _body(body: Json, ours: Ours, now: datetime) -> Iterator[AnyEvent]:
    if not isinstance(body, dict):
        yield _unsupported(body, "not an object", now)
    elif "entry" not in body and "field" in body:
        # Some versions of the App Dashboard's preview post the bare change.
        yield _test_event("unknown", body, now)
    elif as_text(body.get("object")) not in CHANNELS:
        yield _unsupported(body, "unknown object", now)
    elif not as_list(body.get("entry")):
        yield _unsupported(body, "no entries", now)
    else:
        for entry in as_list(body.get("entry")):
            yield from _guarded(entry, partial(_entry, str(body["object"]), entry, ours, now), now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What the items of one entry share."""

    ours: Ours
    webhook_object: str
    account: str
    id: str | None
    moment: datetime


def _entry(webhook_object: str, raw: Json, ours: Ours, now: datetime) -> Iterator[AnyEvent]:
    if not isinstance(raw, dict):
        yield _unsupported(raw, "entry is not an object", now)
        return
    if as_id(raw.get("id")) == TEST_ENTRY:
        yield _test_event(webhook_object, raw, now)
        return
    moment = as_moment(raw.get("time")) or now
    entry = _Entry(
        ours=ours, webhook_object=webhook_object, account=ours.account(webhook_object), id=as_id(raw.get("id")), moment=moment
    )
    # Login with Instagram is documented with the change in the entry itself.
    changes = as_list(raw.get("changes")) or ([raw] if "field" in raw and "value" in raw else [])
    reads = [
        *((item, partial(_item, entry, item, item)) for item in as_list(raw.get("messaging"))),
        *((item, partial(_item, entry, item, item, standby=True)) for item in as_list(raw.get("standby"))),
        *((change, partial(_change, entry, change)) for change in changes),
    ]
    if not reads:
        yield _unsupported(raw, "entry without items", moment)
    for item, read in reads:
        yield from _guarded(item, read, moment)


def _guarded(raw: Json, read: Callable[[], Iterator[AnyEvent]], now: datetime) -> list[AnyEvent]:
    """The events of one item or entry. The last line of defence: it is kept whatever is wrong, and its siblings are read."""
    try:
        return list(read())
    except Exception as error:
        return [_unsupported(raw, f"unreadable: {type(error).__name__}", now)]


def _item(entry: _Entry, value: Json, raw: Json, *, standby: bool = False) -> Iterator[AnyEvent]:
    if not isinstance(value, dict):
        yield _unsupported(raw, "item is not an object", entry.moment)
        return
    moment = as_moment(value.get("timestamp")) or entry.moment
    sender = as_id(as_object(value.get("sender")).get("id"))
    recipient = as_id(as_object(value.get("recipient")).get("id"))
    if not entry.account or entry.account not in (sender, recipient, entry.id):
        yield _unsupported(raw, "unknown account", moment)
        return
    # Normally entry and recipient are ours, on an echo entry and sender. Some deliveries name a customer in the entry, so
    # that sender and recipient go first.
    from_us = sender == entry.account or as_object(value.get("message")).get("is_echo") is True
    customer = recipient if from_us else sender
    address = None
    if customer and customer != entry.account:
        address = Address(channel=CHANNELS[entry.webhook_object], account=entry.account, user=customer)
    yield from read_item(Item(
        ours=entry.ours,
        webhook_object=entry.webhook_object,
        account=entry.account,
        address=address,
        from_us=from_us,
        to_us=recipient == entry.account,
        moment=moment,
        stamp=as_milliseconds(value.get("timestamp")),
        standby=standby,
        value=value,
        raw=raw,
    ))  # fmt: skip


def _change(entry: _Entry, change: Json) -> Iterator[AnyEvent]:
    field = as_text(as_object(change).get("field"))
    value = as_object(change).get("value")
    if field in MESSAGING_FIELDS:
        yield from _item(entry, value, change, standby=field == "standby")
    elif not entry.account or entry.id != entry.account:
        yield _unsupported(change, "unknown account", entry.moment)
    elif field in COMMENT_FIELDS and isinstance(value, dict):
        yield _comment(entry, COMMENT_FIELDS[field], value, change)
    else:
        yield _unsupported(change, f"unknown change: {(field or 'none')[:200]}", entry.moment)


def _comment(entry: _Entry, name: str, value: dict[str, Json], raw: Json) -> Fact:
    comment = as_id(value.get("id")) or as_id(value.get("comment_id"))
    own = as_id(as_object(value.get("from")).get("id")) == entry.account
    # A comment below an advertised post is told twice, with one id.
    occasion = comment if comment and name == "comment" else digest(value)
    return Fact(
        key=make_key(entry.webhook_object, entry.account, name, occasion),
        # Who comments is known under another id than who writes, and under other permissions: no customer of the inbox.
        address=None,
        timestamp=as_moment(value.get("created_time")) or as_moment(value.get("timestamp")) or entry.moment,
        raw=raw,
        name=f"own_{name}" if own else name,
        data=value,
    )


def _test_event(webhook_object: str, entry: dict[str, Json], now: datetime) -> Fact:
    fields = [as_text(as_object(change).get("field")) for change in as_list(entry.get("changes")) or [entry]]
    data = {"object": webhook_object, "fields": [field for field in fields if field]}
    key = make_key(webhook_object, "test_event", digest(entry))
    moment = as_moment(entry.get("time")) or now
    return Fact(key=key, address=None, timestamp=moment, raw=entry, name="test_event", data=data)


def _unsupported(raw: Json, reason: str, now: datetime) -> Unsupported:
    return Unsupported(key=make_key("meta", "unsupported", digest(raw)), address=None, timestamp=now, raw=raw, reason=reason)
