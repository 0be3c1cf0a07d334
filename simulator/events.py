"""The items inside webhooks, exactly one event key each. Pure."""

from __future__ import annotations

import secrets
from typing import Any

from simulator.config import Channel, Json
from simulator.errors import ControlError

PAGE_INBOX = 263902037430900  # the app that echoes name for replies typed in the Page inbox

_CDN = {"messenger": "https://scontent.xx.fbcdn.net/v", "instagram": "https://lookaside.fbsbx.com/ig_messaging_cdn"}
# The subscription field that each event key belongs to.
_FIELDS = {
    "postback": "messaging_postbacks",
    "reaction": "message_reactions",
    "message_edit": "message_edits",
    "read": "message_reads",
    "delivery": "message_deliveries",
    "referral": "messaging_referrals",
    "optin": "messaging_optins",
    "policy_enforcement": "messaging_policy_enforcement",
    "account_linking": "messaging_account_linking",
    "pass_thread_control": "messaging_handovers",
    "take_thread_control": "messaging_handovers",
    "request_thread_control": "messaging_handovers",
    "app_roles": "messaging_handovers",
    "response_feedback": "response_feedback",
}


def from_customer(account: str, user: str, time: int, **event: Json) -> dict[str, Json]:
    """An item from the customer to the shop."""
    return {"sender": {"id": user}, "recipient": {"id": account}, "timestamp": time, **event}


def from_shop(account: str, user: str, time: int, **event: Json) -> dict[str, Json]:
    """An item from the shop to the customer: an echo."""
    return {"sender": {"id": account}, "recipient": {"id": user}, "timestamp": time, **event}


def echo(mid: str, shown: dict[str, Json], *, app_id: int | None, metadata: str | None) -> dict[str, Json]:
    """The message of an echo; Instagram's carries neither app id nor metadata."""
    message: dict[str, Json] = {"mid": mid, **shown, "is_echo": True}
    if app_id is not None:
        message["app_id"] = app_id
    if metadata is not None:
        message["metadata"] = metadata
    return message


def subscription(item: dict[str, Json]) -> str:
    """The field one has to be subscribed to on the Page to get this item."""
    if "message" in item:
        return "message_echoes" if item["message"].get("is_echo") else "messages"
    return next((field for key, field in _FIELDS.items() if key in item), "messages")


def change(channel: Channel, item: dict[str, Json]) -> dict[str, Json]:
    """The same item as some deliveries have it: under ``changes`` with the field's name."""
    return {"field": subscription(item) if channel == "messenger" else _instagram_field(subscription(item)), "value": item}


def _instagram_field(field: str) -> str:
    return {
        "message_reads": "messaging_seen",
        "messaging_referrals": "messaging_referral",
        "message_edits": "message_edit",
        "messaging_handovers": "messaging_handover",
        "message_echoes": "messages",
    }.get(field, field)


def without_payload(item: dict[str, Json]) -> dict[str, Json]:
    """The item as another app sees it in standby: a postback has neither payload nor mid there."""
    if "postback" not in item:
        return item
    return {**item, "postback": {"title": item["postback"]["title"]}}


def media_address(channel: Channel, kind: str) -> str:
    """A pre-signed CDN address as the channel's webhooks carry them."""
    number = secrets.randbelow(10**12)
    return f"{_CDN[channel]}/{kind}?asset_id={number}&signature={secrets.token_urlsafe(24)}"


def attachment(channel: Channel, given: Json) -> dict[str, Any]:
    """An attachment as the channel delivers it.

    ``given`` is a type as the customer would name it ("share", "sticker"…), an object with ``type`` and details, or an object
    with ``payload`` (even null), which goes out verbatim. Raises ``ControlError``.
    """
    if isinstance(given, str):
        given = {"type": given}
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise ControlError('an attachment is a type or {"type": …, "url": …}, or {"type": …, "payload": …} verbatim')
    if "payload" in given:
        return dict(given)
    kind = given["type"]
    url = given.get("url") or media_address(channel, kind)
    title = given.get("title")
    if kind in ("image", "video", "audio", "file"):
        return {"type": kind, "payload": {"url": url}}
    if kind not in _BUILDERS:
        raise ControlError(f"no attachment type {kind!r}; there are image, video, audio, file, {', '.join(_BUILDERS)}")
    built = _BUILDERS[kind](channel, url, title)
    if built is None:
        raise ControlError(f"{channel} has no {kind}")
    return built


def _sticker(channel: Channel, url: str, title: str | None) -> dict[str, Any]:
    if channel == "instagram":  # the one sticker that Instagram delivers as such
        return {"type": "like_heart"}
    return {"type": "sticker", "payload": {"url": url, "sticker_id": 126361874215276}}


def _share(channel: Channel, url: str, title: str | None) -> dict[str, Any]:
    if channel == "instagram":
        return {
            "type": "ig_post",
            "payload": {"url": url, "title": title or "Publicación", "ig_post_media_id": "17897654949593778"},
        }
    return {"type": "fallback", "payload": {"url": url, "title": title or "Enlace"}}


def _location(channel: Channel, url: str, title: str | None) -> dict[str, Any]:
    return {
        "type": "location",
        "title": title or "Ubicación",
        "url": url,
        "payload": {"coordinates": {"lat": 19.4326, "long": -99.1332}},
    }


def _product(channel: Channel, url: str, title: str | None) -> dict[str, Any]:
    element = {"id": "5241", "retailer_id": "ARN-60", "image_url": url, "title": title or "Producto", "subtitle": "1 pieza"}
    return {"type": "template", "payload": {"product": {"elements": [element]}}}


def _reel(channel: Channel, url: str, title: str | None) -> dict[str, Any]:
    kind = "ig_reel" if channel == "instagram" else "reel"
    return {"type": kind, "payload": {"url": url, "title": title or "Reel", "reel_video_id": 18012345678901234}}


def _story_mention(channel: Channel, url: str, title: str | None) -> dict[str, Any] | None:
    return {"type": "story_mention", "payload": {"url": url}} if channel == "instagram" else None


def _ig_story(channel: Channel, url: str, title: str | None) -> dict[str, Any] | None:
    return {"type": "ig_story", "payload": {"url": url}} if channel == "instagram" else None


def _ephemeral(channel: Channel, url: str, title: str | None) -> dict[str, Any] | None:
    return {"type": "ephemeral"} if channel == "instagram" else None


def _post(channel: Channel, url: str, title: str | None) -> dict[str, Any]:
    if channel == "instagram":
        return _share(channel, url, title)
    return {"type": "post", "payload": {"url": url, "title": title or "Publicación", "id": "104_9"}}


def _unsupported(channel: Channel, url: str, title: str | None) -> dict[str, Any]:
    return {"type": "unsupported_type", "payload": {"url": url}}


def _appointment(channel: Channel, url: str, title: str | None) -> dict[str, Any] | None:
    if channel == "instagram":
        return None
    return {
        "type": "appointment_booking",
        "payload": {
            "booking_id": "b-1",
            "status": "requested",
            "start_time": 1760000000,
            "end_time": 1760003600,
            "timezone": "America/Mexico_City",
        },
    }


_BUILDERS = {
    "sticker": _sticker,
    "share": _share,
    "location": _location,
    "product": _product,
    "reel": _reel,
    "post": _post,
    "story_mention": _story_mention,
    "ig_story": _ig_story,
    "ephemeral": _ephemeral,
    "unsupported": _unsupported,
    "appointment": _appointment,
}
