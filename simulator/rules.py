"""Meta's limits on what may be sent. Pure: a message in; what the phone shows, or a ``GraphError``, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.config import Channel, Json
from simulator.errors import invalid, too_long
from simulator.phone import Choice, Content
from simulator.templates import check_template, fetched, no_other_keys

MESSENGER_TEXT = 1999  # characters: "less than 2000"
INSTAGRAM_TEXT = 1000  # bytes of UTF-8
QUICK_REPLIES = 13
TITLE = 20  # longer titles of quick replies and buttons are cut without a word
PAYLOAD = 1000
METADATA = 999  # "less than 1000"
INSTAGRAM_IMAGES = 10

MEDIA = ("image", "video", "audio", "file")
_MESSAGE_KEYS = {
    "messenger": {"text", "attachment", "quick_replies", "metadata", "sticker_id", "template"},
    "instagram": {"text", "attachment", "attachments", "quick_replies", "metadata"},
}
_QUICK_REPLY_TYPES = {"messenger": ("text", "user_phone_number", "user_email"), "instagram": ("text",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message that Meta takes: what the phone shows, what the echo carries, what is remembered of it."""

    content: Content
    echo: dict[str, Json] = field(default_factory=dict)
    metadata: str | None = None
    reusable: str | None = None  # the type of an attachment that may be sent again by id

    @property
    def is_media(self) -> bool:
        """Whether it counts on the lower limit for audio and video."""
        return any(attachment.get("type") in ("audio", "video") for attachment in self.content.attachments)


def check_message(
    channel: Channel, message: Json, uploads: Mapping[str, str], text_unit: str = "characters", *, utility: bool = False
) -> Accepted:
    """Check one ``message`` against the channel's rules. ``uploads`` are the known attachment ids with their types."""
    if not isinstance(message, dict) or not message:
        raise invalid("Message cannot be empty, must provide valid attachment or text")
    no_other_keys(message, _MESSAGE_KEYS[channel], "message")
    metadata = _metadata(message)
    quick = _quick_replies(channel, message.get("quick_replies"))
    bodies = [
        name for name in ("text", "attachment", "attachments", "sticker_id", "template") if message.get(name) not in (None, "")
    ]
    if not bodies:
        raise invalid("Message cannot be empty, must provide valid attachment or text")
    if len(bodies) > 1:
        raise invalid(f"Only one of {', '.join(bodies)} can be in a message")
    if bodies == ["text"]:
        text = _text(channel, message["text"], text_unit)
        return Accepted(content=Content(text=text, choices=quick), echo={"text": text}, metadata=metadata)
    if bodies == ["sticker_id"]:
        sticker = {"type": "sticker", "payload": {"sticker_id": message["sticker_id"]}}
        return Accepted(
            content=Content(choices=quick, attachments=(sticker,)), echo={"attachments": [sticker]}, metadata=metadata
        )
    if bodies == ["template"]:
        return _utility(message["template"], utility)
    return _attachments(channel, message.get("attachment", message.get("attachments")), uploads, quick, metadata)


def _metadata(message: dict[str, Json]) -> str | None:
    metadata = message.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, str):
        raise invalid("Param message[metadata] must be a string")
    if len(metadata) > METADATA:
        raise too_long("message[metadata]", METADATA)
    return metadata


def _text(channel: Channel, text: Json, unit: str) -> str:
    if not isinstance(text, str):
        raise invalid("Param message[text] must be a string")
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise invalid("Param message[text] must be valid UTF-8")
    if not text.strip():
        raise invalid("Message cannot be empty, must provide valid attachment or text")
    if channel == "instagram":
        if len(text.encode()) > INSTAGRAM_TEXT:
            raise too_long("message[text]", INSTAGRAM_TEXT, " bytes")
    elif (len(text.encode("utf-16-le")) // 2 if unit == "utf16" else len(text)) > MESSENGER_TEXT:
        raise too_long("message[text]", MESSENGER_TEXT)
    return text


def _quick_replies(channel: Channel, replies: Json) -> tuple[Choice, ...]:
    if replies is None:
        return ()
    if not isinstance(replies, list) or not replies:
        raise invalid("Param message[quick_replies] must be a non-empty array")
    if len(replies) > QUICK_REPLIES:
        raise invalid(f"Param message[quick_replies] has too many elements, at most {QUICK_REPLIES}")
    return tuple(_quick_reply(channel, reply, f"message[quick_replies][{number}]") for number, reply in enumerate(replies))


def _quick_reply(channel: Channel, reply: Json, where: str) -> Choice:
    if not isinstance(reply, dict):
        raise invalid(f"Param {where} must be an object")
    no_other_keys(reply, {"content_type", "title", "payload", "image_url"}, where)
    kind = reply.get("content_type")
    if kind not in _QUICK_REPLY_TYPES[channel]:
        raise invalid(f"Param {where}[content_type] must be one of {', '.join(_QUICK_REPLY_TYPES[channel])}")
    if kind != "text":
        # The customer's own number or address stands on the button and comes back as title and payload.
        value = "+525512345678" if kind == "user_phone_number" else "cliente@example.com"
        return Choice(title=value, payload=value, quick=True)
    title, payload = reply.get("title"), reply.get("payload")
    if not isinstance(title, str) or not title.strip():
        raise invalid(f"Param {where}[title] must be a non-empty string")
    if not isinstance(payload, str) or not payload:
        raise invalid(f"Param {where}[payload] must be a non-empty string")
    if len(payload) > PAYLOAD:
        raise too_long(f"{where}[payload]", PAYLOAD)
    return Choice(title=title[:TITLE], payload=payload, quick=True)


def _utility(template: Json, allowed: bool) -> Accepted:
    if not allowed:
        raise invalid("Param message[template] needs messaging_type UTILITY")
    if not isinstance(template, dict) or not template.get("name") or not isinstance(template.get("language"), dict):
        raise invalid("Param message[template] needs name and language")
    shown = {"type": "template", "payload": template}
    return Accepted(content=Content(text=str(template["name"]), attachments=(shown,)), echo={"attachments": [shown]})


def _attachments(
    channel: Channel, given: Json, uploads: Mapping[str, str], quick: tuple[Choice, ...], metadata: str | None
) -> Accepted:
    items = given if isinstance(given, list) else [given]
    if not items or len(items) > INSTAGRAM_IMAGES:
        raise invalid(f"Param message[attachments] takes 1 to {INSTAGRAM_IMAGES} images", 2534015)
    if len(items) > 1 and any(not isinstance(item, dict) or item.get("type") != "image" for item in items):
        raise invalid("Several attachments must all be images", 2534015)
    if len(items) == 1 and isinstance(items[0], dict) and items[0].get("type") == "template":
        content = check_template(channel, items[0].get("payload"))
        shown = Content(
            text=content.text, choices=content.choices + quick, cards=content.cards, attachments=content.attachments
        )
        return Accepted(
            content=shown, echo={"attachments": [{"type": "template", "payload": items[0]["payload"]}]}, metadata=metadata
        )
    checked = tuple(_medium(channel, item, uploads) for item in items)
    reusable = next((item["type"] for item in items if (item.get("payload") or {}).get("is_reusable") is True), None)
    return Accepted(
        content=Content(choices=quick, attachments=checked),
        echo={"attachments": [dict(item) for item in checked]},
        metadata=metadata,
        reusable=reusable,
    )


def _medium(channel: Channel, item: Json, uploads: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise invalid("Param message[attachment] must be an object")
    no_other_keys(item, {"type", "payload"}, "message[attachment]")
    kind, payload = item.get("type"), item.get("payload")
    if channel == "instagram" and kind == "like_heart":
        return {"type": "like_heart"}
    if not isinstance(payload, dict):
        raise invalid("Param message[attachment][payload] must be an object")
    if channel == "instagram" and kind == "MEDIA_SHARE" and payload.get("id"):
        return {"type": "ig_post", "payload": {"ig_post_media_id": str(payload["id"])}}
    if kind not in MEDIA:
        raise invalid(f"Param message[attachment][type] must be one of {', '.join((*MEDIA, 'template'))}")
    no_other_keys(payload, {"url", "attachment_id", "is_reusable"}, "message[attachment][payload]")
    if "attachment_id" in payload:
        return _uploaded(kind, str(payload["attachment_id"]), uploads)
    fetched(channel, kind, payload.get("url"), "message[attachment][payload][url]")
    return {"type": kind, "payload": {"url": payload["url"]}}


def _uploaded(kind: str, attachment_id: str, uploads: Mapping[str, str]) -> dict[str, Any]:
    if attachment_id not in uploads:
        raise invalid("Invalid attachment ID", 2018074)
    if uploads[attachment_id] != kind:
        raise invalid(f"Attachment type {kind} does not match the upload's {uploads[attachment_id]}", 2018047)
    return {"type": kind, "payload": {"attachment_id": attachment_id}}


def check_upload(channel: Channel, message: Json) -> str:
    """Check a ``message_attachments`` call by URL; returns the attachment's type."""
    attachment = message.get("attachment") if isinstance(message, dict) else None
    if not isinstance(attachment, dict) or attachment.get("type") not in MEDIA:
        raise invalid(f"Param message[attachment][type] must be one of {', '.join(MEDIA)}")
    payload = attachment.get("payload")
    if not isinstance(payload, dict):
        raise invalid("Param message[attachment][payload] must be an object")
    fetched(channel, attachment["type"], payload.get("url"), "message[attachment][payload][url]")
    return str(attachment["type"])
