"""Pointing Whapi's webhook at us: what would change in the channel's settings, and changing it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from connectors.message import Json
from connectors.values import as_list, as_object, as_text
from connectors.whapi.client import WhapiClient
from connectors.whapi.webhook import HEADER, PATH
from omnicrm.setting import SettingsError, require
from omnicrm.settings import Settings

MODE = "body"
EVENTS = (
    ("messages", "post"), ("messages", "put"), ("messages", "patch"), ("messages", "delete"), ("statuses", "post"),
    ("statuses", "put"), ("channel", "post"), ("users", "post"), ("users", "delete"), ("calls", "post"),
)  # fmt: skip
# Events that waited longer are not sent: else a number that was offline brings questions of days ago.
MAX_AGE_SECONDS = 3600
# Whapi sends at most this many headers of ours.
MAX_HEADERS = 5


class SetupError(Exception):
    """The webhook could not be set up; one line that says why."""


async def setup(settings: Settings, http: httpx.AsyncClient, url: str, apply: bool, tell: Callable[[str], None]) -> None:
    """Show what would change in Whapi's settings and, with ``apply``, change it and look again.

    ``url``: our public address, with or without the webhook's path. Raises ``SettingsError``, ``SetupError``, ``SendError``.
    """
    require(settings, "whatsapp", ("whapi_token", "whapi_webhook_secret"))
    client = WhapiClient(http, base_url=settings.whapi_url, token=settings.whapi_token, timeout=settings.send_timeout_seconds)
    address, secret = webhook_address(url), settings.whapi_webhook_secret[0]
    current = await client.get_settings()
    new, lines = plan(current, address, secret)
    if not lines:
        tell(f"Nothing to change: Whapi calls {address} already.")
        return
    for line in lines:
        tell(line)
    if not apply:
        tell("Nothing was changed. Run it again with --apply to do this.")
        return
    await client.change_settings({name: value for name, value in new.items() if value != current.get(name)})
    _, missing = plan(await client.get_settings(), address, secret)
    if missing:
        raise SetupError("Whapi took the change but did not keep all of it:\n" + "\n".join(missing))
    tell(f"Done: Whapi calls {address}.")


def webhook_address(url: str) -> str:
    """Our webhook's address from what was given. Raises ``SettingsError`` for what Whapi could not call."""
    wrong = f"--url: {url!r} is wrong: it must be our public address. Example: https://bot.example.com"
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        raise SettingsError(wrong) from None
    here = parts.hostname in ("localhost", "127.0.0.1")
    if not parts.hostname or parts.scheme not in (("https", "http") if here else ("https",)):
        raise SettingsError(wrong)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith(PATH) else path + PATH}"


def plan(current: dict[str, Json], url: str, secret: str) -> tuple[dict[str, Json], list[str]]:
    """The channel's settings with our webhook in them, and the difference in lines that hold no secret. Pure.

    The entry with this url is brought up to date, or one is added; other webhooks and settings stay as they are.
    Raises ``SetupError`` where the entry has no room for our header.
    """
    webhooks = as_list(current.get("webhooks"))
    place = next((i for i, hook in enumerate(webhooks) if _url_of(hook) == url), len(webhooks))
    old = as_object(webhooks[place]) if place < len(webhooks) else {}
    entry, lines = _entry(old, url, secret)
    lines = [f"{'~' if old else '+'} webhook {url}", *(f"  {line}" for line in lines)] if lines else []
    new = {**current, "webhooks": [*webhooks[:place], entry, *webhooks[place + 1 :]]}
    if current.get("callback_persist") is not True:
        new["callback_persist"] = True
        lines.append("~ callback_persist: true")
    return new, lines


def events_of(entry: Json) -> set[tuple[str, str]]:
    """The events that a webhook entry asks for."""
    events = map(as_object, as_list(as_object(entry).get("events")))
    return {(str(event.get("type")), str(event.get("method"))) for event in events}


def header_of(entry: Json) -> str | None:
    """The secret that a webhook entry sends, by whatever case its header is written in."""
    headers = as_object(as_object(entry).get("headers"))
    return next((as_text(value) for name, value in headers.items() if name.lower() == HEADER.lower()), None)


def _entry(old: dict[str, Json], url: str, secret: str) -> tuple[dict[str, Json], list[str]]:
    lines: list[str] = []
    if old.get("mode") != MODE:
        lines.append(f"mode: {MODE}")
    headers = {name: value for name, value in as_object(old.get("headers")).items() if name.lower() != HEADER.lower()}
    if len(headers) >= MAX_HEADERS:
        raise SetupError(f"The webhook {url} has {len(headers)} headers already: take one away in Whapi's panel")
    if header_of(old) != secret:
        lines.append(f"header {HEADER}: {'*** -> ***' if header_of(old) else '***'}")
    missing = [event for event in EVENTS if event not in events_of(old)]
    lines += [f"event: {kind}.{method}" for kind, method in missing]
    if old.get("webhook_max_age_seconds") != MAX_AGE_SECONDS:
        lines.append(f"webhook_max_age_seconds: {MAX_AGE_SECONDS}")
    entry = {
        **old,
        "url": as_text(old.get("url")) or url,
        "mode": MODE,
        "headers": {**headers, HEADER: secret},
        "events": [*as_list(old.get("events")), *({"type": kind, "method": method} for kind, method in missing)],
        "webhook_max_age_seconds": MAX_AGE_SECONDS,
    }
    return entry, lines


def _url_of(entry: Json) -> str:
    return (as_text(as_object(entry).get("url")) or "").rstrip("/")
