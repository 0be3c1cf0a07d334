"""What ``omnicrm doctor`` says of the telling of others, in Spanish, each trouble with its next step."""

from __future__ import annotations

from typing import Any

from connectors.platform import Finding
from crm.port import JSON
from notify.settings import all_targets, require_notify
from notify.texts import masked, masked_target
from notify.trial import kinds_of
from omnicrm.settings import Settings, SettingsError

LATE_SECONDS = 120.0


def check_targets(settings: Settings) -> list[Finding]:
    """Who is told what, and whether they can be."""
    try:
        require_notify(settings)
    except SettingsError as error:
        return [Finding(level="error", text=f"{line}  Corrígelo en .env o en el ambiente.") for line in str(error).splitlines()]
    targets = all_targets(settings)
    if not targets:
        text = "Nadie recibe avisos cuando un cliente pide una persona o un canal se cae: pon NOTIFY_DEFAULT en .env."
        return [Finding(level="warning", text=text)]
    found = [
        Finding(level="ok", text=f"{target.means} {masked(target.address)}".strip() + f": {kinds_of(settings, target)}.")
        for target in targets
    ]
    if not settings.notify_link:
        text = "Los avisos van sin enlace a la conversación: pon NOTIFY_LINK si tu CRM tiene una página para cada una."
        found.append(Finding(level="warning", text=text))
    return found


def check_told(status: JSON) -> list[Finding]:
    """What ``omnicrm_notice_status`` tells: notices that wait or failed, webhooks that take nothing."""
    return [*_notices(status), *(line for webhook in status["webhooks"] for line in _webhook(webhook))]


def _notices(status: dict[str, Any]) -> list[Finding]:
    found = []
    waits = max(status["oldest_unplanned_seconds"] or 0.0, status["oldest_late_seconds"] or 0.0)
    if waits > LATE_SECONDS:
        text = f"Hay un aviso sin entregar desde hace {waits / 60:.0f} min: ¿está corriendo el bot (`rasa run`)?"
        found.append(Finding(level="warning", text=text))
    if status["failed_day"] or status["unknown_day"]:
        text = (
            f"En las últimas 24 h no salieron {status['failed_day']} avisos y de {status['unknown_day']} no se sabe. "
            "Prueba los destinos con `omnicrm notify test`."
        )
        found.append(Finding(level="warning", text=text))
    seen: dict[tuple[str, str], None] = {}
    for error in status["last_errors"]:
        seen.setdefault((masked_target(error["target"]), error["error"]))
    found += [Finding(level="warning", text=f"Último error con {target}: {error}") for target, error in seen]
    return found


def _webhook(webhook: dict[str, Any]) -> list[Finding]:
    name = f"Webhook {webhook['webhook']} a {host_of(webhook['url'])}"
    if not webhook["enabled"]:
        text = f"{name}: apagado, {webhook['disabled_reason']}. Enciéndelo con `omnicrm webhook enable {webhook['webhook']}`."
        return [Finding(level="warning", text=text)]
    if webhook["failing_since"]:
        text = (
            f"{name}: no recibe desde {webhook['failing_since'][:16].replace('T', ' ')} ({webhook['last_error']}); "
            f"{webhook['waiting']} eventos esperan. Pruébalo con `omnicrm webhook test {webhook['webhook']}`."
        )
        return [Finding(level="warning", text=text)]
    return [Finding(level="ok", text=f"{name}: encendido, sin fallas.")]


def host_of(url: str) -> str:
    """An address without what may be secret in it."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]
