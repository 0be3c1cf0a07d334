"""``/sim/…``: what customers and the staff do, and what the phones show."""

from __future__ import annotations

import re
from urllib.parse import unquote

from sanic import Request
from sanic.response import HTTPResponse

from simulator import events
from simulator.config import META_CHANNELS, Json, channel_of, seconds
from simulator.control import Route, answer, number, read_object, traffic_of, user_id, world_of
from simulator.errors import ControlError
from simulator.mail import outgoing
from simulator.nodes import PROFILE_ERRORS
from simulator.perform import perform
from simulator.phone import Content, Phone
from simulator.scene import Happening
from simulator.state import World
from simulator.traffic import PLAN_KEYS, Plan
from simulator.whapi import control as whapi

# --- the customer --------------------------------------------------------------------------------------------------------


def _say(world: World, body: dict[str, Json]) -> tuple[str | None, list[Happening]]:
    name = body.get("name")
    if name is not None and not isinstance(name, str):
        raise ControlError("name must be a string")
    phone = world.meet(channel_of(body.get("channel")), user_id(body.get("user")), name)
    return perform(world, phone, {key: value for key, value in body.items() if key not in PLAN_KEYS})


async def say(request: Request) -> HTTPResponse:
    """One act of a customer; answers with the webhook's first status and the message's id."""
    body = read_object(request)
    plan = Plan.of(body)
    opened, happenings = _say(world_of(request), body)
    deliveries = await traffic_of(request).send(happenings, plan)
    last = deliveries[-1] if deliveries else None
    shown: dict[str, Json] = {
        "status": last.statuses[0] if last is not None and last.statuses else None,
        "mid": happenings[-1].mid if happenings else None,
        "mids": [happening.mid for happening in happenings if happening.mid is not None],
    }
    if opened is not None:
        shown["opened"] = opened
    if last is not None and last.error is not None:
        shown["error"] = last.error
    return answer(shown)


async def batch(request: Request) -> HTTPResponse:
    """Several acts, delivered together: in one POST, or apart but in another order."""
    body = read_object(request)
    says = body.get("says")
    if not isinstance(says, list) or not says or not all(isinstance(item, dict) for item in says):
        raise ControlError("says must be a list of what POST /sim/say takes")
    plan = Plan.of(body, layout="entries")
    happenings = [happening for item in says for happening in _say(world_of(request), item)[1]]
    deliveries = await traffic_of(request).send(happenings, plan)
    return answer({"results": [delivery.as_json() for delivery in deliveries], "mids": [h.mid for h in happenings]})


_CHAT_ID = re.compile(r"\d{7,31}@(s\.whatsapp\.net|lid)")


async def user(request: Request) -> HTTPResponse:
    """What a platform knows about a customer: names, profile errors, blocked, gone, whose thread it is, WhatsApp's chat id."""
    body = read_object(request)
    phone = world_of(request).meet(channel_of(body.pop("channel", None)), user_id(body.pop("user", None)))
    for name, value in body.items():
        words = name in ("name", "username", "owner_app") and (value is None or isinstance(value, str))
        switch = name in ("blocked", "gone") and isinstance(value, bool)
        if words or switch:
            setattr(phone, name, value)
        elif name == "profile" and isinstance(value, dict):
            phone.profile = value
        elif name == "profile_error" and (value is None or value in PROFILE_ERRORS):
            phone.profile_error = value
        elif name == "chat_id" and phone.channel == "whatsapp" and (value is None or _CHAT_ID.fullmatch(str(value))):
            phone.chat_id = value
            world_of(request).whapi.name_chat(phone.user, value)
        else:
            raise ControlError(
                "a user has name, username, owner_app (text or null), blocked, gone (true or false), profile (an object), "
                f"profile_error (null or one of {', '.join(PROFILE_ERRORS)}), and on whatsapp chat_id "
                f"(…@s.whatsapp.net or …@lid, or null); not {name!r}: {value!r}"
            )
    return answer({"ok": True})


async def phones(request: Request) -> HTTPResponse:
    """Every customer with the number of messages."""
    return answer(
        [
            {
                "channel": phone.channel,
                "user": phone.user,
                "name": phone.name,
                "messages": len(phone.bubbles),
                "shop_messages": phone.shop_messages,
            }
            for phone in world_of(request).phones.values()
            if phone.bubbles
        ]
    )


async def phone(request: Request, channel: str, user: str) -> HTTPResponse:
    """A customer's phone; with ``after`` and ``wait`` only once the shop has written more than ``after`` messages."""
    shown = world_of(request).meet(channel_of(channel), user_id(unquote(user)))
    if "wait" in request.args:
        await shown.wait_for_more_than(int(number(request, "after", 0)), seconds("wait", number(request, "wait", 0)))
    last = int(number(request, "last", 0)) if "last" in request.args else None
    return answer(shown.as_json(world_of(request).clock.now(), last))


# --- the shop, and Meta itself ---------------------------------------------------------------------------------------------


async def agent(request: Request) -> HTTPResponse:
    """A person of the staff writes: from Meta's inbox (or another app, ``app_id``), the phone, or the mailbox."""
    body, world = read_object(request), world_of(request)
    plan = Plan.of(body)
    phone = world.meet(channel_of(body.get("channel")), user_id(body.get("user")))
    if phone.channel == "whatsapp":
        happening = whapi.staff_writes(world, phone, body)
    elif phone.channel == "email":
        happening = outgoing.staff_writes(world, phone, body)
    else:
        happening = _meta_inbox(request, phone, body)
    deliveries = await traffic_of(request).send([happening], plan)
    return answer(
        {"status": deliveries[0].statuses[0] if deliveries and deliveries[0].statuses else None, "mid": happening.mid}
    )


def _meta_inbox(request: Request, phone: Phone, body: dict[str, Json]) -> Happening:
    app_id = body.get("app_id", events.PAGE_INBOX)
    if isinstance(app_id, bool) or not isinstance(app_id, int):
        raise ControlError("app_id must be a number")
    if isinstance(body.get("text"), str) and body["text"]:
        content, shown = Content(text=body["text"]), {"text": body["text"]}
    elif "attachment" in body:
        item = events.attachment(phone.channel, body["attachment"])
        content, shown = Content(attachments=(item,)), {"attachments": [item]}
    else:
        raise ControlError("an agent writes text, or sends an attachment")
    return traffic_of(request).shop_writes(phone, content, shown, "agent", app_id)


async def event(request: Request) -> HTTPResponse:
    """Any other item about a customer, e.g. ``{"item": {"policy_enforcement": {"action": "warning"}}}``, in any shape."""
    body = read_object(request)
    if not isinstance(body.get("item"), dict):
        raise ControlError('item must be the item\'s event, e.g. {"policy_enforcement": {…}}')
    world = world_of(request)
    plan = Plan.of(body)
    shown = world.meet(channel_of(body.get("channel")), user_id(body.get("user")))
    if shown.channel == "whatsapp":
        happening = whapi.anything(world, shown, body)
    elif shown.channel in META_CHANNELS:
        item = events.from_customer(world.config.account(shown.channel), shown.user, world.clock.now_ms())
        happening = Happening(phone=shown, item={**item, **body["item"]})
    else:
        raise ControlError("email has no events but mail: use POST /sim/deliver-mail")
    deliveries = await traffic_of(request).send([happening], plan)
    return answer({"status": deliveries[0].statuses[0] if deliveries and deliveries[0].statuses else None})


async def comment(request: Request) -> HTTPResponse:
    """A comment on a post of the shop; its id allows one private reply."""
    body = read_object(request)
    world = world_of(request)
    channel = channel_of(body.get("channel"))
    if channel not in META_CHANNELS:
        raise ControlError(f"{channel} has no comments")
    shown = world.meet(channel, user_id(body.get("user")), body.get("name"))
    if not isinstance(body.get("text"), str):
        raise ControlError("a comment needs text")
    delivery, comment_id = await traffic_of(request).comment(shown, body["text"])
    return answer({"status": delivery.statuses[0], "comment_id": comment_id})


ROUTES: tuple[Route, ...] = (
    ("POST", "/sim/say", say),
    ("POST", "/sim/batch", batch),
    ("POST", "/sim/user", user),
    ("GET", "/sim/phones", phones),
    ("GET", "/sim/phone/<channel:str>/<user:path>", phone),
    ("POST", "/sim/agent", agent),
    ("POST", "/sim/event", event),
    ("POST", "/sim/comment", comment),
)
