"""``omnicrm notify test``: one test notice to everybody, at once and past the queue."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from connectors.http import http_client
from connectors.message import OutcomeUnknown, SendError
from notify.guard import Poster
from notify.outlets import Outlets
from notify.service import utc_now
from notify.settings import KINDS, Target, all_targets, require_notify, told
from notify.texts import Item, tell
from omnicrm.settings import Settings

# How the owner calls what the settings call a kind.
NAMES = {
    "handover": "piden una persona", "hot_lead": "pedidos", "complaint": "quejas", "channel_down": "canal caído",
    "token": "acceso en riesgo", "send_failed": "respuestas que no llegaron",
}  # fmt: skip
NOBODY = "Nadie recibe avisos. Pon NOTIFY_DEFAULT en .env, por ejemplo: NOTIFY_DEFAULT=email:ana@example.com"


async def try_targets(settings: Settings, tell_line: Callable[[str], None]) -> int:
    """Send and tell. Returns 1 where somebody was not told. Raises ``SettingsError``."""
    require_notify(settings)
    targets = all_targets(settings)
    if not targets:
        tell_line(NOBODY)
        return 1
    worst = 0
    poster = Poster(settings.webhook_allow_networks)
    async with http_client(settings) as http:
        outlets = Outlets(settings, http, poster, utc_now)
        for target in targets:
            line, failed = await _try(outlets, target, kinds_of(settings, target), settings)
            tell_line(line)
            worst |= failed
        await outlets.close()
    await poster.close()
    return worst


def kinds_of(settings: Settings, target: Target) -> str:
    """What a target is told, in the owner's words."""
    heard = told(settings)
    return ", ".join(NAMES[kind] for kind in KINDS if target in heard[kind])


async def _try(outlets: Outlets, target: Target, kinds: str, settings: Settings) -> tuple[str, int]:
    item = Item(kind="test", detail={"text": f"A este destino llega: {kinds}"})
    try:
        await outlets.send(target, tell([item], link=settings.notify_link), f"ntc_{uuid.uuid4().hex}")
    except OutcomeUnknown as error:
        return f"? {target}: quizá salió, revisa si llegó. {error}", 1
    except SendError as error:
        return f"✗ {target}: {error}", 1
    return f"✓ {target}: salió. Recibe: {kinds}.", 0
