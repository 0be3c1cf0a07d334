"""What is done to a message: reaction, edit, deletion, vote. It comes as a message, or as a change of the old one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from connectors.message import AnyEvent, Edit, Fact, Json, Unsend
from connectors.values import as_id, as_list, as_object, as_text, digest
from connectors.whapi.content import read_content
from connectors.whapi.identity import Chat, read_chat
from connectors.whapi.item import Call

EDITS = frozenset({"edit", "edited"})
# Worth keeping, with nothing to do.
OTHERS = frozenset({"ephemeral", "comment", "event_response", "pin", "unpin"})


def read_action(call: Call, message: dict[str, Json], chat: Chat) -> AnyEvent:
    """The event of a message of type ``action``: an edit, a deletion, or a fact. What we did ourselves is a fact."""
    action = as_object(message.get("action"))
    name = as_text(action.get("type")) or ""
    target = as_id(action.get("target"))
    occasion = as_id(message.get("id")) or digest(message)
    if name not in ("reaction", "delete", "vote", *EDITS, *OTHERS):
        return call.unsupported(message, f"unknown action: {name or 'none'}", chat)
    if target is None and name not in OTHERS:
        return call.unsupported(message, f"{name} of no message", chat)
    if message.get("from_me") is True:
        return call.fact(f"own_{name}", message, chat=chat, occasion=occasion, platform_id=target)
    if name in EDITS:
        return _edit(call, message, chat, str(target), as_object(action.get("edited_content")))
    if name == "delete":
        return _unsend(call, message, chat, str(target))
    if name == "vote":
        voter = read_chat(message.get("from")) or chat
        return _vote(call, message, chat, str(target), voter.user, as_list(action.get("votes")))
    if name == "reaction":
        emoji = as_text(action.get("emoji"))
        done = "react" if emoji else "unreact"
        occasion = f"{occasion}:{emoji or '-'}"
        return call.fact("reaction", message, chat=chat, occasion=occasion, platform_id=target, action=done, emoji=emoji)
    return call.fact(name, message, chat=chat, occasion=occasion, platform_id=target)


def read_update(call: Call, raw: Json) -> Iterator[AnyEvent]:
    """The events of one entry of ``messages_updates``: a message before and after, and often the action that did it."""
    update = as_object(raw)
    after, trigger = as_object(update.get("after_update")), as_object(update.get("trigger"))
    before = as_object(update.get("before_update"))
    message_id = as_id(update.get("id")) or as_id(after.get("id"))
    if message_id is None:
        yield call.unsupported(raw, "update of no message")
        return
    named = (read_chat(part.get("chat_id")) for part in (update, trigger, after, before))
    chat = next((chat for chat in named if chat), None)
    action = as_object(trigger.get("action"))
    poll = as_object(after.get("poll"))
    if chat and not call.ours.talks_in(chat):
        yield call.fact("message_update", raw, platform_id=message_id, changes=as_list(update.get("changes")))
    elif chat and action:
        # The same event as the action's own message, so the same key.
        content = as_object(action.get("edited_content")) or {"body": _words(after)}
        told = {**trigger, "action": {"target": message_id, **action, "edited_content": content}}
        yield replace(read_action(call, told, chat), raw=raw)
    elif poll:
        yield from read_tally(call, raw, poll, message_id, chat)
    elif _words(after) and _words(after) != _words(before) and after.get("from_me") is not True:
        yield Edit(
            key=call.key("edit", f"{message_id}:{digest(_words(after))}"),
            address=call.address(chat),
            timestamp=call.moment(after),
            raw=raw,
            platform_id=message_id,
            text=_words(after),
        )
    else:
        yield call.fact("message_update", raw, chat=chat, platform_id=message_id, changes=as_list(update.get("changes")))


def read_removal(call: Call, raw: Json) -> Iterator[AnyEvent]:
    """One entry of ``messages_removed``: an id, or a message object."""
    message = as_object(raw)
    message_id = as_id(message.get("id") if message else raw)
    chat = read_chat(message.get("chat_id"))
    if message_id is None:
        yield call.unsupported(raw, "removal of no message")
    elif message.get("from_me") is True:
        yield call.fact("own_delete", raw, chat=chat, occasion=message_id, platform_id=message_id)
    else:
        # Not the key of the action that deletes: that one names the chat, and must not be taken for known.
        yield Unsend(
            key=call.key("removed", message_id),
            address=call.address(chat),
            timestamp=call.moment(raw),
            raw=raw,
            platform_id=message_id,
        )


def read_tally(call: Call, raw: Json, poll: dict[str, Json], poll_id: str | None, chat: Chat | None) -> Iterator[AnyEvent]:
    """A poll with all its votes, which is all that Whapi sends of a change: one event per voter and what they chose."""
    chosen: dict[str, list[Json]] = {}
    for option in map(as_object, as_list(poll.get("results"))):
        for voter in map(read_chat, as_list(option.get("voters"))):
            if voter is not None:
                chosen.setdefault(voter.user, []).append(as_id(option.get("id")) or as_text(option.get("name")))
    if poll_id is None or not chosen:
        yield call.fact("poll", raw, chat=chat, platform_id=poll_id)
    for user, votes in chosen.items():
        yield _vote(call, raw, chat, poll_id or "-", user, votes)


def _edit(call: Call, message: dict[str, Json], chat: Chat, target: str, content: dict[str, Json]) -> AnyEvent:
    text = as_text(content.get("body")) or as_text(content.get("caption"))
    if text is None:
        return call.unsupported(message, "edit without words", chat)
    return Edit(
        key=call.key("edit", as_id(message.get("id")) or f"{target}:{digest(text)}"),
        address=call.address(chat),
        timestamp=call.moment(message),
        raw=message,
        platform_id=target,
        text=text,
    )


def _unsend(call: Call, message: dict[str, Json], chat: Chat, target: str) -> Unsend:
    return Unsend(
        key=call.key("unsend", target),
        address=call.address(chat),
        timestamp=call.moment(message),
        raw=message,
        platform_id=target,
    )


def _vote(call: Call, raw: Json, chat: Chat | None, poll: str, voter: str, votes: list[Json]) -> Fact:
    # Every change tells all votes again: the same choice of the same voter is the same event.
    names = sorted(str(vote) for vote in votes)
    occasion = digest([poll, voter, names])
    return call.fact("poll_vote", raw, chat=chat, occasion=occasion, platform_id=poll, voter=voter, votes=names)


def _words(part: dict[str, Json]) -> str | None:
    content = read_content(part)
    return content.text if content else None
