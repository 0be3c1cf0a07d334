"""``/sim/whapi…``: the state of the channel, statuses by hand, and what people write from the phone."""

from __future__ import annotations

from sanic import Request
from sanic.response import HTTPResponse

from simulator.config import Json
from simulator.control import Route, answer, read_object, traffic_of, user_id, world_of
from simulator.errors import ControlError
from simulator.phone import Content, Phone
from simulator.scene import Happening
from simulator.state import World
from simulator.traffic import Plan
from simulator.whapi import endpoints, messages
from simulator.whapi.account import STATUS_CODES
from simulator.whapi.media import attachment
from simulator.whapi.sending import reached

SOURCES = ("mobile", "web", "business_api", "unknown")


def staff_writes(world: World, phone: Phone, body: dict[str, Json]) -> Happening:
    """A person answers from the phone or from WhatsApp Web (``source``): the bot only gets the echo."""
    source = body.get("source", "mobile")
    if source not in SOURCES:
        raise ControlError(f"source must be one of {', '.join(SOURCES)}")
    text = body.get("text")
    if "attachment" in body:
        kind, shown = attachment(world.whapi, body["attachment"], text if isinstance(text, str) else None)
        content = Content(text=text, attachments=({"type": kind, **shown},))
    elif isinstance(text, str) and text:
        kind, shown, content = "text", {"body": text}, Content(text=text)
    else:
        raise ControlError("an agent writes text, or sends an attachment")
    bubble = world.write(phone, "agent", content, status="sent")
    message = messages.outbound(world.config, phone, bubble.mid, kind, shown, bubble.time, source)
    world.whapi.messages[bubble.mid] = message
    return Happening(phone=phone, item=messages.said(message), mid=bubble.mid)


def anything(world: World, phone: Phone, body: dict[str, Json]) -> Happening:
    """``POST /sim/event``: any array of an envelope, e.g. ``{"item": {"chats": {…}}, "event": {"type": "chats"}}``."""
    item, event = body["item"], body.get("event")
    if len(item) != 1 or not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ControlError(
            'on whatsapp, item is {"<array>": one entry}, and event {"type": …, "event": "post"} stands beside it'
        )
    key, value = next(iter(item.items()))
    return Happening(phone=phone, item=messages.event(key, value, event["type"], str(event.get("event", "post"))))


async def channel(request: Request) -> HTTPResponse:
    """Change the channel's ``status`` (the bot is told), its ``limits`` (null: none), or unlink the number (``unlink``)."""
    body, world = read_object(request), world_of(request)
    unknown = set(body) - {"status", "limits", "unlink", "tell"}
    if unknown:
        raise ControlError(f"unknown keys {sorted(unknown)}; the channel has status, limits, unlink, and tell (true or false)")
    status = body.get("status", "QR" if body.get("unlink") else world.whapi.status)
    if status not in STATUS_CODES:
        raise ControlError(f"status must be one of {', '.join(STATUS_CODES)}")
    if "limits" in body:
        if body["limits"] is not None and not isinstance(body["limits"], dict):
            raise ControlError("limits must be an object or null")
        world.whapi.limits = body["limits"]
    own = Phone(channel="whatsapp", user=world.config.whapi_number)
    told = []
    if body.get("unlink"):
        told.append(Happening(phone=own, item=messages.event("user", endpoints.own_user(world), "users", "delete")))
    if status != world.whapi.status:
        world.whapi.status = status
        told.append(Happening(phone=own, item=messages.event("health", endpoints.health_object(world), "channel")))
    if body.get("tell", True):
        await traffic_of(request).send(told, Plan())
    return answer({"status": status, "limits": world.whapi.limits, "wakeups": world.whapi.wakeups})


async def status(request: Request) -> HTTPResponse:
    """Tell how far one message got: ``user``, ``mid``, ``status`` failed, pending, sent, delivered, read, played, deleted."""
    body, world = read_object(request), world_of(request)
    word, mid = body.get("status"), body.get("mid")
    if word not in messages.STATUS_CODES:
        raise ControlError(f"status must be one of {', '.join(messages.STATUS_CODES)}")
    phone = world.meet("whatsapp", user_id(body.get("user")))
    if not isinstance(mid, str) or mid not in world.whapi.messages:
        raise ControlError("mid must be the id of a message of this channel")
    deliveries = await traffic_of(request).send([reached(world, phone, mid, str(word))], Plan.of(body))
    return answer({"status": deliveries[0].statuses[0] if deliveries and deliveries[0].statuses else None})


ROUTES: tuple[Route, ...] = (
    ("POST", "/sim/whapi", channel),
    ("POST", "/sim/status", status),
)
