"""Who is told what, as the operator writes it."""

from __future__ import annotations

import pytest

from notify.settings import Target, all_targets, require_notify, told
from omnicrm.settings import Settings, SettingsError


def load(**environment: str) -> Settings:
    return Settings.load(environment, dotenv=None)


def test_targets_stand_between_commas() -> None:
    written = "email:Ana@X.mx, whatsapp:5215512345678@s.whatsapp.net, whatsapp:1203@g.us,webhook"
    found = load(NOTIFY_HANDOVER=written).notify_handover
    assert found == (
        Target("email", "ana@x.mx"), Target("whatsapp", "5215512345678@s.whatsapp.net"), Target("whatsapp", "1203@g.us"),
        Target("webhook"),
    )  # fmt: skip
    assert found is not None and tuple(Target.read(str(target)) for target in found) == found


def test_a_kind_without_a_setting_takes_the_default_and_none_is_nobody() -> None:
    heard = told(load(NOTIFY_DEFAULT="email:ana@x.mx", NOTIFY_TOKEN="email:luis@x.mx", NOTIFY_HOT_LEAD="none"))
    assert [str(target) for target in heard["handover"]] == ["email:ana@x.mx"]
    assert [str(target) for target in heard["token"]] == ["email:luis@x.mx"]
    assert heard["hot_lead"] == ()
    assert heard["channel_up"] == heard["webhook_off"] == heard["channel_down"]


def test_without_settings_nobody_is_told() -> None:
    assert all_targets(load()) == ()
    require_notify(load())


def test_everybody_is_named_once() -> None:
    settings = load(NOTIFY_DEFAULT="email:ana@x.mx", NOTIFY_TOKEN="email:ana@x.mx,webhook")
    assert [str(target) for target in all_targets(settings)] == ["email:ana@x.mx", "webhook"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFY_DEFAULT", "ana@x.mx"), ("NOTIFY_DEFAULT", "email:ana"), ("NOTIFY_DEFAULT", "whatsapp:5512345678"),
        ("NOTIFY_DEFAULT", "sms:+525512345678"), ("NOTIFY_DEFAULT", "webhook:https://x.mx"), ("NOTIFY_TOKEN", "email:a@b@c.mx"),
        ("NOTIFY_QUIET_HOURS", "de 10 a 8"), ("NOTIFY_ALWAYS", "todo"), ("NOTIFY_LINK", "https://crm.example.com"),
        ("NOTIFY_LINK", "https://crm.example.com/{conversation}/{x}"), ("NOTIFY_WINDOW_MINUTES", "-1"),
        ("BUSINESS_TIMEZONE", "Mexico/City"), ("WEBHOOK_ALLOW_NETWORKS", "10.0.0.1/8"), ("NOTIFY_EMAIL_FROM", "Ana <a@x.mx>"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_line_with_an_example(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{name: value})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{name}: ") and "Example: " in line


@pytest.mark.parametrize("value", ["http://hooks.example.com/s3cret", "https://u:s3cret@x.mx/", "file:///s3cret"])
def test_the_webhooks_address_is_a_secret_even_when_it_is_wrong(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(NOTIFY_WEBHOOK_URL=value)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(load(NOTIFY_WEBHOOK_URL="https://hooks.example.com/s3cret"))


@pytest.mark.parametrize(
    ("target", "missing"),
    [("webhook", ["NOTIFY_WEBHOOK_URL"]), ("whatsapp:1203@g.us", ["WHAPI_TOKEN"]),
     ("email:ana@x.mx", ["EMAIL_SMTP_URL", "NOTIFY_EMAIL_FROM"])],
)  # fmt: skip
def test_a_target_whose_way_is_not_set_up_stops_the_start_with_a_line_each(target: str, missing: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        require_notify(load(NOTIFY_COMPLAINT=target))
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == missing


def test_mail_comes_from_the_shops_mailbox_unless_told_otherwise() -> None:
    require_notify(load(NOTIFY_DEFAULT="email:ana@x.mx", EMAIL_SMTP_URL="smtp://smtp.x.mx", EMAIL_ADDRESS="hola@x.mx"))
    require_notify(load(NOTIFY_DEFAULT="email:ana@x.mx", EMAIL_SMTP_URL="smtp://smtp.x.mx", NOTIFY_EMAIL_FROM="avisos@x.mx"))
