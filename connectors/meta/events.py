"""One item of a webhook to events: a table from Meta's event names to our vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

from connectors.message import (
    AccountWarning,
    Address,
    AnyEvent,
    Attachment,
    Control,
    Echo,
    Edit,
    Fact,
    Inbound,
    Json,
    Kind,
    Receipt,
    Unsend,
)
from connectors.meta.attachments import kind_of, like, read_attachments
from connectors.meta.item import Item
from connectors.meta.values import as_emoji, as_mid
from connectors.values import as_id, as_list, as_moment, as_object, as_text, digest

# Meta: we may answer freely for 24 hours after a customer's message, tap, reaction or entry through a link.
WINDOW = 24 * 3600
# How the references begin that we send as `metadata` on Messenger, so that the echo of our own message is known at once.
REFERENCE_PREFIX = "omnicrm:"
# The app ids of Meta's own inboxes; for Messenger's, two pages of the documentation print two.
INBOX_APPS = frozenset({"263902037430900", "26390203743090", "1217981644879628"})

# What Meta does about a breach of its rules, as the staff reads it (`policy_enforcement`).
ENFORCEMENTS = {
    "block": "Meta bloqueó la cuenta por sus políticas: apela en la calidad de la página",
    "warning": "Meta advierte que la cuenta incumple sus políticas: mira la calidad de la página",
}

_Reader: TypeAlias = Callable[[Item, dict[str, Json]], AnyEvent]


def read_item(item: Item) -> Iterator[AnyEvent]:
    """The events of one item: normally one; one `Unsupported` where nothing in it has a name that we know."""
    known = [name for name in item.value if name in READERS]
    if not known:
        others = sorted(set(item.value) - {"sender", "recipient", "timestamp"})
        yield item.unsupported(f"unknown event: {', '.join(others)[:200] or 'none'}")
    for name in known:
        value = item.value[name]
        if not isinstance(value, dict):
            yield item.unsupported(f"{name} is not an object")
        elif (item.from_us and item.to_us) or item.value.get("is_self") is True or value.get("is_self") is True:
            # Instagram lets the business account write to itself to test: no customer is there.
            yield _fact(replace(item, address=None), f"self_{name}", value)
        elif item.from_us and name != "message":
            # What we did ourselves elsewhere (read, tapped, edited): worth keeping, never taken for the customer's doing.
            yield _fact(item, f"own_{name}", value)
        else:
            yield READERS[name](item, value)


# --- messages ------------------------------------------------------------------------------------------------------------


def _message(item: Item, message: dict[str, Json]) -> AnyEvent:
    mid = as_mid(message.get("mid"))
    if item.address is None:
        return item.unsupported("message without a customer")
    if message.get("is_deleted") is True:
        if mid is None:
            return item.unsupported("unsend without a message id")
        return Unsend(
            key=item.key("unsend", mid), address=item.address, timestamp=item.moment, raw=item.raw, platform_id=mid
        )
    return _echo(item, item.address, message) if item.from_us else _inbound(item, item.address, message)


def _echo(item: Item, address: Address, message: dict[str, Json]) -> Echo:
    text = as_text(message.get("text"))
    attachments = read_attachments(message.get("attachments"))
    reference = as_text(message.get("metadata"))
    app = as_id(message.get("app_id"))
    own_app: bool | None = None
    if reference and reference.startswith(REFERENCE_PREFIX):
        own_app = True
    elif app in INBOX_APPS:
        own_app = False
    elif app and item.ours.app:
        own_app = app == item.ours.app
    return Echo(
        key=_message_key(item, "echo", message),
        address=address,
        timestamp=item.moment,
        raw=item.raw,
        platform_id=as_mid(message.get("mid")),
        kind=kind_of(text, attachments),
        text=text,
        attachments=attachments,
        reference=reference,
        own_app=own_app,
    )


def _inbound(item: Item, address: Address, message: dict[str, Json]) -> Inbound:
    attachments = read_attachments(message.get("attachments"))
    text = as_text(message.get("text")) or like(attachments)
    kind = kind_of(text, attachments)
    reply = as_object(message.get("reply_to"))
    story = reply.get("story")
    if isinstance(story, dict):
        data = {name: value for name, value in story.items() if name != "url"}
        attachments += (Attachment(kind="story_reply", url=as_text(story.get("url")), data=data),)
        kind = "story_reply"
    payload = as_text(as_object(message.get("quick_reply")).get("payload"))
    return Inbound(
        key=_message_key(item, "message", message),
        address=address,
        timestamp=item.moment,
        raw=item.raw,
        platform_id=as_mid(message.get("mid")),
        kind=kind,
        text=text,
        payload=payload,
        title=text if payload else None,
        attachments=attachments,
        reply_to=as_mid(reply.get("mid")),
        referral=as_object(message.get("referral")) or None,
        silent="standby" if item.standby else None,
        opens_window=WINDOW,
    )


def _message_key(item: Item, kind: str, message: dict[str, Json]) -> str:
    # An id too long to keep still tells two messages apart.
    mid = as_id(message.get("mid"), longest=2**20)
    return item.key(kind, mid) if mid else item.occasion(kind, message)


def _postback(item: Item, postback: dict[str, Json]) -> AnyEvent:
    if item.address is None:
        return item.unsupported("postback without a customer")
    mid = as_mid(postback.get("mid"))
    title = as_text(postback.get("title"))
    payload = as_text(postback.get("payload"))
    kind: Kind = "text" if title or payload else "unknown"
    occasion = (mid,) if mid else (item.sender, item.stamp or "-", digest([payload, title]))
    return Inbound(
        key=item.key("postback", *occasion),
        address=item.address,
        timestamp=item.moment,
        raw=item.raw,
        platform_id=mid,
        kind=kind,
        text=title,
        payload=payload,
        title=title,
        referral=as_object(postback.get("referral")) or None,
        silent="standby" if item.standby else None,
        opens_window=WINDOW,
    )


def _edit(item: Item, edit: dict[str, Json]) -> AnyEvent:
    mid = as_mid(edit.get("mid"))
    if mid is None:
        return item.unsupported("edit without a message id")
    key = item.key("message_edit", mid, as_id(edit.get("num_edit")) or digest(edit))
    return Edit(
        key=key, address=item.address, timestamp=item.moment, raw=item.raw, platform_id=mid, text=as_text(edit.get("text"))
    )


# --- receipts ------------------------------------------------------------------------------------------------------------


def _read(item: Item, read: dict[str, Json]) -> AnyEvent:
    mid = as_mid(read.get("mid"))
    watermark = as_moment(read.get("watermark"))
    if mid is None and watermark is None:
        return item.unsupported("read without message id and watermark")
    return Receipt(
        key=item.occasion("read", read),
        address=item.address,
        timestamp=item.moment,
        raw=item.raw,
        status="read",
        platform_ids=(mid,) if mid else (),
        watermark=watermark,
    )


def _delivery(item: Item, delivery: dict[str, Json]) -> AnyEvent:
    mids = tuple(mid for mid in map(as_mid, as_list(delivery.get("mids"))) if mid)
    watermark = as_moment(delivery.get("watermark"))
    if not mids and watermark is None:
        return item.unsupported("delivery without message ids and watermark")
    return Receipt(
        key=item.occasion("delivery", delivery),
        address=item.address,
        timestamp=item.moment,
        raw=item.raw,
        status="delivered",
        platform_ids=mids,
        watermark=watermark,
    )


# --- who holds the thread ------------------------------------------------------------------------------------------------


def _control(kind: str) -> _Reader:
    def read(item: Item, value: dict[str, Json]) -> AnyEvent:
        if item.address is None:
            return item.unsupported(f"{kind} without a customer")
        owner = as_id(value.get("new_owner_app_id"))
        if item.ours.app and owner:
            bot = owner == item.ours.app
        elif owner in INBOX_APPS:
            bot = False
        else:
            # Without our app id: only the app that gets the thread hears of a pass, only the one that loses it of a take.
            # No new owner at all: the thread is idle and whoever is next may answer.
            bot = kind == "pass_thread_control" or owner is None and "new_owner_app_id" in value
        return Control(
            key=item.occasion(kind, value),
            address=item.address,
            timestamp=item.moment,
            raw=item.raw,
            holder="bot" if bot else "other",
        )

    return read


# --- facts ---------------------------------------------------------------------------------------------------------------


def _fact(item: Item, name: str, data: dict[str, Json], *, window: int | None = None, key: str | None = None) -> Fact:
    return Fact(
        key=key or item.occasion(name, data),
        address=item.address,
        timestamp=item.moment,
        raw=item.raw,
        name=name,
        data=data,
        opens_window=window,
    )


def _named(name: str, *, window: int | None = None) -> _Reader:
    return lambda item, value: _fact(item, name, value, window=window)


def _reaction(item: Item, reaction: dict[str, Json]) -> AnyEvent:
    mid = as_mid(reaction.get("mid"))
    action = as_text(reaction.get("action"))
    emoji = as_emoji(reaction.get("emoji"))
    data = {"platform_id": mid, "action": action, "reaction": as_text(reaction.get("reaction")), "emoji": emoji}
    key = item.key("reaction", mid or "-", item.sender, action or "-", emoji or "-", item.stamp or "-")
    return _fact(item, "reaction", data, window=None if action == "unreact" else WINDOW, key=key)


def _policy(item: Item, told: dict[str, Json]) -> AnyEvent:
    action = as_text(told.get("action"))
    if action not in ENFORCEMENTS:
        return _fact(item, "policy_enforcement", told)
    reason = as_text(told.get("reason"))
    return AccountWarning(
        key=item.occasion("policy_enforcement", told),
        address=None,
        timestamp=item.moment,
        raw=item.raw,
        channel="IG" if item.webhook_object == "instagram" else "FB",
        account=item.account,
        stopped=action == "block",
        text=f"{ENFORCEMENTS[action]} (motivo: {reason[:80]})" if reason else ENFORCEMENTS[action],
    )


READERS: dict[str, _Reader] = {
    "message": _message,
    "postback": _postback,
    "message_edit": _edit,
    "reaction": _reaction,
    "read": _read,
    "delivery": _delivery,
    "referral": _named("referral", window=WINDOW),
    "optin": _named("optin"),
    "pass_thread_control": _control("pass_thread_control"),
    "take_thread_control": _control("take_thread_control"),
    "request_thread_control": _named("thread_requested"),
    "app_roles": _named("app_roles"),
    "policy_enforcement": _policy,
    "policy-enforcement": _policy,
    "account_linking": _named("account_linking"),
    "response_feedback": _named("response_feedback"),
    "messaging_feedback": _named("messaging_feedback"),
    "messaging_customer_information": _named("customer_information"),
    "order": _named("platform_order"),
    "game_play": _named("game_play"),
    "form": _named("form"),
}
