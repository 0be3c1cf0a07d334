"""What a message says: Whapi's message types in our words. Pure.

Source: the message object and its ``type`` in Whapi's OpenAPI document (1.8.7) and help desk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from connectors.message import Attachment, Json, Kind
from connectors.values import as_list, as_object, as_text

# Whapi puts one of these before the id of a tapped button or row; any other prefix is part of an id.
REPLY_PREFIXES = ("ButtonsV3:", "ListV3:")
# Beside what has a field of its own: bulk (a picture in the text), and what expires.
_LEFT_OUT = frozenset({"caption", "preview", "link"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is said. ``automatic``: only machines write such messages."""

    kind: Kind = "text"
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    payload: str | None = None
    title: str | None = None
    automatic: bool = False


_Reader: TypeAlias = Callable[[dict[str, Json], str], "Content | None"]


def read_content(message: dict[str, Json]) -> Content | None:
    """The content of a message object; None for a type that says nothing to anybody, and for a message without content."""
    name = message_type(message)
    reader = READERS.get(name)
    return reader(message, name) if reader else None


def message_type(message: dict[str, Json]) -> str:
    """The message's ``type``, empty where it has none."""
    return as_text(message.get("type")) or ""


def _text(message: dict[str, Json], name: str) -> Content | None:
    text = as_text(as_object(message.get(name)).get("body"))
    return Content(text=text) if text else None


def _media(kind: Kind) -> _Reader:
    def read(message: dict[str, Json], name: str) -> Content | None:
        # The key of `documentWithCaption` is documented nowhere.
        media = as_object(message.get(name)) or (as_object(message.get("document")) if kind == "file" else {})
        if not media:
            return None
        title = as_text(media.get("file_name")) or as_text(media.get("filename"))
        attachment = Attachment(kind=kind, url=as_text(media.get("link")), title=title, data=_data(name, media))
        caption = as_text(media.get("caption"))
        return Content(kind="text" if caption else kind, text=caption, attachments=(attachment,))

    return read


def _thing(kind: Kind, *titles: str) -> _Reader:
    """What has no words of its own: a place, a product, an invitation. ``titles``: where its name may stand."""

    def read(message: dict[str, Json], name: str) -> Content | None:
        thing = message.get(name)
        # An empty one is a thing as well: the customer sees that they sent it.
        if not isinstance(thing, dict):
            return None
        title = next((text for text in (as_text(thing.get(key)) for key in titles) if text), None)
        attachment = Attachment(kind=kind, url=as_text(thing.get("url")), title=title, data=_data(name, thing))
        return Content(kind=kind, attachments=(attachment,))

    return read


def _contacts(message: dict[str, Json], name: str) -> Content | None:
    value = as_object(message.get(name))
    cards = [as_object(card) for card in as_list(value.get("list"))] if name == "contact_list" else [value]
    attachments = tuple(
        Attachment(kind="contact", title=as_text(card.get("name")), data=_data(name, card)) for card in cards if card
    )
    return Content(kind="contact", attachments=attachments) if attachments else None


def _order(message: dict[str, Json], name: str) -> Content | None:
    content = _thing("product", "title")(message, name)
    if content is None:
        return None
    # What the customer wrote below the cart.
    text = as_text(as_object(message.get(name)).get("text"))
    return Content(kind="text", text=text, attachments=content.attachments) if text else content


def _reply(message: dict[str, Json], name: str) -> Content | None:
    reply = as_object(message.get(name))
    chosen = as_object(reply.get(as_text(reply.get("type")) or ""))
    payload, title = as_text(chosen.get("id")), as_text(chosen.get("title"))
    for prefix in REPLY_PREFIXES:
        if payload and payload.startswith(prefix):
            payload = payload[len(prefix) :] or None
            break
    if payload is None and title is None:
        return None
    return Content(text=title, payload=payload, title=title)


def _composed(message: dict[str, Json], name: str) -> Content | None:
    """Templates, buttons, lists, carousels: from others these come from a business's machine, from us by the API."""
    value = as_object(message.get(name))
    if not value:
        return None
    body = value.get("body")
    text = as_text(body) or as_text(as_object(body).get("text")) or as_text(value.get("text"))
    return Content(kind="text" if text else "unknown", text=text, automatic=True)


def _data(name: str, value: dict[str, Json]) -> dict[str, Json]:
    return {"type": name, **{key: item for key, item in value.items() if key not in _LEFT_OUT}}


# The allow-list: a message of any other type is kept and never answered.
READERS: dict[str, _Reader] = {
    "text": _text,
    "link_preview": _text,
    "image": _media("image"),
    "video": _media("video"),
    "gif": _media("video"),
    "short": _media("video"),
    "audio": _media("audio"),
    "voice": _media("audio"),
    "document": _media("file"),
    "documentWithCaption": _media("file"),
    "sticker": _media("sticker"),
    "location": _thing("location", "name", "address"),
    "live_location": _thing("location", "caption"),
    "contact": _contacts,
    "contact_list": _contacts,
    "reply": _reply,
    "order": _order,
    "product": _thing("product", "title"),
    "catalog": _thing("product", "title"),
    "group_invite": _thing("share", "title", "body"),
    "newsletter_invite": _thing("share", "title", "body"),
    "admin_invite": _thing("share", "title", "body"),
    "poll": _thing("unknown", "title"),
    "event": _thing("unknown", "title", "name"),
    "hsm": _composed,
    "buttons": _composed,
    "list": _composed,
    "interactive": _composed,
    "carousel": _composed,
}
# Said by WhatsApp, not by a person.
PROTOCOL = frozenset({"unknown", "system", "call", "pin", "story"})
