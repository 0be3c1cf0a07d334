"""Which of the waiting messages make the next turn, and what Rasa may read of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from connectors.message import Json
from turns.model import Received, TurnInput

# What a message without words is, in the dialogue's language (domain.yml, slot `adjunto`).
ATTACHMENT_WORDS = {
    "image": "imagen", "video": "video", "audio": "audio", "file": "archivo", "sticker": "sticker", "location": "ubicacion",
    "share": "compartido", "story_reply": "respuesta_historia", "story_mention": "mencion_historia", "product": "producto",
    "contact": "contacto",
}
# Of these, what asks nothing of anybody: its answers offer no person, so that a "sí" to them calls none.
GESTURES = frozenset({"sticker", "story_reply", "story_mention"})
MAX_TEXT = 2000

# Rasa executes text that begins with "/" as an intent. Invisible characters must not hide one: category Cf and controls.
_HIDDEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f"
    "\u2028-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
)
_COMMAND_PREFIX = re.compile(rf"^(?:[\s/\x00-\x1f\x7f-\x9f{_HIDDEN}])+")
_ORDINALS = {
    "primera": 1, "primero": 1, "segunda": 2, "segundo": 2, "tercera": 3, "tercero": 3, "cuarta": 4, "cuarto": 4, "quinta": 5,
    "quinto": 5, "sexta": 6, "sexto": 6, "septima": 7, "séptima": 7, "octava": 8, "novena": 9, "decima": 10, "décima": 10,
    "uno": 1, "una": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho": 8, "nueve": 9, "diez": 10,
}
_CHOICE = re.compile(r"^(?:la|el|opci[oó]n|n[uú]mero|#|\s)*(\d{1,2}|[a-záéíóú]+)[\s.):]*$", re.IGNORECASE)


def plain_text(text: str | None) -> str:
    """Customer text that Rasa cannot take for a command, at most ``MAX_TEXT`` characters."""
    return _COMMAND_PREFIX.sub("", text or "")[:MAX_TEXT].rstrip()


def chosen_payload(text: str, choices: Sequence[Json]) -> str | None:
    """The payload of the numbered choice that the customer named: "2", "la segunda", or its words."""
    wanted = " ".join(text.casefold().split())
    for choice in choices:
        if wanted and wanted == " ".join(str(choice["title"]).casefold().split()):
            payload: str | None = choice.get("payload")
            return payload
    match = _CHOICE.match(wanted)
    if not match:
        return None
    word = match.group(1)
    number = int(word) if word.isdigit() else _ORDINALS.get(word, 0)
    return choices[number - 1].get("payload") if 1 <= number <= len(choices) else None


def next_turn(waiting: Sequence[Received], choices: Sequence[Json] = ()) -> TurnInput:
    """The next turn out of ``waiting`` (not empty, oldest first): a tap alone, or all messages up to the next tap, joined.

    A payload counts only where we issued it to this conversation; any other is the words on the button.
    """
    first = waiting[0]
    if _is_tap(first):
        return TurnInput(message_ids=(first.id,), text=first.payload or "", metadata=_metadata([first]))
    batch: list[Received] = []
    for message in waiting:
        if _is_tap(message):
            break
        batch.append(message)
    text = "\n".join(filter(None, (plain_text(m.text or m.title) for m in batch)))[:MAX_TEXT]
    if choices and len(batch) == 1 and (payload := chosen_payload(text, choices)) is not None:
        text = payload
    elif not text:
        kind = next((m.kind for m in batch if m.kind != "text"), "unknown")
        intent = "gesto" if kind in GESTURES else "adjunto"
        text = f'/{intent}{{"adjunto": "{ATTACHMENT_WORDS.get(kind, "desconocido")}"}}'
    return TurnInput(message_ids=tuple(m.id for m in batch), text=text, metadata=_metadata(batch))


def _is_tap(message: Received) -> bool:
    return message.payload is not None and message.issued


def _metadata(batch: Sequence[Received]) -> dict[str, Json]:
    # Ids and kinds only: the whole tracker, metadata included, goes to the action server with each action.
    kinds = [m.kind for m in batch if m.kind != "text"]
    return {"messages": [m.id for m in batch], **({"kinds": kinds} if kinds else {})}
