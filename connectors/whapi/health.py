"""Is our number able to talk? For ``omnicrm doctor``: in Spanish, each trouble with its next step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from connectors.message import SendError
from connectors.platform import Finding
from connectors.values import as_id, as_list, as_object, as_text
from connectors.whapi.client import WhapiClient
from connectors.whapi.item import Ours
from connectors.whapi.setup import EVENTS, events_of, header_of
from connectors.whapi.state import state_of
from connectors.whapi.webhook import PATH, is_known

_SET_UP = "corre `omnicrm whapi setup --url https://tu-dominio --apply`"
_LIMITS = {"messages": "mensajes", "chats": "chats", "checks": "revisiones de números", "requests": "llamadas"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is checked: who we are, and the secrets that the webhook may carry."""

    ours: Ours
    secrets: tuple[str, ...] = field(repr=False)


async def check(client: WhapiClient, account: Account) -> list[Finding]:
    """All findings about the number's link, the plan's limits and the webhook."""
    findings = await _link(client, account)
    if any(finding.level == "error" for finding in findings):
        # Everything below would only repeat it.
        return findings
    return [*findings, *await _limits(client), *await _webhook(client, account)]


async def _link(client: WhapiClient, account: Account) -> list[Finding]:
    try:
        health = await client.get_health()
    except SendError as error:
        return [_trouble("error", "No se pudo revisar el canal de Whapi", error)]
    channel = as_id(health.get("channel_id"))
    if channel and channel != account.ours.channel:
        text = f"El token es del canal {channel} y WHAPI_CHANNEL_ID dice {account.ours.channel}: corrige uno de los dos"
        return [Finding(level="error", text=text)]
    state = state_of(health)
    if state is None:
        text = "Whapi contestó sin decir el estado del canal: revisa WHAPI_URL y el canal en el panel de Whapi"
        return [Finding(level="error", text=text)]
    if not state.ok:
        return [Finding(level="error", text=state.reason)]
    findings = [Finding(level="ok", text="El número de WhatsApp está vinculado y puede enviar")]
    number = as_object(health.get("user")).get("id")
    if account.ours.number and number and not account.ours.is_us(number):
        text = "El número vinculado al canal no es el de WHAPI_NUMBER: corrígelo, o vincula el teléfono correcto"
        findings.append(Finding(level="warning", text=text))
    return findings


async def _limits(client: WhapiClient) -> list[Finding]:
    try:
        limits = await client.get_limits()
    except SendError as error:
        return [_trouble("warning", "No se pudieron revisar los límites del plan de Whapi", error)]
    told = [f"{value} {_LIMITS[name]}" for name, value in limits.items() if name in _LIMITS and isinstance(value, int)]
    if not told:
        return [Finding(level="ok", text="El plan de Whapi no tiene límites de mensajes")]
    text = f"El plan de Whapi tiene límites ({', '.join(told)}): al llegar a ellos el bot deja de contestar; cambia de plan"
    return [Finding(level="warning", text=text)]


async def _webhook(client: WhapiClient, account: Account) -> list[Finding]:
    try:
        webhooks = as_list((await client.get_settings()).get("webhooks"))
    except SendError as error:
        return [_trouble("warning", "No se pudieron revisar los webhooks de Whapi", error)]
    entries = [hook for hook in webhooks if (as_text(as_object(hook).get("url")) or "").rstrip("/").endswith(PATH)]
    if not entries:
        return [Finding(level="error", text=f"Ningún webhook de Whapi llama a {PATH}, así que no avisa de mensajes: {_SET_UP}")]
    ours = [entry for entry in entries if is_known(header_of(entry), account.secrets)]
    if not ours:
        text = f"El webhook de Whapi no lleva el secreto de WHAPI_WEBHOOK_SECRET, así que se rechaza: {_SET_UP}"
        return [Finding(level="error", text=text)]
    missing = [event for event in EVENTS if all(event not in events_of(entry) for entry in ours)]
    if missing:
        names = ", ".join(f"{kind}.{method}" for kind, method in missing)
        level: Literal["warning", "error"] = "error" if ("messages", "post") in missing else "warning"
        return [Finding(level=level, text=f"Al webhook de Whapi le faltan eventos ({names}): {_SET_UP}")]
    return [Finding(level="ok", text="El webhook de Whapi llama al bot con su secreto y con todos los eventos")]


def _trouble(level: Literal["warning", "error"], what: str, error: SendError) -> Finding:
    return Finding(level=level, text=f"{what}. {error}")
