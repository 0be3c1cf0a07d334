"""What customers attach on WhatsApp: the object under the message's type, and a file that can be fetched."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import Any

from simulator.config import Json
from simulator.errors import ControlError
from simulator.samples import sample
from simulator.whapi.account import Account

# Type, file extension and what else Whapi says of it.
_FILES: dict[str, tuple[str, dict[str, Json]]] = {
    "image": ("image/jpeg", {"width": 1200, "height": 1600}),
    "video": ("video/mp4", {"seconds": 12, "width": 720, "height": 1280}),
    "gif": ("video/mp4", {"seconds": 3, "autoplay": True}),
    "short": ("video/mp4", {"seconds": 7}),
    "audio": ("audio/mpeg", {"seconds": 30}),
    "voice": ("audio/ogg; codecs=opus", {"seconds": 4}),
    "document": ("application/pdf", {"page_count": 1}),
    "sticker": ("image/webp", {"animated": False}),
}
_PLACES = ("location", "live_location")
_CARDS = ("contact", "contact_list")
_ALIASES = {"file": "document"}  # as the other channels call it
TYPES: tuple[str, ...] = (*_FILES, *_PLACES, *_CARDS)


def attachment(account: Account, given: Json, caption: str | None) -> tuple[str, dict[str, Any]]:
    """Type and content of a message that carries an attachment.

    ``given`` is a type, or an object with ``type`` and details: ``url``, ``link`` (whether the message carries one; the
    setting ``media.auto_download`` decides otherwise), ``content`` (base64), ``mime_type``, ``name``; or ``payload``, which
    goes out verbatim. Raises ``ControlError``.
    """
    if isinstance(given, str):
        given = {"type": given}
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise ControlError('an attachment is a type or {"type": …, "url": …}, or {"type": …, "payload": …} verbatim')
    kind = str(_ALIASES.get(given["type"], given["type"]))
    if "payload" in given:
        return kind, given["payload"]
    if kind in _FILES:
        return kind, _file(account, kind, given, caption)
    if kind in _PLACES:
        return kind, _place(kind, given)
    if kind in _CARDS:
        return kind, _cards(kind, given)
    raise ControlError(f"no attachment type {kind!r} on whatsapp; there are {', '.join(TYPES)}")


def _file(account: Account, kind: str, given: dict[str, Json], caption: str | None) -> dict[str, Any]:
    default, facts = _FILES[kind]
    mime_type = str(given.get("mime_type", default))
    content = _bytes(given, mime_type)
    media_id = account.store(content, mime_type)
    shown: dict[str, Any] = {
        "id": media_id,
        "mime_type": mime_type,
        "file_size": len(content),
        "sha256": base64.b64encode(hashlib.sha256(content).digest()).decode(),
        **facts,
    }
    if given.get("link", account.downloads(kind)):
        shown["link"] = given.get("url") or f"https://in-files.s3.example/{secrets.token_hex(8)}/{media_id}"
    if kind == "document" or "name" in given:
        name = str(given.get("name", "documento.pdf"))
        shown["file_name"] = shown["filename"] = name
    if caption is not None:
        shown["caption"] = caption
    return shown


def _bytes(given: dict[str, Json], mime_type: str) -> bytes:
    if "content" not in given:
        return sample(mime_type)
    try:
        return base64.b64decode(str(given["content"]), validate=True)
    except binascii.Error as error:
        raise ControlError("content must be base64") from error


def _place(kind: str, given: dict[str, Json]) -> dict[str, Any]:
    place: dict[str, Any] = {"latitude": given.get("latitude", 19.4326), "longitude": given.get("longitude", -99.1332)}
    if kind == "live_location":
        return {**place, "accuracy": 20, "speed": 1, "sequence_number": 1763800020123, "caption": ""}
    named = {"name": given.get("title", "Zócalo"), "address": given.get("address", "Centro, CDMX")}
    return {**place, **named, "url": given.get("url", "https://foursquare.com/v/zocalo"), "accuracy": 12}


def _cards(kind: str, given: dict[str, Json]) -> dict[str, Any]:
    name, number = str(given.get("name", "Luis")), str(given.get("number", "5215511112222"))
    card = {
        "name": name,
        "vcard": f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL;waid={number}:+{number}\nEND:VCARD",
    }
    return card if kind == "contact" else {"list": [card, {**card, "name": f"{name} (casa)"}]}
