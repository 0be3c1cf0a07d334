"""One fitted message to one request of Whapi's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from connectors.message import BadPayload, Button, Json, Media, Outgoing
from connectors.whapi.capabilities import INTERACTIVE

LIST_LABEL = "Ver opciones"
LIST_TITLE = "Opciones"
# Seconds that a text appears to be written for, and the length that takes the longest.
SHORTEST_TYPING, LONGEST_TYPING, LONG_TEXT = 1.0, 3.0, 300
_PATHS = {"image": "image", "video": "video", "audio": "audio", "file": "document"}


def render(chat_id: str, message: Outgoing, *, quoted: str | None = None, jitter: float = 0.5) -> tuple[str, dict[str, Json]]:
    """Path and body of the request that says this. ``jitter`` in [0, 1) varies the time of typing.

    Raises ``BadPayload`` for a message with nothing in it.
    """
    common: dict[str, Json] = {"to": chat_id, **({"quoted": quoted} if quoted else {})}
    taps = message.buttons or message.quick_replies
    if message.media is not None:
        return f"messages/{_PATHS[message.media.kind]}", {**common, **_media(message.media)}
    if not message.text:
        raise BadPayload("El mensaje está vacío")
    if taps:
        return "messages/interactive", {**common, "body": {"text": message.text}, **_interactive(message.text, taps)}
    return "messages/text", {**common, "body": message.text, "typing_time": typing_time(message.text, jitter)}


def typing_time(text: str, jitter: float) -> float:
    """Seconds of "typing…" before a text: longer for longer ones, and never twice the same."""
    span = LONGEST_TYPING - SHORTEST_TYPING
    seconds = SHORTEST_TYPING + span * min(1.0, len(text) / LONG_TEXT)
    return round(min(LONGEST_TYPING, max(SHORTEST_TYPING, seconds * (0.75 + jitter / 2))), 1)


def _media(media: Media) -> dict[str, Json]:
    if media.kind != "file":
        return {"media": media.url}
    name = PurePosixPath(unquote(urlsplit(media.url).path)).name
    return {"media": media.url, **({"filename": name} if name else {})}


def _interactive(text: str, taps: Sequence[Button]) -> dict[str, Json]:
    """Up to three taps are buttons, more are the rows of a list."""
    choices: dict[str, str] = {}
    for tap in taps:
        # Ids must differ; of two buttons that do the same, the first is enough.
        choices.setdefault(tap.payload or tap.title, tap.title)
    if len(choices) <= INTERACTIVE.buttons and len(text) <= INTERACTIVE.button_text_limit:
        buttons = [{"type": "quick_reply", "title": title, "id": identifier} for identifier, title in choices.items()]
        return {"type": "button", "action": {"buttons": buttons}}
    rows = [{"id": identifier, "title": title} for identifier, title in choices.items()]
    return {"type": "list", "action": {"list": {"label": LIST_LABEL, "sections": [{"title": LIST_TITLE, "rows": rows}]}}}
