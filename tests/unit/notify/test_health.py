"""What the doctor says of notices and webhooks."""

from __future__ import annotations

from typing import Any

from notify.health import check_targets, check_told
from omnicrm.settings import Settings

CALM: dict[str, Any] = {
    "oldest_unplanned_seconds": None, "oldest_late_seconds": None, "failed_day": 0, "unknown_day": 0, "last_errors": [],
    "webhooks": [],
}  # fmt: skip
HOOK: dict[str, Any] = {
    "webhook": 3, "url": "https://crm.example.com/hooks/s3cret?key=s3cret", "enabled": True, "disabled_reason": None,
    "failing_since": None, "last_error": None, "waiting": 0,
}  # fmt: skip


def targets(**environment: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in check_targets(Settings.load(environment, dotenv=None))]


def told(**status: Any) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in check_told({**CALM, **status})]


def test_nobody_who_is_told_is_a_warning_with_what_to_do() -> None:
    ((level, text),) = targets()
    assert level == "warning" and "NOTIFY_DEFAULT" in text


def test_each_target_is_a_line_with_what_it_is_told() -> None:
    found = targets(
        NOTIFY_HANDOVER="whatsapp:+525512345678", NOTIFY_TOKEN="webhook", WHAPI_TOKEN="t", NOTIFY_WEBHOOK_URL="https://x.mx/s3cret",
        NOTIFY_LINK="https://x.mx/{conversation}",
    )  # fmt: skip
    assert found == [("ok", "whatsapp …5678: piden una persona."), ("ok", "webhook: acceso en riesgo.")]


def test_a_way_that_is_not_set_up_is_an_error() -> None:
    ((level, text),) = targets(NOTIFY_DEFAULT="webhook")
    assert level == "error" and text.startswith("NOTIFY_WEBHOOK_URL: missing")


def test_when_all_is_told_there_is_nothing_to_say() -> None:
    assert told() == []


def test_what_waits_too_long_and_what_failed_is_said() -> None:
    error = {"target": "email:ana.perez@x.mx", "error": "No hay conexión con el servidor de correo"}
    found = told(oldest_late_seconds=600.0, failed_day=2, unknown_day=1, last_errors=[error, error])
    assert [level for level, _ in found] == ["warning"] * 3
    assert "10 min" in found[0][1] and "omnicrm notify test" in found[1][1]
    assert found[2][1] == "Último error con email an…@x.mx: No hay conexión con el servidor de correo"


def test_a_webhook_is_shown_without_what_is_secret_in_its_address() -> None:
    failing = HOOK | {"failing_since": "2026-11-26T10:00:00+00:00", "last_error": "HTTP 500", "waiting": 12}
    off = HOOK | {"enabled": False, "disabled_reason": "respondió 410: ya no quiere eventos"}
    found = told(webhooks=[HOOK, failing, off])
    assert [level for level, _ in found] == ["ok", "warning", "warning"]
    assert "s3cret" not in str(found)
    assert "12 eventos esperan" in found[1][1] and "omnicrm webhook enable 3" in found[2][1]
