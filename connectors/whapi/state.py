"""Whether our number can send: Whapi's channel states, in the operator's words."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.message import Json
from connectors.values import as_object, as_text

WORKING = "AUTH"
UNLINKED = "El número de WhatsApp no está vinculado: abre el canal en el panel de Whapi y escanea el código QR con el teléfono"
_STARTING = "El canal de Whapi está arrancando y todavía no puede enviar"
_STOPPED = "El canal de Whapi está detenido: enciéndelo en el panel de Whapi"
_BROKEN = "El canal de Whapi falló: reinícialo en el panel de Whapi y, si sigue así, vincula otra vez el número"
# `status.text` of GET /health. Codes are not compared: their meaning is documented only in part.
REASONS = {
    "NOT_INIT": _STOPPED,
    "STOP": _STOPPED,
    "INIT": _STARTING,
    "LAUNCH": _STARTING,
    "QR": UNLINKED,
    "ERROR": _BROKEN,
    "SYNC_ERROR": _BROKEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Able to send or not, and why not."""

    ok: bool
    reason: str = ""


def state_of(health: Json) -> State | None:
    """The state that a health document tells; None for a document without one."""
    word = as_text(as_object(as_object(health).get("status")).get("text"))
    if word is None:
        return None
    word = word.strip().upper()
    if word == WORKING:
        return State(ok=True)
    return State(ok=False, reason=f"{REASONS.get(word, _BROKEN)} (estado {word[:40]})")
