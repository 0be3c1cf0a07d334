"""The settings of email."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from omnicrm.setting import SettingsError, integer, listed, require, setting, url

Tls = Literal["implicit", "starttls", "none"]

# What a mailbox's address may be made of (RFC 5322's dot-atom), without what only quoting allows.
_ADDRESS = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_SEPARATORS = "+-="
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"imap": 143, "imaps": 993, "smtp": 587, "smtps": 465}
_WAYS_IN = ("email_imap_url", "email_mailgun_signing_key", "email_sendgrid_public_key", "email_postmark_token")
_OAUTH = ("email_oauth_token_url", "email_oauth_client_id", "email_oauth_client_secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A mail server, and how its connection is protected. ``none`` only on this machine."""

    host: str
    port: int
    tls: Tls


def server(address: str) -> Server:
    """Read ``imaps://host:993`` and the like; without an ``s`` STARTTLS is demanded, except on this machine."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    tls: Tls = "implicit" if parts.scheme.endswith("s") else "none" if host in _LOOPBACK else "starttls"
    return Server(host=host, port=parts.port or _PORTS[parts.scheme], tls=tls)


def _server_url(*schemes: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"must be {' or '.join(f'{scheme}://host:port' for scheme in schemes)}, nothing behind it")
        if parts.username or parts.password:
            raise ValueError("user and password stand in EMAIL_USER and EMAIL_PASSWORD, not in the address")
        # Raises ValueError for a port that is none.
        _ = parts.port
        return value.rstrip("/")

    return read


def _address(value: str) -> str:
    found = value.lower()
    if not _ADDRESS.fullmatch(found) or len(found.partition("@")[0]) > 64:
        raise ValueError("must be one plain address")
    return found


def _addresses(value: str) -> tuple[str, ...]:
    return tuple(_address(one) for one in listed(value))


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _long_enough(value: str) -> str:
    if len(value) < 16:
        raise ValueError("must have at least 16 characters")
    return value


def _separator(value: str) -> str:
    if value.lower() == "none":
        return ""
    if value not in _SEPARATORS or len(value) != 1:
        raise ValueError(f"must be one of {' '.join(_SEPARATORS)}, or none")
    return value


@dataclass(frozen=True, kw_only=True)
class EmailSettings:
    """Email: a mailbox over IMAP and SMTP, or a provider's inbound webhook and SMTP."""

    email_address: str = setting("", "Address of the mailbox that customers write to", _address, example="hola@example.com")
    email_name: str = setting("", "Name that customers see beside it", _one_line, example="EXTRACTOS EUM")
    email_aliases: tuple[str, ...] = setting(
        (), "Other addresses that lead to this mailbox, comma-separated", _addresses, example="ventas@example.com"
    )
    email_reply_secret: str = setting(
        "",
        "Random text of 16 characters or more that signs reply addresses; when it changes, replies to older mails start anew",
        _long_enough,
        secret=True,
        example="a-long-random-text",
    )
    email_token_separator: str = setting(
        "+", "Stands before the token in reply addresses (+ - =), or none where the server takes no such addresses",
        _separator, example="+",
    )
    email_authserv_ids: tuple[str, ...] = setting(
        (),
        "Names under which our own mail server writes Authentication-Results; microsoft for Microsoft 365. Without, "
        "no sender counts as verified over IMAP",
        listed,
        example="mx.google.com",
    )
    email_imap_url: str = setting(
        "", "Where mail is fetched; empty for a webhook alone", _server_url("imaps", "imap"), example="imaps://imap.gmail.com:993"
    )
    email_smtp_url: str = setting(
        "", "Where mail is sent", _server_url("smtp", "smtps"), example="smtp://smtp.gmail.com:587"
    )
    email_user: str = setting("", "User of IMAP and SMTP where it is not the address", example="hola@example.com")
    email_password: str = setting(
        "", "Password (for Gmail an app password)", secret=True, example="abcd efgh ijkl mnop"
    )
    email_oauth_token_url: str = setting(
        "", "OAuth instead of a password: the provider's token address", url, example="https://oauth2.googleapis.com/token"
    )
    email_oauth_client_id: str = setting("", "OAuth: client id", example="1234.apps.googleusercontent.com")
    email_oauth_client_secret: str = setting("", "OAuth: client secret", secret=True, example="GOCSPX-…")
    email_oauth_refresh_token: str = setting(
        "", "OAuth: refresh token; without, the client's own credentials are used (Microsoft 365)", secret=True,
        example="1//0g…",
    )
    email_oauth_scope: str = setting(
        "", "OAuth: scope, where the provider wants one", example="https://outlook.office365.com/.default"
    )
    email_sent_folder: str = setting(
        "", "Folder of sent mail, where the server marks none; a person who answers from the mailbox is seen there",
        example="Sent",
    )
    email_mailgun_signing_key: str = setting("", "Mailgun's webhook signing key", secret=True, example="key-…")
    email_sendgrid_public_key: str = setting(
        "", "Public key of SendGrid's Inbound Parse security policy", example="MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE…"
    )
    email_postmark_token: str = setting(
        "",
        "Word that you choose and put as password into Postmark's webhook address (https://postmark:word@…)",
        secret=True,
        example="a-long-random-word",
    )
    email_send_per_minute: int = setting(
        20, "Mails that may leave per minute (Microsoft 365 allows 30)", integer(1, 600), example="20"
    )


def require_email(settings: EmailSettings) -> None:
    """Refuse to start without what email needs. Raises ``SettingsError`` with one line per missing setting."""
    missing: list[str] = []
    try:
        require(settings, "email", ("email_address", "email_reply_secret", "email_smtp_url"))
    except SettingsError as error:
        missing.append(str(error))
    if not any(getattr(settings, name) for name in _WAYS_IN):
        ways = ", ".join(name.upper() for name in _WAYS_IN)
        missing.append(f"EMAIL_IMAP_URL: missing, email needs a way in: one of {ways}. Example: imaps://imap.gmail.com:993")
    given = [name for name in _OAUTH if getattr(settings, name)]
    missing += [
        f"{name.upper()}: missing, OAuth needs it beside {given[0].upper()}" for name in _OAUTH if given and name not in given
    ]
    if settings.email_imap_url and not (settings.email_password or given):
        missing.append("EMAIL_PASSWORD: missing, IMAP needs it, or EMAIL_OAUTH_TOKEN_URL. Example: abcd efgh ijkl mnop")
    if missing:
        raise SettingsError("\n".join(missing))
