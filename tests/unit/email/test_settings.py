"""The settings of email: what is accepted, and what is said about what is missing."""

from __future__ import annotations

import pytest

from connectors.email.settings import Server, require_email, server
from omnicrm.settings import Settings, SettingsError

ENOUGH = {
    "EMAIL_ADDRESS": "hola@acme.mx",
    "EMAIL_REPLY_SECRET": "0123456789abcdef",
    "EMAIL_SMTP_URL": "smtp://smtp.acme.mx",
    "EMAIL_IMAP_URL": "imaps://imap.acme.mx",
    "EMAIL_PASSWORD": "clave",
}


def load(**changes: str) -> Settings:
    return Settings.load({**ENOUGH, **changes}, dotenv=None)


def test_a_mailbox_needs_five_settings() -> None:
    settings = load()
    require_email(settings)
    assert settings.email_token_separator == "+"
    assert settings.email_send_per_minute == 20


@pytest.mark.parametrize("name", ["EMAIL_ADDRESS", "EMAIL_REPLY_SECRET", "EMAIL_SMTP_URL", "EMAIL_IMAP_URL", "EMAIL_PASSWORD"])
def test_each_missing_setting_is_named_alone(name: str) -> None:
    with pytest.raises(SettingsError) as stopped:
        require_email(load(**{name: ""}))
    lines = str(stopped.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [name]
    assert "Example: " in lines[0]


def test_nothing_at_all_names_all_that_is_needed() -> None:
    with pytest.raises(SettingsError) as stopped:
        require_email(Settings())
    named = [line.partition(":")[0] for line in str(stopped.value).splitlines()]
    assert named == ["EMAIL_ADDRESS", "EMAIL_REPLY_SECRET", "EMAIL_SMTP_URL", "EMAIL_IMAP_URL"]


@pytest.mark.parametrize("key", ["EMAIL_MAILGUN_SIGNING_KEY", "EMAIL_SENDGRID_PUBLIC_KEY", "EMAIL_POSTMARK_TOKEN"])
def test_a_webhook_is_a_way_in_and_needs_no_password(key: str) -> None:
    require_email(load(EMAIL_IMAP_URL="", EMAIL_PASSWORD="", **{key: "llave"}))


def test_oauth_replaces_the_password_and_must_be_whole() -> None:
    whole = {
        "EMAIL_PASSWORD": "", "EMAIL_OAUTH_TOKEN_URL": "https://login.test/token", "EMAIL_OAUTH_CLIENT_ID": "id",
        "EMAIL_OAUTH_CLIENT_SECRET": "secreto",
    }
    require_email(load(**whole))
    with pytest.raises(SettingsError, match="EMAIL_OAUTH_CLIENT_ID: missing"):
        require_email(load(**{**whole, "EMAIL_OAUTH_CLIENT_ID": ""}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_ADDRESS", "hola"),
        ("EMAIL_ADDRESS", "Ana <hola@acme.mx>"),
        ("EMAIL_ADDRESS", "hola@acme.mx, ventas@acme.mx"),
        ("EMAIL_ALIASES", "ventas@acme.mx, nada"),
        ("EMAIL_REPLY_SECRET", "corto"),
        ("EMAIL_TOKEN_SEPARATOR", "++"),
        ("EMAIL_TOKEN_SEPARATOR", "@"),
        ("EMAIL_IMAP_URL", "imap.acme.mx:993"),
        ("EMAIL_IMAP_URL", "smtp://imap.acme.mx"),
        ("EMAIL_IMAP_URL", "imaps://hola:clave@imap.acme.mx"),
        ("EMAIL_IMAP_URL", "imaps://imap.acme.mx:99999"),
        ("EMAIL_IMAP_URL", "imaps://imap.acme.mx/INBOX"),
        ("EMAIL_SMTP_URL", "imaps://smtp.acme.mx"),
        ("EMAIL_SEND_PER_MINUTE", "0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load(**{name: value})


def test_a_wrong_secret_is_not_told() -> None:
    with pytest.raises(SettingsError) as stopped:
        load(EMAIL_REPLY_SECRET="corto")
    assert "corto" not in str(stopped.value)


def test_no_secret_shows_in_the_settings() -> None:
    secrets = {
        "EMAIL_REPLY_SECRET": "0123456789abcdef",
        "EMAIL_PASSWORD": "clave-secreta",
        "EMAIL_OAUTH_CLIENT_SECRET": "oauth-secreto",
        "EMAIL_OAUTH_REFRESH_TOKEN": "refresh-secreto",
        "EMAIL_MAILGUN_SIGNING_KEY": "key-secreta",
        "EMAIL_POSTMARK_TOKEN": "pm-secreto",
    }
    shown = repr(load(**secrets))
    assert not [secret for secret in secrets.values() if f"'{secret}'" in shown]


def test_addresses_are_in_lower_case_and_none_turns_reply_addresses_off() -> None:
    settings = load(EMAIL_ADDRESS="Hola@Acme.MX", EMAIL_ALIASES="Ventas@acme.mx, info@acme.mx", EMAIL_TOKEN_SEPARATOR="none")
    assert settings.email_address == "hola@acme.mx"
    assert settings.email_aliases == ("ventas@acme.mx", "info@acme.mx")
    assert settings.email_token_separator == ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("imaps://imap.acme.mx", Server(host="imap.acme.mx", port=993, tls="implicit")),
        ("imap://imap.acme.mx", Server(host="imap.acme.mx", port=143, tls="starttls")),
        ("imap://127.0.0.1:1143", Server(host="127.0.0.1", port=1143, tls="none")),
        ("smtp://smtp.acme.mx", Server(host="smtp.acme.mx", port=587, tls="starttls")),
        ("smtps://smtp.acme.mx:465", Server(host="smtp.acme.mx", port=465, tls="implicit")),
        ("smtp://localhost:1025", Server(host="localhost", port=1025, tls="none")),
        ("smtp://[::1]:1025", Server(host="::1", port=1025, tls="none")),
    ],
)
def test_a_connection_is_protected_except_on_this_machine(url: str, expected: Server) -> None:
    assert server(url) == expected
