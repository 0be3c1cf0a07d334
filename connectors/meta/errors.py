"""Meta's error codes, in one table: what each means for the message, the conversation or the whole account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import httpx

from connectors.message import (
    BadPayload,
    Json,
    NeedsOperator,
    NotOurThread,
    OutcomeUnknown,
    Retry,
    SendError,
    Unreachable,
    WindowClosed,
)
from connectors.values import as_list, as_object, as_text, decode, object_of

_Kind: TypeAlias = type[SendError]
# Seconds to wait where Meta names no time: after a throttle (most limits are by the second), where a usage header says "full",
# and where it protects a customer from us.
THROTTLED = 5.0
FULL = 10.0
REST = 60.0
LONGEST_REST = 24 * 3600.0
# The uses that our calls count for; an advertiser's limits do not hold up our messages.
USE_CASES = frozenset({"messenger", "instagram", "pages"})
# Codes that speak of the token; their messages may quote it.
TOKEN_CODES = frozenset({190, 102})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code comes to; ``text`` is for the staff."""

    kind: _Kind
    text: str
    after: float | None = None


_BUSY = Meaning(Retry, "Meta pide esperar un momento")
_LIMIT = Meaning(Retry, "Llegamos al límite de envíos de Meta", THROTTLED)
_TIRED = Meaning(Retry, "Meta pide escribir menos a este cliente", REST)
_WINDOW = Meaning(WindowClosed, "Pasaron más de 24 horas desde el último mensaje del cliente: Meta ya no acepta respuestas")
_GONE = Meaning(Unreachable, "Meta no entrega mensajes a este cliente (nos bloqueó, ya no existe o no acepta mensajes)")
_OTHER = Meaning(NotOurThread, "Otra aplicación o una persona tiene esta conversación")
_PAYLOAD = Meaning(BadPayload, "Meta rechazó el contenido de este mensaje")
_FILE = Meaning(BadPayload, "Meta no pudo tomar el archivo o la imagen: revisa que su dirección sea pública y su tamaño")
_TOKEN = Meaning(NeedsOperator, "El token de Meta ya no sirve: genera uno nuevo y ponlo en META_ACCESS_TOKEN")
_ACCESS = Meaning(NeedsOperator, "A la app de Meta le falta un permiso, o la cuenta no permite mensajes")
_PROOF = Meaning(NeedsOperator, "Meta no acepta nuestra firma: pon primero en META_APP_SECRET el secreto de hoy de la app")
_PUNISHED = Meaning(NeedsOperator, "Meta restringió la cuenta: revisa la calidad de la página y el centro de ayuda de Meta")

# (code, subcode); None stands for any. Looked up from the most exact to the most general. Sources: Meta's "Common error
# codes" (2026-06-25) and Graph's error handling page.
MEANINGS: dict[tuple[int | None, int | None], Meaning] = {
    # Try again.
    (1, None): _BUSY, (2, None): _BUSY, (1200, None): _BUSY,
    (4, None): _LIMIT, (17, None): _LIMIT, (32, None): _LIMIT, (341, None): _LIMIT, (613, None): _LIMIT,
    (80001, None): _LIMIT, (80002, None): _LIMIT, (80006, None): _LIMIT, (80007, None): _LIMIT,
    (None, 2018338): _TIRED, (None, 2018354): _TIRED, (None, 2018352): _TIRED,
    # An automated question of the Page is still running.
    (None, 2018321): Meaning(Retry, "La página está haciendo una pregunta automática a este cliente", REST),
    # Documented as sent although an error is reported.
    (1, 1357046): Meaning(OutcomeUnknown, "Meta contestó con un error aunque el mensaje pudo haber salido"),
    # The 24 hours are over.
    (None, 2018278): _WINDOW, (None, 2018065): _WINDOW, (None, 2534022): _WINDOW,
    # The send guide's bare code for it; as the subcode of another code it speaks of the customer.
    (1545041, None): _WINDOW,
    # This customer.
    (551, None): _GONE, (None, 1545041): _GONE, (None, 2018108): _GONE, (None, 2018001): _GONE, (None, 2534014): _GONE,
    (100, 33): _GONE,
    # The thread.
    (None, 2018300): _OTHER, (None, 2534037): _OTHER, (None, 2018171): _OTHER,
    # The message.
    (100, None): _PAYLOAD, (None, 2018008): _FILE, (None, 2018047): _FILE, (None, 2018109): _FILE, (None, 2018294): _FILE,
    (None, 2018074): _FILE, (None, 2534068): _PAYLOAD,
    # The token.
    (190, None): _TOKEN, (102, None): _TOKEN,
    # Permissions and set-up.
    (3, None): _ACCESS, (10, None): _ACCESS, (36103, None): _ACCESS, (None, 2018027): _ACCESS, (None, 2018021): _ACCESS,
    (1, 99): _ACCESS, (None, 2534013): _ACCESS, (None, 2534041): _ACCESS, (None, 2534077): _ACCESS,
    (None, 2018028): Meaning(NeedsOperator, "La app de Meta no está publicada o aprobada: sólo escribe a sus probadores"),
    # Enforcement.
    (None, 1893063): _PUNISHED, (None, 2534029): _PUNISHED, (None, 2534122): _PUNISHED, (368, None): _PUNISHED,
    (2022, None): _PUNISHED,
}  # fmt: skip
# Code 100 is for any wrong parameter; of this one only the message tells (meta.md §5.1).
_PROOF_MESSAGE = re.compile(r"app ?secret[ _]proof", re.IGNORECASE)
# All of 200 to 299 are permissions.
_PERMISSION_CODES = range(200, 300)


def document_of(response: httpx.Response, secrets: tuple[str, ...] = (), own_id: str = "") -> dict[str, Json]:
    """A Graph answer's JSON object. Raises what it says went wrong (``SendError``), which HTTP 200 may say, too.

    ``secrets`` never appear in the detail. ``own_id``: an object that Meta cannot find is us, not the customer, if it is this.
    """
    document = object_of(response.content)
    if document is None:
        raise _unreadable(response)
    error = as_object(document.get("error"))
    if error:
        raise _classify(error, response, secrets, own_id)
    if not response.is_success:
        raise _unreadable(response)
    return document


def _classify(error: dict[str, Json], response: httpx.Response, secrets: tuple[str, ...], own_id: str) -> SendError:
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    meaning = _meaning(code, subcode, transient=error.get("is_transient") is True, status=response.status_code)
    told = as_text(error.get("message")) or ""
    if (code, subcode) == (100, 33) and own_id and own_id in told:
        meaning = _ACCESS
    elif code == 100 and _PROOF_MESSAGE.search(told):
        meaning = _PROOF
    name = f"{code}/{subcode}" if subcode else str(code)
    # An invalid token may be quoted in part in the message about it: that message is left out.
    detail = meaning.text if code in TOKEN_CODES or not told else f"{meaning.text}. Meta: {_safe(told, secrets)}"
    trace = as_text(error.get("fbtrace_id"))
    if trace:
        detail += f" (fbtrace {_safe(trace, secrets)[:40]})"
    if meaning.kind is Retry:
        return Retry(detail, name, after=rest_of(response.headers) or meaning.after)
    return meaning.kind(detail, name)


def _meaning(code: int | None, subcode: int | None, *, transient: bool, status: int) -> Meaning:
    exact = MEANINGS.get((code, subcode)) if subcode else None
    exact = exact or MEANINGS.get((None, subcode or -1))
    if exact:
        return exact
    if transient:
        return _BUSY
    # Subcodes are printed as bare codes, too: they mean the same there unless the table has the bare code itself.
    general = MEANINGS.get((code, None)) or MEANINGS.get((None, code or -1))
    if general:
        return general
    if code in _PERMISSION_CODES:
        return _ACCESS
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return _LIMIT
    return _BUSY if status >= httpx.codes.INTERNAL_SERVER_ERROR else _PAYLOAD


def _unreadable(response: httpx.Response) -> SendError:
    """An answer that is not Graph's JSON: from a gateway in front of it, or from another server altogether."""
    status = response.status_code
    name = f"HTTP {status}"
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return Retry("Meta pide esperar un momento", name, after=rest_of(response.headers) or THROTTLED)
    if response.is_success or status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.REQUEST_TIMEOUT:
        return OutcomeUnknown("Meta contestó algo ilegible: el mensaje pudo haber salido", name)
    return NeedsOperator("Quien contesta no parece ser Meta: revisa META_GRAPH_URL y META_GRAPH_VERSION", name)


def transport_error(error: Exception) -> SendError:
    """What a failed connection means: before the request left nothing was sent, after that nobody knows."""
    name = type(error).__name__
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return NeedsOperator("La dirección de Meta no es válida: revisa META_GRAPH_URL", name)
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)):
        return Retry("No hay conexión con Meta", name)
    return OutcomeUnknown("La conexión con Meta se cortó: el mensaje pudo haber salido", name)


def rest_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait where Meta's usage headers say that the limit is reached, else None."""
    rests: list[float] = []
    app = _json_header(headers.get("x-app-usage"))
    if _used_up(as_object(app)):
        rests.append(FULL)
    for uses in as_object(_json_header(headers.get("x-business-use-case-usage"))).values():
        for use in map(as_object, as_list(uses)):
            minutes = use.get("estimated_time_to_regain_access")
            if str(use.get("type", "pages")) not in USE_CASES:
                continue
            if isinstance(minutes, (int, float)) and minutes > 0:
                rests.append(min(minutes * 60.0, LONGEST_REST))
            elif _used_up(use):
                rests.append(FULL)
    return max(rests, default=None)


def _used_up(usage: dict[str, Json]) -> bool:
    percents = (usage.get(name) for name in ("call_count", "total_time", "total_cputime"))
    return any(isinstance(percent, (int, float)) and percent >= 100 for percent in percents)


def _json_header(value: str | None) -> Json:
    if not value:
        return {}
    try:
        return decode(value.encode())
    except ValueError:
        return {}


def _number(value: Json) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _safe(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return re.sub(r"(EAA|IGA)[A-Za-z0-9_-]{8,}", "***", text)[:300]
