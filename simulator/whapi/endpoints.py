"""Everything of Whapi's API that is not done to a chat: health, limits, settings, contacts, files, history."""

from __future__ import annotations

import re
from urllib.parse import unquote

from simulator.config import Json
from simulator.phone import Phone
from simulator.state import World
from simulator.whapi import messages
from simulator.whapi.account import EVENT_METHODS, EVENT_TYPES, STATUS_CODES, File, check_settings, no_settings
from simulator.whapi.calls import Call, by_number, find
from simulator.whapi.errors import WhapiError, not_found, wrong

VERSION = "1.8.7"
_START = 20_800  # seconds that the channel has been up when the simulator starts


def health(world: World, call: Call) -> Json:
    """``GET /health``: ``wakeup``, which is true if left out, relaunches a stopped channel."""
    account = world.whapi
    if call.query.get("wakeup", "true") != "false":
        account.wakeups += 1
        if account.status in ("STOP", "NOT_INIT", "INIT", "LAUNCH"):
            account.status = "AUTH"
    return health_object(world)


def health_object(world: World) -> dict[str, Json]:
    """The object, as the answer and the webhook carry it."""
    account, now = world.whapi, int(world.clock.now())
    shown: dict[str, Json] = {
        "channel_id": world.config.whapi_channel_id,
        "start_at": now - _START,
        "uptime": _START,
        "version": VERSION,
        "device_id": messages.DEVICE,
        "ip": "10.0.0.9",
        "status": {"code": STATUS_CODES[account.status], "text": account.status},
    }
    return {**shown, "user": own_user(world)} if account.status == "AUTH" else shown


def own_user(world: World) -> dict[str, Json]:
    """The shop's own number."""
    return {"id": world.config.whapi_number, "name": "La Tienda", "saved": False}


# --- settings --------------------------------------------------------------------------------------------------------------


def settings(world: World, call: Call) -> Json:
    """``GET /settings``."""
    return world.whapi.settings


def change_settings(world: World, call: Call) -> Json:
    """``PATCH /settings``."""
    return world.whapi.change(call.body)


def reset_settings(world: World, call: Call) -> Json:
    """``DELETE /settings``."""
    if world.whapi.settings == no_settings():
        raise WhapiError(409, "Settings already reset")
    world.whapi.settings = no_settings()
    return {"success": True}


def events(world: World, call: Call) -> Json:
    """``GET /settings/events``."""
    return [{"type": kind, "method": method} for kind in EVENT_TYPES for method in EVENT_METHODS]


def check_test(call: Call) -> dict[str, Json]:
    """The webhook that ``POST /settings/webhook_test`` describes. Raises ``WhapiError``."""
    webhook: dict[str, Json] = {name: call.body[name] for name in ("url", "mode", "headers") if name in call.body}
    wish = {"type": call.body.get("type"), "method": call.body.get("method", "post")}
    check_settings({"webhooks": [{**webhook, "events": [wish]}]})
    return {**webhook, "event": {"type": wish["type"], "event": wish["method"]}}


# --- contacts --------------------------------------------------------------------------------------------------------------


def check_contacts(world: World, call: Call) -> Json:
    """``POST /contacts``: which numbers are on WhatsApp, and under which id."""
    numbers = call.body.get("contacts")
    if not isinstance(numbers, list) or not all(isinstance(number, str) for number in numbers):
        raise wrong("contacts must be an array of phone numbers")
    if call.body.get("blocking", "no_wait") not in ("wait", "no_wait"):
        raise wrong("blocking must be wait or no_wait")
    return {"contacts": [_checked(world, number) for number in numbers]}


def _checked(world: World, number: str) -> dict[str, str]:
    phone = by_number(world, re.sub(r"\D", "", number))
    if phone is None or phone.gone:
        return {"input": number, "status": "invalid"}
    hidden = (phone.chat_id or "").endswith("@lid")
    return {"input": number, "status": "valid", "wa_id": phone.user if hidden else messages.wa_id_of(phone)}


def contacts(world: World, call: Call) -> Json:
    """``GET /contacts``."""
    known = [_contact(phone) for (channel, _), phone in world.phones.items() if channel == "whatsapp" and not phone.stranger]
    return _page(call, "contacts", known)


def contact(world: World, call: Call, contact_id: str) -> Json:
    """``GET /contacts/{id}``, and ``HEAD``: whether there is such a number."""
    return _contact(_person(world, contact_id))


def profile(world: World, call: Call, contact_id: str) -> Json:
    """``GET /contacts/{id}/profile``."""
    phone = _person(world, contact_id)
    name = phone.username or phone.name or ""
    shown = {"name": phone.name or name, "push_name": name, "about": "Disponible", "icon": "", "icon_full": ""}
    return {**shown, **phone.profile}


def lid(world: World, call: Call, contact_id: str) -> Json:
    """``GET /contacts/lids/{id}``."""
    phone = _person(world, contact_id)
    if phone.chat_id is None or not phone.chat_id.endswith("@lid"):
        raise not_found("contact")
    return {"lid": phone.chat_id}


def _person(world: World, contact_id: str) -> Phone:
    wanted = unquote(contact_id)
    if not re.fullmatch(r"\d{7,15}(@(lid|s\.whatsapp\.net))?", wanted):
        raise wrong("ContactID must be 7 to 15 digits, with or without @lid or @s.whatsapp.net")
    phone = find(world, wanted) if "@lid" in wanted else by_number(world, wanted.partition("@")[0])
    if phone is None or phone.gone:
        raise not_found("contact")
    return phone


def _contact(phone: Phone) -> dict[str, Json]:
    name = phone.name or phone.username or ""
    shown = {"id": phone.user, "name": name, "pushname": phone.username or name, "is_business": False, "saved": False}
    return {**shown, "profile_pic": "", "profile_pic_full": "", "status": "", **phone.profile}


# --- files and history -----------------------------------------------------------------------------------------------------


def upload(world: World, call: Call) -> Json:
    """``POST /media``: the bytes with their content type, or a form with a file."""
    media = call.body.get("media")
    if isinstance(media, File):
        file = media
    elif call.raw and not call.content_type.startswith("application/json"):
        file = File(call.raw, call.content_type)
    else:
        raise wrong("send the file as the body, with its Content-Type")
    return {"media": [{"id": world.whapi.store(file.content, file.mime_type)}]}


def file_of(world: World, media_id: str) -> File:
    """``GET /media/{id}``. Raises ``WhapiError``."""
    if media_id not in world.whapi.files:
        raise not_found("media")
    return world.whapi.files[media_id]


def message(world: World, call: Call, mid: str) -> Json:
    """``GET /messages/{id}``."""
    if mid not in world.whapi.messages:
        raise not_found("message")
    return world.whapi.messages[mid]


def history(world: World, call: Call, chat_id: str | None = None) -> Json:
    """``GET /messages/list`` and ``…/{ChatID}``: newest first."""
    found = list(world.whapi.messages.values())
    if chat_id is not None:
        chat = unquote(chat_id)
        if not re.fullmatch(r"[\d-]{9,31}@[\w.]+", chat):
            raise wrong("ChatID must be a full id")
        found = [one for one in found if one["chat_id"] == chat]
    least, most = (_count(call, name, default) for name, default in (("time_from", 0), ("time_to", 2**40)))
    found = [one for one in found if least <= one["timestamp"] <= most]
    if "from_me" in call.query:
        found = [one for one in found if one["from_me"] == (call.query["from_me"] == "true")]
    if call.query.get("sort", "desc") == "desc":
        found.reverse()
    return _page(call, "messages", found)


def _page(call: Call, name: str, found: list[dict[str, Json]]) -> Json:
    count, offset = _count(call, "count", 100), _count(call, "offset", 0)
    return {name: found[offset : offset + count], "count": count, "total": len(found), "offset": offset}


def _count(call: Call, name: str, default: int) -> int:
    given = call.query.get(name, str(default))
    if not given.isdigit():
        raise wrong(f"{name} must be a number")
    return int(given)
