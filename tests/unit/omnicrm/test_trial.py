from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from notify.settings import all_targets
from omnicrm.settings import SECTIONS, BehaviourSettings, MachinerySettings, Settings
from omnicrm.trial import environment
from router.settings import ApiSettings
from simulator.bot import ForBot
from simulator.config import Config

SIMULATOR = ForBot(config=Config(webhook="", port=4321, smtp_port=4322, imap_port=4323), bot_port=4324)
REAL = {
    "META_ACCESS_TOKEN": "EAAGreal",
    "META_APP_SECRET": "real",
    "META_GRAPH_URL": "https://graph.facebook.com",
    "WHAPI_TOKEN": "whapi-real",
    "WHAPI_URL": "https://gate.whapi.cloud",
    "EMAIL_ADDRESS": "hola@shop.mx",
    "EMAIL_PASSWORD": "mail-real",
    "EMAIL_SMTP_URL": "smtps://smtp.shop.mx",
    "EMAIL_OAUTH_TOKEN_URL": "https://oauth2.googleapis.com/token",
    "DATABASE_URL": "postgresql://shop",
    "SUPABASE_URL": "https://shop.supabase.co",
    "SUPABASE_SECRET_KEY": "sb_secret_real",
    "ARA_API_KEY": "sk-real",
    "NOTIFY_DEFAULT": "webhook, email:ana@shop.mx",
    "NOTIFY_HANDOVER": "whatsapp:+525512345678",
    "NOTIFY_WEBHOOK_URL": "https://hooks.slack.com/services/real",
    "NOTIFY_EMAIL_FROM": "avisos@shop.mx",
    "WEBHOOK_ALLOW_NETWORKS": "10.0.0.0/8",
    "BURST_SECONDS": "0.7",
    "PATH": "/usr/bin",
}


@pytest.mark.parametrize("where", ["environment", "file"])
@pytest.mark.parametrize("with_ara", [True, False])
def test_a_trial_never_has_the_real_keys(tmp_path: Path, where: str, with_ara: bool) -> None:
    outer = REAL if where == "environment" else {"PATH": "/usr/bin"}
    if where == "file":
        (tmp_path / ".env").write_text("".join(f"{k}={v}\n" for k, v in REAL.items()), encoding="utf-8")
    variables = environment(outer, tmp_path, tmp_path / "data", SIMULATOR, with_ara=with_ara)
    # As a process of the trial reads them: with the same .env beside it.
    settings = Settings.load(variables, dotenv=tmp_path / ".env")
    assert (settings.meta_graph_url, settings.whapi_url) == ("http://127.0.0.1:4321", "http://127.0.0.1:4321/whapi")
    assert (settings.email_smtp_url, settings.email_imap_url) == ("smtp://127.0.0.1:4322", "imap://127.0.0.1:4323")
    assert {settings.whapi_token, settings.email_password} & {"whapi-real", "mail-real"} == set()
    assert (settings.email_address != "hola@shop.mx", settings.email_oauth_token_url) == (True, "")
    assert (settings.database_url, settings.supabase_url, settings.supabase_secret_key) == ("", "", "")
    assert settings.data_dir == tmp_path / "data"
    assert not {settings.meta_access_token, *settings.meta_app_secret} & {"EAAGreal", "real"}
    assert all_targets(settings) == ()
    assert (settings.notify_webhook_url, settings.notify_email_from, settings.webhook_allow_networks) == ("", "", ())
    assert settings.ara_api_key == ("sk-real" if with_ara else "")
    assert settings.burst_seconds == 0.7


# How the bot behaves and how much it may use: these settings lead nowhere.
HARMLESS = (BehaviourSettings, ApiSettings, MachinerySettings)


def test_a_new_setting_that_leads_out_is_left_out_of_a_trial_too(tmp_path: Path) -> None:
    real = {spec.name.upper(): "real" for spec in fields(Settings)}
    variables = environment(real, tmp_path, tmp_path / "data", SIMULATOR, with_ara=False)
    leads_out = [spec.name.upper() for section in SECTIONS if section not in HARMLESS for spec in fields(section)]
    assert [name for name in leads_out if variables[name] == "real"] == []


def test_this_machine_is_never_asked_through_a_proxy(tmp_path: Path) -> None:
    variables = environment(
        {"HTTP_PROXY": "http://proxy", "NO_PROXY": "intranet"}, tmp_path, tmp_path, SIMULATOR, with_ara=False
    )
    assert variables["NO_PROXY"].split(",") == ["127.0.0.1", "localhost", "intranet"]


def test_the_trials_endpoints_differ_from_the_projects_only_in_the_action_servers_address() -> None:
    from omnicrm.cli import PROJECT
    from omnicrm.trial import endpoints

    ours = yaml.safe_load((PROJECT / "endpoints.yml").read_text(encoding="utf-8"))
    trial = yaml.safe_load(endpoints(PROJECT, "http://127.0.0.1:1234"))
    assert trial["action_endpoint"].pop("url") == "http://127.0.0.1:1234/webhook"
    assert ours["action_endpoint"].pop("url") == "http://localhost:5055/webhook"
    assert trial == ours
