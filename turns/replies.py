"""Rasa's output channel of a turn: collects what the dialogue says and wants done, and sends nothing."""

from __future__ import annotations

from typing import Any

from rasa.core.channels.channel import OutputChannel

from connectors.message import Button, Card, Json, Media, Outgoing


class UnknownReply(Exception):
    """The dialogue produced something that no channel can show."""


def _button(item: Json) -> Button:
    return Button(title=str(item["title"]), payload=item.get("payload"), url=item.get("url"))


def _card(item: Json) -> Card:
    return Card(
        title=str(item.get("title") or ""), subtitle=item.get("subtitle"), image_url=item.get("image_url"),
        url=(item.get("default_action") or {}).get("url") or item.get("url"),
        buttons=tuple(_button(b) for b in item.get("buttons") or ()),
    )


def outgoing(response: dict[str, Any]) -> Outgoing | None:
    """One of Rasa's responses (domain.yml's keys) as our message; None when there is nothing to show."""
    media = None
    if response.get("image"):
        media = Media(kind="image", url=response["image"])
    elif attachment := response.get("attachment"):
        # Rasa's own shape is a URL; Facebook's {"type", "payload": {"url"}} is what designers copy.
        if isinstance(attachment, dict):
            media = Media(kind=attachment.get("type", "file"), url=attachment["payload"]["url"])
        else:
            media = Media(kind="file", url=str(attachment))
    message = Outgoing(
        text=response.get("text") or None,
        buttons=tuple(_button(b) for b in response.get("buttons") or ()),
        quick_replies=tuple(_button(b) for b in response.get("quick_replies") or ()),
        cards=tuple(_card(c) for c in response.get("elements") or ()),
        media=media,
    )
    return message if message != Outgoing() else None


class ReplyCollector(OutputChannel):
    """Keeps replies and effects in order. An effect is custom JSON with the key ``effect``."""

    def __init__(self, channel_name: str) -> None:
        self._name = channel_name
        self.replies: list[Outgoing] = []
        self.effects: list[dict[str, Any]] = []

    def name(self) -> str:
        """The channel's name, so that responses can have variations per channel."""
        return self._name

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Take one response of the dialogue."""
        custom = message.get("custom") or {}
        if "effect" in custom:
            self.effects.append(custom)
        elif custom:
            raise UnknownReply(f"custom payload without 'effect': {sorted(custom)}")
        reply = outgoing(message)
        if reply is not None:
            self.replies.append(reply)
