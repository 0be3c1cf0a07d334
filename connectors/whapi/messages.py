"""A message object to its event: a customer's words, an echo of ours, or something to keep."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from connectors.message import AnyEvent, Contact, Echo, Inbound, Json
from connectors.values import as_id, as_list, as_object, as_text, digest
from connectors.whapi.actions import read_action, read_tally
from connectors.whapi.content import PROTOCOL, Content, message_type, read_content
from connectors.whapi.identity import Chat, read_chat
from connectors.whapi.item import Call

LONGEST_NAME = 200
# Who wrote what our number said. "mobile" and "web" are a person with the phone or WhatsApp Web. "api" is whoever holds our
# token: mostly ourselves, but as well a person in an inbox that sends through Whapi. Called surely ours (True), such a
# person's words would be dropped and the bot would talk on. So nobody is named: the message's id or, while a send of ours is
# under way, its words tell that it is ours, and one that came before our own send returned and looked like a person's is
# mended when that send is confirmed. "business_api", "unknown" and what is missing tell no more.
SOURCES: dict[str, bool | None] = {"mobile": False, "web": False}


def read_message(call: Call, raw: Json) -> Iterator[AnyEvent]:
    """The events of one entry of ``messages``."""
    if not isinstance(raw, dict):
        yield call.unsupported(raw, "message is not an object")
        return
    chat = read_chat(raw.get("chat_id"))
    name = message_type(raw)
    if chat is None:
        yield call.unsupported(raw, "message without a known chat")
    elif chat.kind in ("newsletter", "story", "broadcast") or name == "story":
        yield call.fact("story" if name == "story" else chat.kind, raw, type=name or None)
    elif _is_note_to_self(call, raw, chat):
        yield call.fact("note_to_self", raw, occasion=as_id(raw.get("id")) or "", type=name or None)
    elif _may_be_a_notice(call, raw, chat):
        yield call.fact("notice", raw, occasion=as_id(raw.get("id")) or "", type=name or None)
    elif not call.ours.talks_in(chat):
        yield call.fact("group_message", raw, occasion=as_id(raw.get("id")) or "", type=name or None)
    elif name == "poll_update":
        # The poll as it stands now: not a message of the account that made it.
        yield from read_tally(call, raw, as_object(raw.get("poll")), as_id(raw.get("id")), chat)
    elif name == "action":
        yield read_action(call, raw, chat)
    elif name in PROTOCOL or raw.get("source") == "system":
        yield call.fact("protocol", raw, chat=chat, occasion=as_id(raw.get("id")) or "", type=name or None)
    else:
        yield _said(call, raw, chat, name)


def _said(call: Call, message: dict[str, Json], chat: Chat, name: str) -> AnyEvent:
    content = read_content(message)
    if content is None:
        return call.unsupported(message, f"message of type {name or 'none'} without content that we know", chat)
    if message.get("from_me") is True:
        return _echo(call, message, chat, content)
    if chat.kind == "group" and not _speaks_to_us(call, message):
        return call.fact("group_message", message, occasion=as_id(message.get("id")) or "", type=name)
    return _inbound(call, message, chat, content)


def _inbound(call: Call, message: dict[str, Json], chat: Chat, content: Content) -> Inbound:
    message_id = as_id(message.get("id"))
    context = as_object(message.get("context"))
    moment = call.moment(message)
    silent = None
    if content.automatic:
        silent = "automatic"
    elif call.now - moment > timedelta(seconds=call.ours.stale_seconds):
        silent = "stale"
    return Inbound(
        key=call.key("message", message_id or digest(message)),
        # The message is what we mark as read. In a group, our answer shows what it answers.
        address=call.address(chat, message_id=message_id, quoted=message_id if chat.kind == "group" else None),
        timestamp=moment,
        raw=message,
        platform_id=message_id,
        kind=content.kind,
        text=_without_our_name(call, content.text, context),
        payload=content.payload,
        title=content.title,
        attachments=content.attachments,
        reply_to=as_id(context.get("quoted_id")),
        referral=as_object(context.get("ad")) or None,
        contact=_contact(message, chat),
        silent=silent,
    )


def _echo(call: Call, message: dict[str, Json], chat: Chat, content: Content) -> Echo:
    message_id = as_id(message.get("id"))
    return Echo(
        key=call.key("echo", message_id or digest(message)),
        address=call.address(chat),
        timestamp=call.moment(message),
        raw=message,
        platform_id=message_id,
        kind=content.kind,
        text=content.text,
        attachments=content.attachments,
        own_app=SOURCES.get(as_text(message.get("source")) or ""),
    )


def _contact(message: dict[str, Json], chat: Chat) -> Contact | None:
    """The customer as WhatsApp names them; a group is its subject, and nobody's phone."""
    group = chat.kind == "group"
    name = " ".join((as_text(message.get("chat_name" if group else "from_name")) or "").split())[:LONGEST_NAME] or None
    phone = chat.phone
    author = as_id(message.get("from")) or ""
    if phone is None and not group and "@" in author:
        # Where the chat hides the number, the author may tell it; digits alone could be the hidden id's.
        writer = read_chat(author)
        phone = writer.phone if writer else None
    return Contact(name=name, phone=phone) if name or phone else None


def _is_note_to_self(call: Call, message: dict[str, Json], chat: Chat) -> bool:
    """The chat of our number with itself. Where our number is not set, the author of what we said tells it."""
    if call.ours.number:
        return chat.user == call.ours.number
    author = read_chat(message.get("from")) if message.get("from_me") is True else None
    return author is not None and author.user == chat.user


def _may_be_a_notice(call: Call, message: dict[str, Json], chat: Chat) -> bool:
    """What a program said to one of the staff: no person took a conversation over, and nobody of the staff is a customer."""
    written_by_hand = SOURCES.get(as_text(message.get("source")) or "") is False
    return chat.user in call.ours.staff and message.get("from_me") is True and not written_by_hand


def _speaks_to_us(call: Call, message: dict[str, Json]) -> bool:
    context = as_object(message.get("context"))
    named = [*as_list(context.get("mentions")), context.get("quoted_author")]
    return any(call.ours.is_us(name) for name in named)


def _without_our_name(call: Call, text: str | None, context: dict[str, Json]) -> str | None:
    """The words without ``@<our number>``, as WhatsApp writes a mention."""
    for mention in map(as_id, as_list(context.get("mentions"))):
        if text and mention and call.ours.is_us(mention):
            text = text.replace(f"@{mention.partition('@')[0]}", "").strip() or None
    return text
