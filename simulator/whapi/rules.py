"""What ``POST /messages/*`` takes: each kind's checks, what the phone then shows, and the content as Whapi returns it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from simulator.config import Json
from simulator.phone import Choice, Content
from simulator.templates import is_private
from simulator.whapi import interactive
from simulator.whapi.account import Account, File, new_media_id
from simulator.whapi.checks import check_text, number_between, optional_text, text_of
from simulator.whapi.errors import WhapiError, not_found, wrong

# WhatsApp's limits; Whapi publishes none of its own.
MEDIA_LIMIT = 16 * 1024 * 1024
DOCUMENT_LIMIT = 100 * 1024 * 1024
CAPTION_LIMIT = 1024
_MEDIA_ID = re.compile(r"[A-Za-z0-9]+-[0-9A-Fa-f-]+")
_FAMILIES = {
    "image": ("image/",),
    "video": ("video/",),
    "gif": ("video/mp4",),  # "the file to be sent must be an MP4"
    "short": ("video/mp4",),
    "audio": ("audio/",),
    "voice": ("audio/ogg",),
    "sticker": ("image/webp",),
    "document": ("",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message that Whapi takes: its type, its content under that key, and what the phone shows."""

    kind: str
    shown: Json
    content: Content


Rule: TypeAlias = Callable[[Account, dict[str, Json]], Accepted]


def check_message(account: Account, kind: str, body: dict[str, Json]) -> Accepted:
    """Check one message of ``POST /messages/{kind}``. Raises ``WhapiError``."""
    if kind in _FAMILIES:
        return _media(account, kind, body)
    return RULES[kind](account, body)


def _text(account: Account, body: dict[str, Json]) -> Accepted:
    text = check_text(body, "body")
    number_between(body, "typing_time", 0, 60)
    mentions = body.get("mentions", [])
    if not isinstance(mentions, list) or not all(isinstance(mention, str) for mention in mentions):
        raise wrong("mentions must be an array of strings")
    return Accepted(kind="text", shown={"body": text}, content=Content(text=text))


def _link_preview(account: Account, body: dict[str, Json]) -> Accepted:
    text, title = check_text(body, "body"), check_text(body, "title")
    shown = {"body": text, "title": title}
    for name in ("description", "canonical"):
        if name in body:
            shown[name] = text_of(body, name)
    if "media" in body:
        _file(account, "image", body)
    return Accepted(kind="link_preview", shown=shown, content=Content(text=text))


def _media(account: Account, kind: str, body: dict[str, Json]) -> Accepted:
    file, where = _file(account, kind, body)
    caption = optional_text(body, "caption", CAPTION_LIMIT)
    if caption is not None and kind not in ("image", "video", "gif", "document"):
        raise wrong(f"{kind} has no caption")
    shown: dict[str, Any] = {"mime_type": file.mime_type, "file_size": len(file.content)} if file else {}
    attachment = {"type": kind, **where}
    for name in ("filename", "caption"):
        if body.get(name):
            shown[name] = text_of(body, name)
    if "filename" in shown:
        attachment["name"] = shown["filename"]
    media_id = where.get("id") or (account.store(file.content, file.mime_type) if file else new_media_id(kind))
    return Accepted(
        kind=kind,
        shown={"id": media_id, **shown, **({"link": where["url"]} if "url" in where else {})},
        content=Content(text=caption, attachments=(attachment,)),
    )


def _file(account: Account, kind: str, body: dict[str, Json]) -> tuple[File | None, dict[str, str]]:
    """The file, or None for an address (nothing is fetched), and how the phone names it."""
    media = body.get("media")
    if isinstance(media, File):  # a multipart upload
        file, where = media, {"size": str(len(media.content))}
    elif not isinstance(media, str) or not media:
        raise wrong("media is required: a URL, base64, or the id of an uploaded file")
    elif re.match(r"https?://", media):
        if is_private(urlsplit(media).hostname or "localhost"):
            raise wrong("media must be a public URL")
        return None, {"url": media}
    elif _MEDIA_ID.fullmatch(media):
        if media not in account.files:
            raise not_found("media")
        file, where = account.files[media], {"id": media}
    else:
        file = _decoded(media, body)
        where = {"size": str(len(file.content))}
    if not any(file.mime_type.startswith(family) for family in _FAMILIES[kind]):
        raise WhapiError(415, "Unsupported media type", f"{kind} cannot be {file.mime_type}")
    if len(file.content) > (DOCUMENT_LIMIT if kind == "document" else MEDIA_LIMIT):
        raise WhapiError(413, "Request media too large")
    return file, where


def _decoded(media: str, body: dict[str, Json]) -> File:
    found = re.match(r"data:([^;,]+)[^,]*;base64,", media)
    mime_type = found[1] if found else body.get("mime_type")
    if not isinstance(mime_type, str) or "/" not in mime_type:
        raise wrong("mime_type is required with base64")
    try:
        content = base64.b64decode(media[found.end() :] if found else media, validate=True)
    except binascii.Error as error:
        raise wrong("media is neither a URL, nor an id, nor base64") from error
    return File(content, mime_type)


def _location(account: Account, body: dict[str, Json]) -> Accepted:
    shown: dict[str, Json] = {}
    for name, limit in (("latitude", 90), ("longitude", 180)):
        if name not in body:
            raise wrong(f"{name} is required")
        shown[name] = number_between(body, name, -limit, limit)
    shown.update({name: text_of(body, name) for name in ("name", "address") if name in body})
    content = Content(text=shown.get("name"), attachments=({"type": "location", **shown},))
    return Accepted(kind="location", shown=shown, content=content)


def _contact(account: Account, body: dict[str, Json]) -> Accepted:
    card = _card(body)
    return Accepted(kind="contact", shown=card, content=Content(text=card["name"], attachments=({"type": "contact", **card},)))


def _contact_list(account: Account, body: dict[str, Json]) -> Accepted:
    cards = body.get("list")
    if not isinstance(cards, list) or not cards:
        raise wrong("list must be an array of contacts")
    checked = [_card(card) for card in cards]
    attachments = tuple({"type": "contact", **card} for card in checked)
    return Accepted(kind="contact_list", shown={"list": checked}, content=Content(attachments=attachments))


def _card(given: Json) -> dict[str, str]:
    if not isinstance(given, dict):
        raise wrong("a contact is {name, vcard}")
    card = {name: check_text(given, name) for name in ("name", "vcard")}
    if not card["vcard"].startswith("BEGIN:VCARD"):
        raise wrong("vcard must be a vCard")
    return card


def _poll(account: Account, body: dict[str, Json]) -> Accepted:
    title, options = check_text(body, "title"), body.get("options")
    if not isinstance(options, list) or not 2 <= len(options) <= 12 or not all(isinstance(o, str) and o for o in options):
        raise wrong("options must be an array of 2 to 12 strings")
    if len(set(options)) < len(options):
        raise wrong("options must differ")
    count = body.get("count", 1)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= len(options):
        raise wrong("count must be a number: 1 for one answer, 0 for many")
    results = [{"id": option_id(option), "name": option, "count": 0, "voters": []} for option in options]
    shown = {"title": title, "options": options, "vote_limit": count, "total": 0, "results": results}
    choices = tuple(Choice(title=option, payload=option_id(option), kind="option") for option in options)
    return Accepted(kind="poll", shown=shown, content=Content(text=title, choices=choices))


def option_id(option: str) -> str:
    """The id of a poll's option: opaque, and the same for the same words."""
    return base64.b64encode(hashlib.sha256(option.encode("utf-8", "replace")).digest()).decode()


def _interactive(account: Account, body: dict[str, Json]) -> Accepted:
    attachments: tuple[dict[str, Json], ...] = ()
    if "media" in body:
        _, where = _file(account, "image", body)
        attachments = ({"type": "image", **where},)
    shown, content = interactive.check(body, attachments)
    return Accepted(kind="interactive", shown=shown, content=content)


def _carousel(account: Account, body: dict[str, Json]) -> Accepted:
    shown, content = interactive.check_carousel(body)
    for card in body["cards"]:
        _file(account, "image", card)
    return Accepted(kind="carousel", shown=shown, content=content)


RULES: dict[str, Rule] = {
    "text": _text,
    "link_preview": _link_preview,
    "location": _location,
    "contact": _contact,
    "contact_list": _contact_list,
    "poll": _poll,
    "interactive": _interactive,
    "carousel": _carousel,
}
KINDS: tuple[str, ...] = (*RULES, *_FAMILIES)
