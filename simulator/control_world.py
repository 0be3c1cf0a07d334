"""``/sim/…``: webhooks by hand, faults, settings, the clock, and what was counted."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import datetime, timezone

from sanic import Request
from sanic.response import HTTPResponse

from simulator.config import META_CHANNELS, channel_of, seconds
from simulator.control import Route, answer, number, read_object, webhooks_of, world_of
from simulator.errors import ControlError
from simulator.mail.providers import sendgrid_public_key
from simulator.traffic import Plan
from simulator.whapi import packing
from simulator.wire import meta_json, signature, signed_headers


async def test_event(request: Request) -> HTTPResponse:
    """The App Dashboard's "Test" button: a signed event with ids that belong to nobody."""
    channel = channel_of(read_object(request).get("channel", "instagram"))
    if channel not in META_CHANNELS:
        raise ControlError(f"{channel} has no Test button here; on whatsapp there is POST /settings/webhook_test")
    value = {
        "sender": {"id": "12334"},
        "recipient": {"id": "23245"},
        "timestamp": "1527459824",
        "message": {"mid": "random_mid", "text": "random_text"},
    }
    if channel == "messenger":
        value = {"page_id": world_of(request).config.page_id}
    change = {"id": "0", "time": int(world_of(request).clock.now()), "changes": [{"field": "messages", "value": value}]}
    delivery = webhooks_of(request).prepare({"object": "instagram" if channel == "instagram" else "page", "entry": [change]})
    return answer({"status": await webhooks_of(request).deliver(delivery, retry=False)})


async def verify(request: Request) -> HTTPResponse:
    """The GET handshake, with the right verify token or the one given."""
    token = str(read_object(request).get("token", world_of(request).config.verify_token))
    challenge = str(secrets.randbelow(10**10))
    status, content_type, text = await webhooks_of(request).verify(token, challenge)
    return answer({"status": status, "content_type": content_type, "echoed": text == challenge})


# --- webhooks by hand --------------------------------------------------------------------------------------------------------


async def deliver(request: Request) -> HTTPResponse:
    """Sign the raw body and POST it as it is.

    Query: ``signature`` valid|wrong|missing|sha1, ``escape=meta``, ``retry=1``; ``channel=whatsapp`` POSTs it as Whapi does,
    with the static headers of its settings in place of a signature.
    """
    body = request.body
    if request.args.get("channel") == "whatsapp":
        return await _deliver_as_whapi(request)
    if request.args.get("escape") == "meta":
        try:
            body = meta_json(json.loads(body))
        except ValueError as error:
            raise ControlError(f"only JSON can be escaped as Meta does: {error}") from error
    kind = request.args.get("signature", "valid")
    secret = request.args.get("secret", world_of(request).config.app_secret)
    headers = signed_headers(secret, body)
    if kind == "wrong":
        headers = signed_headers(secret + "x", body)
    elif kind == "missing":
        headers = {name: value for name, value in headers.items() if not name.startswith("X-Hub-")}
    elif kind == "sha1":
        headers.pop("X-Hub-Signature-256")
    elif kind != "valid":
        raise ControlError("signature must be valid, wrong, missing or sha1")
    webhooks = webhooks_of(request)
    delivery = webhooks.prepare_raw(body, headers)
    await webhooks.deliver(delivery, retry=request.args.get("retry") == "1")
    return answer({**delivery.as_json(), "answer": delivery.answer, "signature": signature(secret, body)})


async def _deliver_as_whapi(request: Request) -> HTTPResponse:
    registered, kind = world_of(request).whapi.settings["webhooks"], request.args.get("signature", "valid")
    if not registered:
        raise ControlError("no webhook is registered: PATCH /whapi/settings, or start with --whapi-webhook")
    headers = packing.headers_of(registered[0])
    own = registered[0].get("headers", {})
    if kind == "wrong":
        headers.update({name: value + "x" for name, value in own.items()})
    elif kind == "missing":
        headers = {name: value for name, value in headers.items() if name not in own}
    elif kind != "valid":
        raise ControlError("signature must be valid, wrong or missing")
    door = packing.door_of(registered[0], {"type": "messages", "event": "post"})
    delivery = webhooks_of(request).prepare_raw(request.body, headers, (), door)
    await webhooks_of(request).deliver(delivery, retry=request.args.get("retry") == "1")
    return answer({**delivery.as_json(), "answer": delivery.answer})


async def redeliver(request: Request) -> HTTPResponse:
    """The same bytes again: of one message (``mid``), or the ``last`` n deliveries; ``copies`` at the same time."""
    body = read_object(request)
    webhooks = webhooks_of(request)
    count = body.get("last", 1)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ControlError("last must be a whole number, 1 or more")
    again = [webhooks.of(str(body["mid"]))] if "mid" in body else webhooks.last(count)
    plan = Plan.of(body)
    statuses = await asyncio.gather(*(webhooks.deliver(d, retry=plan.retry) for _ in range(plan.copies) for d in again))
    return answer({"results": [{"status": status} for status in statuses], "status": statuses[-1] if statuses else None})


async def deliveries(request: Request) -> HTTPResponse:
    """The newest deliveries with their bodies and all their statuses."""
    newest = webhooks_of(request).last(int(number(request, "last", 100)))
    return answer([{**delivery.as_json(), "body": delivery.body.decode("utf-8", "replace")} for delivery in newest])


# --- the world ---------------------------------------------------------------------------------------------------------------


async def set_fault(request: Request) -> HTTPResponse:
    """Let something go wrong."""
    return answer(world_of(request).faults.set(read_object(request)).as_json())


async def list_faults(request: Request) -> HTTPResponse:
    """Every fault that was set, with how often it struck."""
    return answer([fault.as_json() for fault in world_of(request).faults.active])


async def clear_faults(request: Request) -> HTTPResponse:
    """Let nothing go wrong any more."""
    world_of(request).faults.clear()
    return answer({"ok": True})


async def settings(request: Request) -> HTTPResponse:
    """Every knob with its value."""
    return answer(world_of(request).knobs.as_json())


async def set_settings(request: Request) -> HTTPResponse:
    """Turn knobs, all or none."""
    world_of(request).knobs.turn(read_object(request))
    return answer(world_of(request).knobs.as_json())


async def token(request: Request) -> HTTPResponse:
    """What Graph thinks of the token: valid, subcode, expires_at, data_access_expires_at, scopes."""
    body = read_object(request)
    for name, value in body.items():
        if name == "valid" and isinstance(value, bool):
            continue
        if name == "scopes" and isinstance(value, list) and all(isinstance(scope, str) for scope in value):
            continue
        if (
            name in ("subcode", "expires_at", "data_access_expires_at")
            and isinstance(value, int)
            and not isinstance(value, bool)
        ):
            continue
        raise ControlError(
            "a token has valid (true or false), subcode, expires_at, data_access_expires_at (numbers), scopes (list)"
        )
    world_of(request).change_token(**{name: tuple(value) if name == "scopes" else value for name, value in body.items()})
    return answer({"ok": True})


async def clock(request: Request) -> HTTPResponse:
    """Meta's time."""
    now = world_of(request).clock.now()
    return answer({"now": datetime.fromtimestamp(now, timezone.utc).isoformat(), "ms": int(now * 1000)})


async def set_clock(request: Request) -> HTTPResponse:
    """Move Meta's clock: ``{"advance": seconds}``, or ``{"set": "2026-11-23T12:00:00Z"}``."""
    body = read_object(request)
    moved = world_of(request).clock
    if set(body) == {"advance"} and isinstance(body["advance"], (int, float)) and not isinstance(body["advance"], bool):
        moved.advance(float(body["advance"]))
    elif set(body) == {"set"}:
        try:
            moment = datetime.fromisoformat(str(body["set"]).replace("Z", "+00:00"))
        except ValueError as error:
            raise ControlError("set must be a moment in ISO 8601") from error
        moved.move_to((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())
    else:
        raise ControlError('say {"advance": seconds} or {"set": "2026-11-23T12:00:00Z"}')
    return await clock(request)


async def requests(request: Request) -> HTTPResponse:
    """What was asked of Graph, Whapi and the mail server, oldest first; ``user``, ``where``, ``api`` and ``last`` narrow it."""
    wanted = [
        record
        for record in world_of(request).requests
        if all(request.args.get(name) in (None, record[name]) for name in ("user", "where", "api"))
    ]
    last = int(number(request, "last", 0))
    return answer(wanted[-last:] if last > 0 else wanted)


async def stats(request: Request) -> HTTPResponse:
    """Counts of everything; with ``wait`` only once no delivery is under way, or after so many seconds."""
    webhooks = webhooks_of(request)
    if "wait" in request.args:
        await webhooks.settle(seconds("wait", number(request, "wait", 0)))
    counted = world_of(request).stats()
    counted["webhooks"]["pending"] = webhooks.pending
    for name, server in request.app.ctx.mail_servers.items():
        counted[name]["open"] = len(server.connections)
    return answer(counted)


async def reset(request: Request) -> HTTPResponse:
    """Forget all customers, messages, faults and counts, and put every knob and the clock back."""
    await webhooks_of(request).forget()
    world_of(request).reset()
    request.app.ctx.model.reset()
    return answer({"ok": True})


async def health(request: Request) -> HTTPResponse:
    """Up."""
    return answer({"ok": True})


async def ports(request: Request) -> HTTPResponse:
    """Where everything listens, and what a mail client needs besides; SendGrid's public key is the one that signs here."""
    config = world_of(request).config
    return answer(
        {
            **request.app.ctx.ports,
            "host": config.host,
            "mail_address": config.mail_address,
            "mail_user": config.mail_login,
            "mail_receiver": config.mail_receiver,
            "sendgrid_public_key": sendgrid_public_key(),
        }
    )


ROUTES: tuple[Route, ...] = (
    ("POST", "/sim/test-event", test_event),
    ("POST", "/sim/verify", verify),
    ("POST", "/sim/deliver", deliver),
    ("POST", "/sim/redeliver", redeliver),
    ("GET", "/sim/deliveries", deliveries),
    ("POST", "/sim/faults", set_fault),
    ("GET", "/sim/faults", list_faults),
    ("DELETE", "/sim/faults", clear_faults),
    ("GET", "/sim/settings", settings),
    ("POST", "/sim/settings", set_settings),
    ("POST", "/sim/token", token),
    ("GET", "/sim/clock", clock),
    ("POST", "/sim/clock", set_clock),
    ("GET", "/sim/requests", requests),
    ("GET", "/sim/stats", stats),
    ("POST", "/sim/reset", reset),
    ("GET", "/sim/health", health),
    ("GET", "/sim/ports", ports),
)
