"""Is this account able to talk? For ``omnicrm doctor``: in Spanish, each trouble with its next step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from connectors.message import Json, SendError
from connectors.meta.client import GraphClient
from connectors.platform import Finding
from connectors.values import as_id, as_list, as_moment, as_object, as_text

# Meta recommends renewing well before the 60 days are over.
WARN_BEFORE = timedelta(days=10)
SCOPES = {
    "messenger": ("pages_messaging",),
    "instagram": ("instagram_basic", "instagram_manage_messages"),
}
# What the Page must be subscribed to, as in the README. Instagram's own fields are chosen in the App Dashboard, which nothing
# that Meta documents reads; its linked Page needs any.
PAGE_FIELDS = (
    "messages",
    "messaging_postbacks",
    "messaging_referrals",
    "message_deliveries",
    "message_reads",
    "message_echoes",
    "message_reactions",
    "message_edits",
    "standby",
    "messaging_handovers",
)
_RENEW = "genera un token de página de larga duración y ponlo en META_ACCESS_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is checked: which platform, and its ids."""

    platform: Literal["instagram", "messenger"]
    page_id: str
    instagram_id: str = ""
    app_id: str = ""


async def check(graph: GraphClient, account: Account, now: datetime) -> list[Finding]:
    """All findings about token, permissions, subscription and, for Instagram, the link between account and Page."""
    findings = await (_token_details(graph, account, now) if account.app_id else _token_owner(graph, account))
    if any(finding.level == "error" for finding in findings):
        # Everything below would only repeat it.
        return findings
    findings += await _subscription(graph, account)
    if account.platform == "instagram":
        findings += await _link(graph, account)
    return findings


async def _token_owner(graph: GraphClient, account: Account) -> list[Finding]:
    try:
        me = await graph.get("me", fields="id,name")
    except SendError as error:
        return [_trouble("error", "No se pudo usar el token de Meta", error)]
    owner = as_id(me.get("id"))
    if owner != account.page_id:
        text = f"El token es de «{as_text(me.get('name')) or owner}» ({owner}) y no de la página {account.page_id}: {_RENEW}"
        return [Finding(level="error", text=text)]
    return [
        Finding(level="ok", text=f"El token de Meta funciona y es de la página «{as_text(me.get('name')) or owner}»"),
        Finding(level="warning", text="Pon META_APP_ID para revisar también los permisos y la fecha en que vence el token"),
    ]


async def _token_details(graph: GraphClient, account: Account, now: datetime) -> list[Finding]:
    try:
        token = await graph.debug_token()
    except UnicodeEncodeError:
        # They travel in a header, which is ASCII.
        text = "META_APP_ID o META_APP_SECRET lleva letras que ninguno tiene: cópialos otra vez de Meta y ponlos en .env"
        return [Finding(level="error", text=text)]
    except SendError as error:
        return [_trouble("error", "Meta no deja revisar el token (¿META_APP_ID y META_APP_SECRET son de la misma app?)", error)]
    if token.get("is_valid") is not True:
        return [Finding(level="error", text=f"El token de Meta ya no es válido: {_RENEW}")]
    page = as_id(token.get("profile_id"))
    if page and page != account.page_id:
        return [Finding(level="error", text=f"El token es de la página {page} y no de la {account.page_id}: {_RENEW}")]
    app = as_id(token.get("app_id"))
    if app and app != account.app_id:
        text = f"El token es de la app {app} y no de la {account.app_id}: corrige META_APP_ID o genera el token con esta app"
        return [Finding(level="error", text=text)]
    findings = _expiry(token, now) or [Finding(level="ok", text="El token de Meta es válido y no está por vencer")]
    return findings + _permissions(token, account)


def _expiry(token: dict[str, Json], now: datetime) -> list[Finding]:
    findings = []
    for name, what in (("expires_at", "El token de Meta"), ("data_access_expires_at", "El acceso a datos del token de Meta")):
        # 0 means never.
        end = as_moment(token.get(name))
        if end is not None and end - now < WARN_BEFORE:
            findings.append(Finding(level="warning", text=f"{what} vence el {end:%Y-%m-%d}: antes, {_RENEW}", token=True))
    return findings


def _permissions(token: dict[str, Json], account: Account) -> list[Finding]:
    granted = set(map(str, as_list(token.get("scopes"))))
    missing = [scope for scope in SCOPES[account.platform] if scope not in granted]
    if missing:
        text = f"Al token le falta {', '.join(missing)}: da esos permisos a la app en Meta y {_RENEW}"
        return [Finding(level="error", text=text)]
    for scope in map(as_object, as_list(token.get("granular_scopes"))):
        targets = set(map(str, as_list(scope.get("target_ids"))))
        own = {account.page_id, account.instagram_id}
        if scope.get("scope") in SCOPES[account.platform] and targets and not targets & own:
            text = f"El permiso {scope['scope']} no incluye a tu cuenta: autoriza otra vez la app y elige la página"
            return [Finding(level="error", text=text)]
    return [Finding(level="ok", text="El token tiene los permisos para mensajes")]


async def _subscription(graph: GraphClient, account: Account) -> list[Finding]:
    mend = f"suscríbela con POST /{account.page_id}/subscribed_apps (mira el README)"
    try:
        answer = await graph.get(f"{account.page_id}/subscribed_apps")
    except SendError as error:
        return [_trouble("warning", "No se pudo revisar la suscripción de la página a los webhooks", error)]
    apps = [as_object(app) for app in as_list(answer.get("data"))]
    if account.app_id:
        apps = [app for app in apps if as_id(app.get("id")) == account.app_id]
    fields = {str(name) for app in apps for name in as_list(app.get("subscribed_fields"))}
    if not fields:
        return [Finding(level="error", text=f"La página no está suscrita a la app, así que Meta no avisa de mensajes: {mend}")]
    missing = [name for name in PAGE_FIELDS if name not in fields] if account.platform == "messenger" else []
    if missing:
        return [Finding(level="warning", text=f"A la suscripción de la página le falta {', '.join(missing)}: {mend}")]
    return [Finding(level="ok", text="La página está suscrita a los webhooks")]


async def _link(graph: GraphClient, account: Account) -> list[Finding]:
    try:
        page = await graph.get(account.page_id, fields="instagram_business_account")
    except SendError as error:
        return [_trouble("warning", "No se pudo revisar qué cuenta de Instagram está vinculada a la página", error)]
    linked = as_id(as_object(page.get("instagram_business_account")).get("id"))
    if linked is None:
        text = "La página no tiene una cuenta profesional de Instagram vinculada: vincúlala en la configuración de la página"
        return [Finding(level="error", text=text)]
    if linked != account.instagram_id:
        text = f"La página está vinculada al Instagram {linked} y META_IG_ACCOUNT_ID dice {account.instagram_id}: corrígelo"
        return [Finding(level="error", text=text)]
    return [Finding(level="ok", text="La cuenta de Instagram está vinculada a la página")]


def _trouble(level: Literal["warning", "error"], what: str, error: SendError) -> Finding:
    return Finding(level=level, text=f"{what}. {error}")
