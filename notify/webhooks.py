"""What ``omnicrm webhook …`` does, on an open database."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

from crm.port import Crm
from notify.feed import FAMILIES, TEST, TYPES, body_of, post
from notify.guard import Forbidden, NotSent, Poster
from notify.settings import webhook_url
from notify.signing import new_secret
from omnicrm.setting import listed
from omnicrm.settings import Settings

Tell = Callable[[str], None]


class Refused(Exception):
    """What somebody asked for cannot be; the message says what to do instead."""


async def add(settings: Settings, crm: Crm, url: str, events: str, tell: Tell) -> None:
    """Add a webhook and tell its secret. Raises ``Refused`` or ``CrmError``."""
    wanted = _events(events)
    poster = Poster(settings.webhook_allow_networks)
    try:
        webhook_url(url)
        await poster.check(url)
    except ValueError as error:
        raise Refused(f"The address {error}.") from None
    except (Forbidden, NotSent) as error:
        raise Refused(f"This address cannot be used: {error}.") from None
    finally:
        await poster.close()
    secret = new_secret(secrets.token_bytes)
    made = await crm.call("omnicrm_add_webhook", p_url=url, p_events=wanted, p_secret=secret)
    tell(f"Webhook {made['webhook']}: {', '.join(wanted) or 'all events'} to {url}")
    tell(f"Secret: {secret}")
    tell("Keep it now, it is not shown again. How a receiver verifies with it: docs/webhooks.md")
    tell(f"Try it: omnicrm webhook test {made['webhook']}")


async def show(crm: Crm, tell: Tell) -> None:
    """Tell all webhooks. Raises ``CrmError``."""
    found = await crm.call("omnicrm_webhooks")
    for webhook in found:
        for line in _lines(webhook):
            tell(line)
    if not found:
        tell("There is no webhook. Add one: omnicrm webhook add https://…")


async def remove(crm: Crm, webhook: int, tell: Tell) -> None:
    """Remove one. Raises ``CrmError``."""
    gone = await crm.call("omnicrm_remove_webhook", p_webhook=webhook)
    tell(f"Webhook {webhook} to {gone['url']} is removed.")


async def rotate(crm: Crm, webhook: int, tell: Tell) -> None:
    """Give one a new secret. Raises ``CrmError``."""
    secret = new_secret(secrets.token_bytes)
    changed = await crm.call("omnicrm_rotate_webhook", p_webhook=webhook, p_secret=secret)
    tell(f"New secret of webhook {webhook} to {changed['url']}: {secret}")
    tell(f"Keep it now, it is not shown again. The old one signs beside it until {_moment(changed['old_until'])}.")


async def enable(crm: Crm, webhook: int, tell: Tell) -> None:
    """Switch one on. Raises ``CrmError``."""
    changed = await crm.call("omnicrm_enable_webhook", p_webhook=webhook)
    waiting = changed["waiting"]
    tell(f"Webhook {webhook} to {changed['url']} is on; {waiting} event{'' if waiting == 1 else 's'} waiting.")


async def try_one(settings: Settings, crm: Crm, webhook: int, tell: Tell) -> None:
    """Post a test event. Raises ``Refused`` where it was not taken, or ``CrmError``."""
    keys = await crm.call("omnicrm_webhook_keys", p_webhook=webhook)
    now = datetime.now(timezone.utc)
    at = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    body = body_of(TEST, at, 0, {"webhook": webhook})
    poster = Poster(settings.webhook_allow_networks)
    try:
        tried = await post(poster, keys["url"], f"evt_{uuid.uuid4().hex}", body, keys["secrets"], now)
    finally:
        await poster.close()
    if tried.outcome != "delivered":
        raise Refused(f"{keys['url']} did not take it: {tried.error}.")
    tell(f"{keys['url']} took it: HTTP {tried.status}.")


def _events(value: str) -> list[str]:
    wanted = listed(value)
    unknown = [word for word in wanted if word not in TYPES and word not in FAMILIES]
    if unknown:
        raise Refused(f"There are no events {', '.join(unknown)}. There are {', '.join(TYPES)}; or {', '.join(FAMILIES)}.")
    return list(wanted)


def _lines(webhook: dict[str, Any]) -> Iterator[str]:
    state = "on" if webhook["enabled"] else "off"
    yield f"{webhook['webhook']:>3}  {state:<3}  {', '.join(webhook['events']) or 'all events'} to {webhook['url']}"
    if not webhook["enabled"]:
        yield f"          {webhook['disabled_reason']}; switch it on: omnicrm webhook enable {webhook['webhook']}"
    elif webhook["failing_since"]:
        yield f"          takes nothing since {_moment(webhook['failing_since'])}: {webhook['last_error']}"
    if webhook["waiting"]:
        yield f"          {webhook['waiting']} waiting, the oldest for {_span(webhook['oldest_seconds'])}"
    if webhook["rotating_until"]:
        yield f"          the old secret signs too until {_moment(webhook['rotating_until'])}"


def _moment(value: str) -> str:
    # The database's own words, to the minute, with its zone.
    return f"{value[:16].replace('T', ' ')} {value[-6:]}"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
