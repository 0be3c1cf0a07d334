"""What the shop does to a chat through the API: send, edit, delete, react, read, type."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from simulator.config import Json
from simulator.phone import Bubble, Phone
from simulator.scene import Happening
from simulator.state import World
from simulator.whapi import messages
from simulator.whapi.calls import Call, find, recipient
from simulator.whapi.checks import number_between, text_of
from simulator.whapi.errors import not_found, too_many, wrong
from simulator.whapi.rules import Accepted, check_message

MESSAGE_ID = re.compile(r"[A-Za-z0-9._]{4,30}-[A-Za-z0-9._]{4,14}(-[A-Za-z0-9._]{4,10}){0,2}")
TYPING_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a call came to: the answer, the echo of what it sent, and the statuses that follow."""

    body: Json
    phone: Phone | None = None
    echo: tuple[Happening, ...] = ()
    statuses: tuple[Happening, ...] = ()


SUCCESS = {"success": True}


def send(world: World, call: Call, kind: str) -> Result:
    """``POST /messages/{kind}``. Raises ``WhapiError`` and changes nothing where Whapi refuses."""
    phone = recipient(world, call.body.get("to"))
    accepted = check_message(world.whapi, kind, call.body)
    more: dict[str, Json] = {"context": messages.quoted(_known(world, call.body["quoted"]))} if call.body.get("quoted") else {}
    if call.body.get("edit"):
        return _edit(world, _known(world, call.body["edit"]), accepted)
    if not world.sends["whatsapp"].take(world.knobs.send_rate_whatsapp):
        raise too_many()
    mid, now = world.new_mid("whatsapp"), world.clock.now_ms()
    if not phone.blocked:  # who has blocked the shop never sees it, and the shop is not told
        world.write(phone, "bot", accepted.content, mid=mid, status="pending")
    message = messages.outbound(world.config, phone, mid, accepted.kind, accepted.shown, now, **more)
    world.whapi.messages[mid] = message
    world.accepted["whatsapp", phone.user] += 1
    words = ("sent",) if phone.blocked else ("sent", "delivered")
    return Result(
        body={"sent": True, "message": dict(message)},
        phone=phone,
        echo=(Happening(phone=phone, item=messages.said(dict(message)), mid=mid),),
        statuses=tuple(reached(world, phone, mid, word) for word in words) if world.knobs.statuses != "off" else (),
    )


def reached(world: World, phone: Phone, mid: str, word: str) -> Happening:
    """A message of the shop got this far. Bubble and message never go backwards."""
    order = messages.STATUS_CODES
    bubble, message = phone.find(mid), world.whapi.messages.get(mid)
    if bubble is not None and order[word] > order.get(bubble.status or "pending", 0):
        bubble.status = word
    if message is not None and order[word] > order.get(str(message.get("status", "pending")), 0):
        world.whapi.messages[mid] = {**message, "status": word}
    return Happening(phone=phone, item=messages.status(phone, mid, word, world.clock.now_ms()))


def _known(world: World, mid: Json) -> dict[str, Json]:
    if not isinstance(mid, str) or not MESSAGE_ID.fullmatch(mid):
        raise wrong("a message id has the form XXXX-XXXX")
    if mid not in world.whapi.messages:
        raise not_found("message")
    return world.whapi.messages[mid]


def _edit(world: World, message: dict[str, Json], accepted: Accepted) -> Result:
    if not message["from_me"] or message["type"] != accepted.kind:
        raise wrong("edit must be the id of a message of ours of the same type")
    phone = chat_of(world, message)
    bubble = phone.find(message["id"])
    if bubble is not None:
        bubble.content, bubble.edits = accepted.content, bubble.edits + 1
        phone.changed()
    message = world.whapi.messages[message["id"]] = {**message, accepted.kind: accepted.shown}
    return Result(body={"sent": True, "message": message}, phone=phone)


def chat_of(world: World, message: dict[str, Json]) -> Phone:
    """The chat that holds this message. Raises ``WhapiError``."""
    phone = find(world, message["chat_id"])
    if phone is None:
        raise not_found("chat")
    return phone


def _both(world: World, mid: str) -> tuple[dict[str, Json], Phone, Bubble | None]:
    message = _known(world, mid)
    phone = chat_of(world, message)
    return message, phone, phone.find(mid)


def read(world: World, call: Call, mid: str) -> Result:
    """``PUT /messages/{id}``: we have read it; its author is told, and so are we."""
    message, phone, _ = _both(world, mid)
    phone.seen = True
    phone.changed()
    told = not message["from_me"] and world.knobs.statuses != "off"
    item = messages.status(phone, mid, "read", world.clock.now_ms())
    return Result(body=SUCCESS, phone=phone, statuses=(Happening(phone=phone, item=item),) if told else ())


def react(world: World, call: Call, mid: str) -> Result:
    """``PUT /messages/{id}/reaction``: an empty emoji takes the reaction back."""
    if call.method != "DELETE" and "emoji" not in call.body:
        raise wrong("emoji is required")
    emoji = "" if call.method == "DELETE" else text_of(call.body, "emoji")
    _, phone, bubble = _both(world, mid)
    if bubble is not None:
        bubble.reactions.pop("shop", None)
        if emoji:
            bubble.reactions["shop"] = emoji
        phone.changed()
    return Result(body=SUCCESS, phone=phone)


def delete(world: World, call: Call, mid: str) -> Result:
    """``DELETE /messages/{id}``."""
    message, phone, bubble = _both(world, mid)
    del world.whapi.messages[mid]
    if bubble is not None and message["from_me"]:
        bubble.unsent, bubble.content = True, replace(bubble.content, text=None, choices=(), cards=(), attachments=())
        phone.changed()
    return Result(body=SUCCESS, phone=phone, echo=(Happening(phone=phone, item=messages.removed(mid)),))


def presence(world: World, call: Call, chat: str) -> Result:
    """``PUT /presences/{id}``: typing and recording last ``delay`` seconds, or until WhatsApp drops them."""
    word = call.body.get("presence")
    if chat == "me":
        if word not in ("online", "offline"):
            raise wrong("presence must be online or offline")
        return Result(body=SUCCESS)
    if word not in ("typing", "recording", "pause"):
        raise wrong("presence must be typing, recording or pause")
    delay = number_between(call.body, "delay", 0, 3600)
    phone = recipient(world, chat)
    phone.typing_until = 0.0 if word == "pause" else world.clock.now() + (delay or TYPING_SECONDS)
    phone.changed()
    return Result(body=SUCCESS, phone=phone)
