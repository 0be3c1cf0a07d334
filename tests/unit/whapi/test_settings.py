"""What WhatsApp refuses to start without, and how its settings are read."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from connectors.message import Capabilities
from connectors.whapi.capabilities import INTERACTIVE, TEXT
from connectors.whapi.platform import Whatsapp
from omnicrm.settings import Settings, SettingsError
from tests.unit.whapi.server import SECRET, settings

OFFLINE = httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: httpx.Response(500)))


def load(**environment: str) -> Settings:
    return Settings.load(environment, dotenv=None)


def test_the_environment_is_read() -> None:
    read = load(
        WHAPI_TOKEN="token", WHAPI_CHANNEL_ID="MANTIS-M72HC", WHAPI_WEBHOOK_SECRET=f"{SECRET}, another-long-secret",
        WHAPI_NUMBER="+52 1 55 9999-0000", WHAPI_URL="https://gate.example/", WHAPI_INTERACTIVE="TEXT",
        WHAPI_GROUPS="mentioned", WHAPI_STALE_SECONDS="600",
    )  # fmt: skip
    assert read.whapi_webhook_secret == (SECRET, "another-long-secret")
    assert (read.whapi_number, read.whapi_url) == ("5215599990000", "https://gate.example")
    assert (read.whapi_interactive, read.whapi_groups, read.whapi_stale_seconds) == ("text", "mentioned", 600.0)


def test_the_defaults_are_the_safe_ones() -> None:
    read = load()
    assert (read.whapi_url, read.whapi_interactive, read.whapi_groups) == ("https://gate.whapi.cloud", "auto", "off")
    assert read.whapi_stale_seconds == 3600.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHAPI_WEBHOOK_SECRET", "short"),
        ("WHAPI_WEBHOOK_SECRET", f"{SECRET},short"),
        ("WHAPI_WEBHOOK_SECRET", "contraseña-muy-larga"),
        ("WHAPI_TOKEN", "a1B2…"),
        ("WHAPI_NUMBER", "55"),
        ("WHAPI_NUMBER", "ana"),
        ("WHAPI_URL", "gate.whapi.cloud"),
        ("WHAPI_INTERACTIVE", "poll"),
        ("WHAPI_GROUPS", "all"),
        ("WHAPI_STALE_SECONDS", "0"),
        ("WHAPI_SEND_PER_MINUTE", "0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load(**{name: value})


@pytest.mark.parametrize("name", ["WHAPI_TOKEN", "WHAPI_WEBHOOK_SECRET"])
def test_a_refused_secret_is_not_shown(name: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(**{name: "señal"})
    assert "señal" not in str(raised.value)


@pytest.mark.parametrize("missing", ["whapi_token", "whapi_channel_id", "whapi_webhook_secret"])
def test_whatsapp_does_not_start_without_what_it_needs(missing: str) -> None:
    with pytest.raises(SettingsError, match=f"^{missing.upper()}: missing"):
        Whatsapp(settings(**{missing: () if missing == "whapi_webhook_secret" else ""}), OFFLINE)


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        Whatsapp(Settings(), OFFLINE)
    names = [line.split(":")[0] for line in str(raised.value).splitlines()]
    assert names == ["WHAPI_TOKEN", "WHAPI_CHANNEL_ID", "WHAPI_WEBHOOK_SECRET"]


def test_groups_need_our_number_to_know_who_is_mentioned() -> None:
    with pytest.raises(SettingsError, match="^WHAPI_NUMBER: missing"):
        Whatsapp(settings(whapi_groups="mentioned", whapi_number=""), OFFLINE)
    assert Whatsapp(settings(whapi_groups="mentioned"), OFFLINE).account == "MANTIS-M72HC"


@pytest.mark.parametrize(("interactive", "shown"), [("auto", INTERACTIVE), ("text", TEXT)])
def test_buttons_are_shown_unless_they_are_not_wanted(interactive: str, shown: Capabilities) -> None:
    capabilities = Whatsapp(settings(whapi_interactive=interactive), OFFLINE).capabilities
    assert replace(capabilities, sends_per_second=shown.sends_per_second) == shown


def test_the_pace_is_that_of_a_person_and_a_setting() -> None:
    assert Whatsapp(settings(), OFFLINE).capabilities.sends_per_second == pytest.approx(0.8)
    assert Whatsapp(settings(whapi_send_per_minute=6), OFFLINE).capabilities.sends_per_second == pytest.approx(0.1)
