"""What `omnicrm doctor` learns from Whapi."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.http import http_client
from connectors.platform import Finding
from connectors.whapi.setup import EVENTS
from tests.unit.whapi.server import CHANNEL, SECRET, TOKEN, Reply, Trouble, open_platform, settings, whapi

HEALTH: dict[str, Any] = {
    "channel_id": CHANNEL, "start_at": 1763779200, "uptime": 20800, "version": "1.8.7", "status": {"code": 4, "text": "AUTH"},
    "user": {"id": "5215599990000", "name": "EXTRACTOS EUM", "saved": False},
}  # fmt: skip
HOOK: dict[str, Any] = {
    "url": "https://bot.example.com/api/webhooks/whapi", "mode": "body", "headers": {"X-Webhook-Secret": SECRET},
    "events": [{"type": kind, "method": method} for kind, method in EVENTS],
}  # fmt: skip
NO_LIMITS = Reply(None, 204)
DEAD = Reply({"error": {"code": 401, "message": f"{TOKEN} is not authorised"}}, 401)


def hooks(*entries: Any) -> Reply:
    return Reply({"webhooks": list(entries)})


async def check(health: Any = HEALTH, limits: Reply = NO_LIMITS, webhooks: Reply | Trouble | None = None) -> list[Finding]:
    replies: list[Any] = [health if isinstance(health, Reply) else Reply(health), limits, webhooks or hooks(HOOK)]
    async with whapi(*replies) as server, http_client(settings()) as http:
        findings = await open_platform(server, http).check()
        paths = [request.path for request in server.heard]
    assert paths == ["/health?wakeup=false", "/limits", "/settings"][: len(paths)]
    assert not [finding for finding in findings if SECRET in finding.text or TOKEN in finding.text]
    return findings


def worst(findings: list[Finding]) -> Finding:
    return max(findings, key=lambda finding: ["ok", "warning", "error"].index(finding.level))


async def test_all_is_well() -> None:
    findings = await check()
    assert [finding.level for finding in findings] == ["ok", "ok", "ok"]


async def test_an_older_secret_of_a_rotation_is_well_too() -> None:
    hook = {**HOOK, "headers": {"x-webhook-secret": "the-secret-of-yesterday"}, "url": HOOK["url"] + "/"}
    assert worst(await check(webhooks=hooks({"url": "https://crm.example/hook"}, hook))).level == "ok"


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"health": DEAD}, "error", "panel de Whapi"),
        ({"health": {**HEALTH, "status": {"code": 3, "text": "QR"}}}, "error", "código QR"),
        ({"health": {**HEALTH, "status": {"text": "STOP"}}}, "error", "enciéndelo"),
        ({"health": {**HEALTH, "channel_id": "OTHER-AAAAA"}}, "error", "WHAPI_CHANNEL_ID"),
        ({"health": {"channel_id": CHANNEL}}, "error", "WHAPI_URL"),
        ({"health": {**HEALTH, "user": {"id": "5215511112222"}}}, "warning", "WHAPI_NUMBER"),
        ({"limits": Reply({"messages": 150, "chats": ["a"], "checks": 30, "requests": 1000})}, "warning", "150 mensajes"),
        ({"limits": Reply(None, 500)}, "warning", "límites"),
        ({"webhooks": hooks()}, "error", "omnicrm whapi setup"),
        ({"webhooks": Reply({})}, "error", "omnicrm whapi setup"),
        ({"webhooks": hooks({**HOOK, "url": "https://elsewhere.example/hook"})}, "error", "Ningún webhook"),
        ({"webhooks": hooks({**HOOK, "headers": {}})}, "error", "WHAPI_WEBHOOK_SECRET"),
        ({"webhooks": hooks({**HOOK, "headers": {"X-Webhook-Secret": "some-other-secret"}})}, "error", "WHAPI_WEBHOOK_SECRET"),
        ({"webhooks": hooks({**HOOK, "events": HOOK["events"][1:]})}, "error", "messages.post"),
        ({"webhooks": hooks({**HOOK, "events": HOOK["events"][:-1]})}, "warning", "calls.post"),
        ({"webhooks": hooks({**HOOK, "events": None})}, "error", "messages.post"),
        ({"webhooks": "hang up"}, "warning", "webhooks"),
    ],
)
async def test_each_trouble_says_what_to_do(changed: dict[str, Any], level: str, words: str) -> None:
    finding = worst(await check(**changed))
    assert finding.level == level
    assert words in finding.text


@pytest.mark.parametrize("hook", [7, None, {"url": 7}, {"url": HOOK["url"], "headers": [1], "events": [None, 3]}])
async def test_settings_that_nobody_expects_make_no_trouble(hook: Any) -> None:
    assert worst(await check(webhooks=hooks(hook, HOOK))).level == "ok"
