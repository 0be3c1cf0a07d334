"""What comes with a message: Meta's attachment types in our words."""

from __future__ import annotations

from connectors.message import Attachment, Json, Kind
from connectors.values import as_id, as_list, as_object, as_text

# developers.facebook.com/docs/messenger-platform/reference/webhook-events/messages and the Instagram webhook examples.
KINDS: dict[str, Kind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "file": "file",
    "sticker": "sticker",
    "like_heart": "sticker",
    "fallback": "share",
    "reel": "share",
    "ig_reel": "share",
    "post": "share",
    "ig_post": "share",
    "share": "share",
    "story": "share",
    "ig_story": "share",
    "media": "share",
    "story_mention": "story_mention",
    "template": "share",
    "location": "location",
}
# ephemeral (seen once), unsupported_type, appointment_booking and all that Meta will add are "unknown": kept, with their type.

# Messenger's thumb in three sizes: whoever sends one says yes.
LIKE_STICKERS = {"369239263222822": "👍", "369239343222814": "👍", "369239383222810": "👍"}


def read_attachments(value: Json) -> tuple[Attachment, ...]:
    """All attachments of a message; those without sense stay as ``unknown``."""
    return tuple(_read(item) for item in as_list(value))


def _read(item: Json) -> Attachment:
    attachment = as_object(item)
    payload = as_object(attachment.get("payload"))
    name = as_text(attachment.get("type")) or "missing"
    # Beside the payload stand what older versions and echoes put there: title, url, id.
    beside = {key: value for key, value in attachment.items() if key not in ("type", "payload", "title", "url")}
    data = {"type": name, **beside, **{key: value for key, value in payload.items() if key not in ("title", "url")}}
    sticker = as_id(payload.get("sticker_id"))
    if sticker:
        data["sticker_id"] = sticker
    kind = KINDS.get(name, "unknown")
    if name == "image" and sticker:
        kind = "sticker"
    if name == "template" and "product" in payload:
        kind = "product"
    return Attachment(
        kind=kind,
        url=as_text(payload.get("url")) or as_text(attachment.get("url")),
        title=as_text(payload.get("title")) or as_text(attachment.get("title")),
        data=data,
    )


def like(attachments: tuple[Attachment, ...]) -> str | None:
    """The emoji that a like sticker stands for."""
    signs = (LIKE_STICKERS.get(str(attachment.data.get("sticker_id"))) for attachment in attachments)
    return next((sign for sign in signs if sign), None)


def kind_of(text: str | None, attachments: tuple[Attachment, ...]) -> Kind:
    """What a message is: its text where it has one, else the first attachment that we can name."""
    if text:
        return "text"
    return next((attachment.kind for attachment in attachments if attachment.kind != "unknown"), "unknown")
