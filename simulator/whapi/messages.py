"""The objects inside Whapi's webhooks and answers: messages, statuses, updates. Pure."""

from __future__ import annotations

from typing import Any, Literal

from simulator.config import Config, Json
from simulator.phone import Phone

Source = Literal["api", "mobile", "web", "system", "business_api", "unknown"]
# Only 3 and 4 are documented.
STATUS_CODES = {"failed": 0, "pending": 1, "sent": 2, "delivered": 3, "read": 4, "played": 5, "deleted": 6}
DEVICE = 11


def chat_id_of(phone: Phone) -> str:
    """The conversation's id as webhooks carry it."""
    if phone.chat_id is not None:
        return phone.chat_id
    return phone.user if "@" in phone.user else f"{phone.user}@s.whatsapp.net"


def wa_id_of(phone: Phone) -> str:
    """The author's id: the chat's, without its suffix."""
    return chat_id_of(phone).partition("@")[0]


def inbound(
    phone: Phone, mid: str, kind: str, content: Json, time_ms: int, *, author: Phone | None = None, **more: Json
) -> dict[str, Any]:
    """A message of a customer; ``author`` where that is not the chat (in a group)."""
    writer = author or phone
    message = {
        "id": mid,
        "from_me": False,
        "type": kind,
        "chat_id": chat_id_of(phone),
        "timestamp": time_ms // 1000,
        "source": "mobile",
        kind: content,
        "from": wa_id_of(writer),
        "from_name": writer.name or writer.username or "Cliente",
    }
    if author is not None:
        message["chat_name"] = phone.name or "Grupo"
    return {**message, **more}


def outbound(
    config: Config, phone: Phone, mid: str, kind: str, content: Json, time_ms: int, source: Source = "api", **more: Json
) -> dict[str, Any]:
    """A message of our own number, by the API or from the phone."""
    message = {
        "id": mid,
        "from_me": True,
        "type": kind,
        "chat_id": chat_id_of(phone),
        "timestamp": time_ms // 1000,
        "source": source,
        "status": "pending" if source == "api" else "sent",
        kind: content,
        "from": config.whapi_number,
    }
    if source != "mobile":
        message["device_id"] = DEVICE
    return {**message, **more}


def event(key: str, value: Json, kind: str, verb: str = "post") -> dict[str, Any]:
    """One thing to tell: the key it stands under in the envelope, and its event."""
    return {"key": key, "value": value, "event": {"type": kind, "event": verb}}


def said(message: dict[str, Any]) -> dict[str, Any]:
    """A new message."""
    return event("messages", message, "messages")


def status(phone: Phone, mid: str, word: str, time_ms: int) -> dict[str, Any]:
    """How far a message got. The timestamp is a string here, as nowhere else."""
    value = {
        "id": mid,
        "code": STATUS_CODES[word],
        "status": word,
        "recipient_id": chat_id_of(phone),
        "timestamp": str(time_ms // 1000),
    }
    return event("statuses", value, "statuses")


def update(mid: str, trigger: dict[str, Any], before: dict[str, Any], after: dict[str, Any], *changes: str) -> dict[str, Any]:
    """A message that changed, as ``messages.patch`` tells it."""
    value = {"id": mid, "trigger": trigger, "before_update": before, "after_update": after, "changes": list(changes)}
    return event("messages_updates", value, "messages", "patch")


def removed(mid: str) -> dict[str, Any]:
    """A message that was taken back, as ``messages.delete`` tells it."""
    return event("messages_removed", mid, "messages", "delete")


def quoted(message: dict[str, Any]) -> dict[str, Any]:
    """The context of an answer to this message."""
    kind = message["type"]
    return {
        "quoted_id": message["id"],
        "quoted_author": message["from"],
        "quoted_type": kind,
        "quoted_content": message.get(kind, {}),
    }
