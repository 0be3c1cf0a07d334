"""A call of Whapi taken apart, who is asking, and whom it is about."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.config import Json
from simulator.phone import Phone
from simulator.state import World
from simulator.whapi.account import File
from simulator.whapi.errors import WhapiError, no_channel, not_found, wrong

_TO = re.compile(r"[\d-]{9,31}(@[\w.]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call; the path comes without the prefix, ``body`` is the JSON object or the fields of a form."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Json] = field(default_factory=dict)
    raw: bytes = b""
    content_type: str = ""
    token: str | None = None
    token_from: str | None = None

    def public_body(self) -> dict[str, Json]:
        """The body as it may be shown: without files."""
        return {name: _short(value) for name, value in self.body.items()}


def _short(value: Json) -> Json:
    if isinstance(value, File):
        return f"({len(value.content)} bytes)"
    # Nothing but base64 is that long.
    return f"({len(value)} characters)" if isinstance(value, str) and len(value) > 100_000 else value


def read_body(content_type: str, raw: bytes, form: Mapping[str, Json]) -> dict[str, Json]:
    """The parameters of a body: a JSON object, or the fields of a form. Raises ``WhapiError``."""
    if form:
        return dict(form)
    if not raw.strip() or not content_type.startswith("application/json"):
        return {}
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise wrong("The body is not valid JSON") from error
    if not isinstance(document, dict):
        raise wrong("The body must be a JSON object")
    return document


def authenticate(world: World, call: Call) -> None:
    """Check the channel's token. Raises ``WhapiError``: a wrong one names a channel that does not exist."""
    if not call.token:
        raise WhapiError(401, "Unauthorized", "The token is missing")
    if not hmac.compare_digest(call.token.encode(), world.config.whapi_token.encode()):
        raise no_channel()


def recipient(world: World, to: Json) -> Phone:
    """The chat behind ``to``: digits or a JID. Raises ``WhapiError``."""
    if not isinstance(to, str) or not _TO.fullmatch(to):
        raise wrong(r"to must be a string that matches ^[\d-]{9,31}(@[\w\.]{1,})?$")
    phone = find(world, to)
    if phone is None or phone.gone:
        raise not_found("contact")
    return phone


def find(world: World, chat: str) -> Phone | None:
    """The chat of this id or number. A Mexican number reaches its owner in the one form that their chat has."""
    account = world.whapi
    if chat in account.aliases:
        return world.phone("whatsapp", account.aliases[chat])
    local, _, suffix = chat.partition("@")
    phone = world.phone("whatsapp", local if suffix in ("", "s.whatsapp.net") else chat)
    elsewhere = phone is not None and (phone.chat_id or "").endswith("@s.whatsapp.net")
    return None if elsewhere else phone


def by_number(world: World, digits: str) -> Phone | None:
    """Whose number this is, in any form: Mexico's with and without the old 1 after 52."""
    phone = find(world, digits) or world.phone("whatsapp", digits)
    if phone is None and re.fullmatch(r"521\d{10}", digits):
        phone = world.phone("whatsapp", "52" + digits[3:])
    elif phone is None and re.fullmatch(r"52\d{10}", digits):
        phone = world.phone("whatsapp", "521" + digits[2:])
    return phone
