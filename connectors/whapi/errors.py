"""Whapi's errors, in one table: what each means for the message, the customer or the whole account."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from connectors.message import BadPayload, Json, NeedsOperator, OutcomeUnknown, Retry, SendError, Unreachable
from connectors.values import as_object, as_text, object_of

LONGEST_REST = 3600.0


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status comes to; ``text`` is for the staff."""

    kind: type[SendError]
    text: str


_TOKEN = Meaning(NeedsOperator, "Whapi no conoce el canal de este token: copia otra vez WHAPI_TOKEN del panel de Whapi")
_PAYLOAD = Meaning(BadPayload, "Whapi rechazó el contenido de este mensaje")
_FILE = Meaning(BadPayload, "Whapi no pudo tomar el archivo: revisa su tamaño y su tipo")
_BUSY = Meaning(Retry, "Whapi no está disponible en este momento")
_NOT_WHAPI = Meaning(NeedsOperator, "Quien contesta no parece ser Whapi: revisa WHAPI_URL")
# There is no idempotency key: what may have left is never sent again.
_LOST = Meaning(OutcomeUnknown, "Whapi contestó con un error: el mensaje pudo haber salido")

# By HTTP status. Source: the responses in Whapi's OpenAPI document (1.8.7). Other statuses from 400 on are the message's,
# from 500 on nobody knows.
MEANINGS: dict[int, Meaning] = {
    400: _PAYLOAD,
    401: Meaning(NeedsOperator, "El número no está vinculado o el token no sirve: revisa el canal en el panel de Whapi"),
    402: Meaning(NeedsOperator, "Se acabó el límite del plan de Whapi: paga o cambia el plan en el panel de Whapi"),
    403: Meaning(Unreachable, "WhatsApp no deja escribir a este cliente o grupo"),
    404: Meaning(BadPayload, "Whapi no encontró el chat, el mensaje o el archivo"),
    408: _LOST,
    413: _FILE,
    415: _FILE,
    429: Meaning(Retry, "Whapi pide escribir más despacio"),
    502: _BUSY,
    503: _BUSY,
}
_NO_CHANNEL = "channel not found"


def document_of(response: httpx.Response, secrets: tuple[str, ...] = ()) -> dict[str, Json]:
    """An answer's JSON object, fit to be stored; empty for a success that brings none. Raises what it says went wrong.

    That is a ``SendError``; ``secrets`` never appear in its detail.
    """
    document = object_of(response.content)
    error = as_object((document or {}).get("error"))
    if response.is_success and not error:
        return document or {}
    status = response.status_code
    code = error.get("code")
    if response.is_success and isinstance(code, int):
        status = code
    told = " ".join(filter(None, (as_text(error.get("message")), as_text(error.get("details")))))
    meaning = _meaning(status, told, known=document is not None)
    detail = f"{meaning.text}. Whapi: {_safe(told, secrets)}" if told else meaning.text
    name = f"HTTP {status}"
    if meaning.kind is Retry:
        raise Retry(detail, name, after=_seconds(response.headers.get("retry-after")))
    raise meaning.kind(detail, name)


def _meaning(status: int, told: str, *, known: bool) -> Meaning:
    if status == httpx.codes.NOT_FOUND and _NO_CHANNEL in told.casefold():
        return _TOKEN
    if 300 <= status < 400 or (status == httpx.codes.NOT_FOUND and not known):
        return _NOT_WHAPI
    if status in MEANINGS:
        return MEANINGS[status]
    return _PAYLOAD if 400 <= status < 500 else _LOST


def transport_error(error: Exception) -> SendError:
    """What a failed connection means: before the request left nothing was sent, after that nobody knows."""
    name = type(error).__name__
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return NeedsOperator("La dirección de Whapi no es válida: revisa WHAPI_URL", name)
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)):
        return Retry("No hay conexión con Whapi", name)
    return OutcomeUnknown("La conexión con Whapi se cortó: el mensaje pudo haber salido", name)


def _seconds(value: str | None) -> float | None:
    """``Retry-After`` in seconds; its other form, a date, is not known of Whapi."""
    text = (value or "").strip()
    return min(float(text), LONGEST_REST) if text.isdecimal() and text.isascii() and len(text) < 10 else None


def _safe(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text[:300]
