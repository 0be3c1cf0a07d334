"""One fitted message to the body of one Send API request. Pure."""

from __future__ import annotations

from connectors.message import BadPayload, Button, Card, Json, Outgoing


def send_body(recipient_id: str, message: Outgoing, metadata: str | None = None) -> dict[str, Json]:
    """The request that answers a customer. ``metadata`` (Messenger: under 1000 characters) comes back in the echo.

    Raises ``BadPayload`` for a message with nothing in it.
    """
    content = message_body(message)
    if metadata:
        content["metadata"] = metadata
    return {"recipient": {"id": recipient_id}, "messaging_type": "RESPONSE", "message": content}


def action_body(recipient_id: str, action: str) -> dict[str, Json]:
    """A sender action: always a request of its own."""
    return {"recipient": {"id": recipient_id}, "sender_action": action}


def message_body(message: Outgoing) -> dict[str, Json]:
    """The ``message`` object for what ``connectors.fit.fit`` made."""
    if message.media is not None:
        body: dict[str, Json] = _attachment(message.media.kind, {"url": message.media.url})
    elif message.cards:
        body = _template({"template_type": "generic", "elements": [_element(card) for card in message.cards]})
    elif message.buttons and message.text:
        buttons = [_button(button) for button in message.buttons]
        body = _template({"template_type": "button", "text": message.text, "buttons": buttons})
    elif message.text:
        body = {"text": message.text}
    else:
        raise BadPayload("El mensaje está vacío")
    if message.quick_replies:
        body["quick_replies"] = [
            {"content_type": "text", "title": reply.title, "payload": reply.payload or reply.title}
            for reply in message.quick_replies
        ]
    return body


def _attachment(kind: str, payload: dict[str, Json]) -> dict[str, Json]:
    return {"attachment": {"type": kind, "payload": payload}}


def _template(payload: dict[str, Json]) -> dict[str, Json]:
    return _attachment("template", payload)


def _button(button: Button) -> dict[str, Json]:
    if button.url:
        return {"type": "web_url", "title": button.title, "url": button.url}
    return {"type": "postback", "title": button.title, "payload": button.payload or button.title}


def _element(card: Card) -> dict[str, Json]:
    element: dict[str, Json] = {"title": card.title}
    if card.subtitle:
        element["subtitle"] = card.subtitle
    if card.image_url:
        element["image_url"] = card.image_url
    if card.url:
        element["default_action"] = {"type": "web_url", "url": card.url}
    if card.buttons:
        element["buttons"] = [_button(button) for button in card.buttons]
    return element
