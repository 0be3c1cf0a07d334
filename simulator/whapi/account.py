"""The one channel: a WhatsApp number linked like WhatsApp Web, with its settings, messages and files."""

from __future__ import annotations

import copy
import re
import secrets
from dataclasses import dataclass, field

from simulator.config import Config, Json
from simulator.whapi.errors import WhapiError

# Codes 4 and up are not documented; callers compare the text.
STATUS_CODES = {"NOT_INIT": 0, "INIT": 1, "LAUNCH": 2, "QR": 3, "AUTH": 4, "ERROR": 5, "SYNC_ERROR": 6, "STOP": 7}
EVENT_TYPES = (
    "messages",
    "statuses",
    "chats",
    "contacts",
    "groups",
    "presences",
    "calls",
    "channel",
    "users",
    "labels",
    "service",
)
EVENT_METHODS = ("post", "put", "patch", "delete")
_EVENTS = (
    ("messages", "post"),
    ("messages", "put"),
    ("messages", "patch"),
    ("messages", "delete"),
    ("statuses", "post"),
    ("statuses", "put"),
    ("channel", "post"),
    ("users", "post"),
    ("users", "delete"),
    ("calls", "post"),
)
MEDIA_TYPES = ("image", "audio", "voice", "video", "document", "sticker")
_MODES = ("body", "path", "method")


@dataclass(frozen=True, slots=True)
class File:
    """A stored file."""

    content: bytes
    mime_type: str


@dataclass(slots=True)
class Account:
    """What Whapi knows about the channel. ``reset()`` of the world makes a new one."""

    config: Config
    status: str = "AUTH"
    limits: Json = None  # None: the plan has none
    wakeups: int = 0
    settings: dict[str, Json] = field(init=False)
    messages: dict[str, dict[str, Json]] = field(default_factory=dict)  # by id, oldest first
    files: dict[str, File] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)  # whose number stands behind a chat id that is not made of it

    def __post_init__(self) -> None:
        self.settings = first_settings(self.config)

    def store(self, content: bytes, mime_type: str) -> str:
        """Keep a file; returns its media id (the pattern of the documentation)."""
        kind = re.sub(r"[^A-Za-z0-9]", "", mime_type.partition(";")[0].rpartition("/")[2]) or "bin"
        media_id = new_media_id(kind)
        self.files[media_id] = File(content, mime_type)
        return media_id

    def name_chat(self, user: str, chat_id: str | None) -> None:
        """Let this customer's chat have an id of its own; None takes it back."""
        self.aliases = {alias: owner for alias, owner in self.aliases.items() if owner != user}
        if chat_id is not None:
            self.aliases[chat_id] = user
            if chat_id.endswith("@s.whatsapp.net"):
                self.aliases[chat_id.partition("@")[0]] = user

    def change(self, changes: dict[str, Json]) -> dict[str, Json]:
        """``PATCH /settings``: what is absent stays, ``webhooks`` is replaced as a whole. Raises ``WhapiError``."""
        check_settings(changes)
        before = copy.deepcopy(self.settings)
        self.settings = {**self.settings, **copy.deepcopy(changes)}
        changed = [name for name in changes if before.get(name) != self.settings[name]]
        return {"before_update": before, "after_update": copy.deepcopy(self.settings), "changes": changed}

    def downloads(self, kind: str) -> bool:
        """Whether media of this kind come with a link."""
        media = self.settings.get("media")
        wanted = media.get("auto_download", []) if isinstance(media, dict) else []
        # gif and short (round video) have no word of their own in the setting.
        return {"gif": "video", "short": "video"}.get(kind, kind) in wanted


def new_media_id(kind: str) -> str:
    """An id as files have it."""
    return f"{kind}-{secrets.token_hex(16)}-{secrets.token_hex(8)}"


def no_settings() -> dict[str, Json]:
    """What ``DELETE /settings`` leaves."""
    return {
        "webhooks": [],
        "callback_persist": True,
        "callback_backoff_delay_ms": 3000,
        "max_callback_backoff_delay_ms": 900000,
        "media": {"auto_download": []},
        "offline_mode": False,
    }


def first_settings(config: Config) -> dict[str, Json]:
    """What the command line asked for: one webhook with the secret header, and links to all media."""
    settings = no_settings()
    if config.whapi_webhook:
        settings["webhooks"] = [
            {
                "url": config.whapi_webhook,
                "mode": "body",
                "headers": {config.whapi_header: config.whapi_secret},
                "events": [{"type": kind, "method": method} for kind, method in _EVENTS],
            }
        ]
        settings["media"] = {"auto_download": list(MEDIA_TYPES)}
    return settings


def check_settings(changes: dict[str, Json]) -> None:
    """Refuse settings that are known and wrong. Raises ``WhapiError`` (400)."""
    ranges = {"callback_backoff_delay_ms": (3000, 15000), "max_callback_backoff_delay_ms": (600000, 3600000)}
    for name, (least, most) in ranges.items():
        if name in changes and (not _is_number(changes[name]) or not least <= changes[name] <= most):
            raise _wrong(f"{name} must be a number from {least} to {most}")
    for name in ("callback_persist", "offline_mode", "full_history"):
        if name in changes and not isinstance(changes[name], bool):
            raise _wrong(f"{name} must be true or false")
    if "media" in changes and not isinstance(changes["media"], dict):
        raise _wrong("media must be an object")
    webhooks = changes.get("webhooks", [])
    if not isinstance(webhooks, list):
        raise _wrong("webhooks must be an array")
    for webhook in webhooks:
        _check_webhook(webhook)


def _check_webhook(webhook: Json) -> None:
    if not isinstance(webhook, dict) or not re.match(r"https?://[^/\s]+", str(webhook.get("url", ""))):
        raise _wrong("a webhook needs a url, http or https")
    if webhook.get("mode", "body") not in _MODES:
        raise _wrong(f"webhooks[].mode must be one of {', '.join(_MODES)}")
    headers = webhook.get("headers", {})
    if not isinstance(headers, dict) or len(headers) > 5 or not all(isinstance(value, str) for value in headers.values()):
        raise _wrong("webhooks[].headers must be an object of at most 5 strings")
    events = webhook.get("events", [])
    if not isinstance(events, list) or not all(_is_event(event) for event in events):
        raise _wrong("webhooks[].events must be an array of {type, method}")
    age = webhook.get("webhook_max_age_seconds")
    if age is not None and (not _is_number(age) or not 15 <= age <= 172800):
        raise _wrong("webhooks[].webhook_max_age_seconds must be null or 15 to 172800")


def _is_event(event: Json) -> bool:
    if not isinstance(event, dict):
        return False
    return event.get("type") in EVENT_TYPES and event.get("method", "post") in EVENT_METHODS


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong(details: str) -> WhapiError:
    return WhapiError(400, "Wrong settings format", details)
