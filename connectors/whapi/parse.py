"""Whapi's webhooks to events. Pure; never raises on content: what it cannot read becomes a stored `Unsupported`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import TypeAlias

from connectors.message import AccountState, AnyEvent, Json, Receipt, Unsupported
from connectors.values import as_id, as_list, as_object, as_text, digest, make_key, storable
from connectors.whapi.actions import read_removal, read_update
from connectors.whapi.identity import read_chat
from connectors.whapi.item import Call, Ours
from connectors.whapi.messages import read_message
from connectors.whapi.state import UNLINKED, State, state_of

_Reader: TypeAlias = Callable[[Call, Json], Iterator[AnyEvent]]

# `pending` and `sent` say what the answer to our request said; they would only fill the database.
STATUSES = {"failed": "failed", "delivered": "delivered", "read": "read", "played": "read"}
KNOWN_ALREADY = frozenset({"pending", "sent"})


def parse(document: Json, ours: Ours, now: datetime, method: str = "") -> list[AnyEvent]:
    """All events of one call, in its order. ``now`` stands in where Whapi tells no time.

    ``method``: the event's verb where the address or the HTTP method told it; the body's own word goes first.
    """
    clean = storable(document)
    bodies = clean if isinstance(clean, list) else [clean]
    return [event for body in bodies for event in _guarded(body, partial(_body, body, ours, now, method), ours, now)]


def _body(body: Json, ours: Ours, now: datetime, method: str) -> Iterator[AnyEvent]:
    event = as_object(as_object(body).get("event"))
    # Payloads say `event.event`, the OpenAPI document `event.method`.
    told = as_text(event.get("event")) or as_text(event.get("method")) or method
    call = Call(ours=ours, method=told.lower(), now=now)
    if not isinstance(body, dict):
        yield call.unsupported(body, "not an object")
        return
    # The secret says that the call is meant for us; one that names no channel is taken for ours.
    channel = as_id(body.get("channel_id"))
    if channel is not None and channel != ours.channel:
        yield call.unsupported(body, "another channel")
        return
    found = False
    for name, value in body.items():
        reader = READERS.get(name)
        if reader is None and not isinstance(value, list):
            continue
        for item in as_list(value):
            found = True
            read = reader or partial(_unknown, name)
            yield from _guarded(item, partial(read, call, item), ours, now)
    if not found:
        yield call.unsupported(body, "nothing that we know")


def _guarded(raw: Json, read: Callable[[], Iterator[AnyEvent]], ours: Ours, now: datetime) -> list[AnyEvent]:
    """The events of one item. The last line of defence: it is kept whatever is wrong, and its siblings are read."""
    try:
        return list(read())
    except Exception as error:
        # An item that nobody foresaw must not harm its siblings.
        key = make_key("whapi", ours.channel, "unsupported", digest(raw))
        reason = f"unreadable: {type(error).__name__}"
        return [Unsupported(key=key, address=None, timestamp=now, raw=raw, reason=reason)]


def _messages(call: Call, raw: Json) -> Iterator[AnyEvent]:
    return read_removal(call, raw) if call.method == "delete" else read_message(call, raw)


def _status(call: Call, raw: Json) -> Iterator[AnyEvent]:
    item = as_object(raw)
    message_id, status = as_id(item.get("id")), as_text(item.get("status")) or ""
    chat = read_chat(item.get("recipient_id"))
    if message_id is None:
        yield call.unsupported(raw, "status of no message", chat)
        return
    viewer = as_id(item.get("viewer_id"))
    occasion = ":".join(filter(None, (message_id, status, viewer)))
    if chat is not None and not call.ours.talks_in(chat):
        yield call.fact("status", raw, occasion=occasion, status=status)
    elif status == "deleted":
        yield call.fact("status", raw, chat=chat, occasion=occasion, platform_id=message_id, status=status)
    elif status in STATUSES:
        # Of customers' messages that we read, too: the ids tell which are ours.
        yield Receipt(
            key=call.key("status", occasion),
            address=call.address(chat),
            timestamp=call.moment(raw),
            raw=raw,
            status=STATUSES[status],  # type: ignore[arg-type]
            platform_ids=(message_id,),
        )
    elif status not in KNOWN_ALREADY:
        yield call.unsupported(raw, f"unknown status: {status or 'none'}", chat)


def _health(call: Call, raw: Json) -> Iterator[AnyEvent]:
    state = state_of(raw)
    if state is None:
        yield call.unsupported(raw, "health without a state")
        return
    # A running time makes the observation one of its kind; without it, only the time of arrival does.
    yield _account(call, raw, state, "health", arrival="" if "uptime" in as_object(raw) else call.now.isoformat())


def _user(call: Call, raw: Json) -> Iterator[AnyEvent]:
    state = {"post": State(ok=True), "put": State(ok=True), "delete": State(ok=False, reason=UNLINKED)}.get(call.method)
    if state is None:
        yield call.fact("user", raw, method=call.method or None)
        return
    # Linked, unlinked and linked again looks the same each time.
    yield _account(call, raw, state, f"user_{call.method}", arrival=call.now.isoformat())


def _account(call: Call, raw: Json, state: State, source: str, arrival: str) -> AccountState:
    return AccountState(
        key=call.key("account", source, digest([raw, arrival])),
        address=None,
        timestamp=call.now,
        raw=raw,
        channel="WA",
        account=call.ours.channel,
        ok=state.ok,
        reason=state.reason,
    )


def _call(call: Call, raw: Json) -> Iterator[AnyEvent]:
    item = as_object(raw)
    status = as_text(item.get("status"))
    occasion = ":".join(filter(None, (as_id(item.get("id")), status)))
    yield call.fact("call", raw, chat=read_chat(item.get("chat_id")), occasion=occasion, status=status)


def _named(name: str) -> _Reader:
    def read(call: Call, raw: Json) -> Iterator[AnyEvent]:
        yield call.fact(name, raw)

    return read


def _unknown(name: str, call: Call, raw: Json) -> Iterator[AnyEvent]:
    yield call.unsupported(raw, f"unknown kind of event: {name}")


# What a call may hold, by key (Whapi's OpenAPI document, 1.8.7). Several may stand side by side.
READERS: dict[str, _Reader] = {
    "messages": _messages,
    "messages_updates": read_update,
    "messages_removed": read_removal,
    "statuses": _status,
    "health": _health,
    "user": _user,
    "calls": _call,
    **{
        name: _named(name)
        for name in (
            # A chat that was emptied on the phone: no customer took anything back.
            "messages_removed_all", "chats", "chats_updates", "chats_removed", "contacts", "contacts_updates", "groups",
            "groups_participants", "groups_updates", "presences", "labels", "labels_removed", "qr", "errors",
        )
    },
}  # fmt: skip
