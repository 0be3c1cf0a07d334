"""What stays the same while the simulator runs, and what a test may turn while it does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, cast

from simulator.errors import ControlError

Json: TypeAlias = Any
Channel = Literal["instagram", "messenger", "whatsapp", "email"]
CHANNELS: tuple[Channel, ...] = ("instagram", "messenger", "whatsapp", "email")
META_CHANNELS: tuple[Channel, ...] = ("instagram", "messenger")

Echoes = Literal["after", "before", "off"]
# How a customer's mail reaches the bot: into the mailbox, or by one of the providers' inbound webhooks.
MAIL_ROUTES = ("imap", "mailgun", "mailgun_mime", "sendgrid", "sendgrid_raw", "postmark", "postmark_raw")
# Seconds between the attempts to deliver one webhook: about a minute in all: a bot that restarts meanwhile loses nothing.
# Meta repeats "immediately, then with decreasing frequency" for up to 36 hours.
DEFAULT_RETRIES = (0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 5.0, 5.0, 5.0, 10.0, 10.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The shop's accounts: one Meta app with a Page and an Instagram account, one WhatsApp number, one mailbox.

    ``whapi_webhook`` is where Whapi posts at first (``PATCH /settings`` changes it), with ``whapi_secret`` in ``whapi_header``.
    In ``mail_webhook``, ``{provider}`` becomes mailgun, sendgrid or postmark; user and password in it become basic
    authentication, which for Postmark is ``postmark:<token>`` without. Ports of 0 are any free ones.
    """

    webhook: str
    host: str = "127.0.0.1"
    port: int = 0
    app_id: str = "123456789012345"
    app_secret: str = "simulated-app-secret"
    verify_token: str = "simulated-verify-token"
    page_id: str = "104098558513421"
    ig_id: str = "17841470026191358"
    token: str = "EAAsimulated"
    require_proof: bool = False
    whapi_webhook: str = ""
    whapi_token: str = "simulated-whapi-token"
    whapi_channel_id: str = "MANTIS-M72HC"
    whapi_secret: str = "simulated-whapi-secret"
    whapi_header: str = "X-Webhook-Secret"
    whapi_number: str = "5215599990000"
    smtp_port: int = 0
    imap_port: int = 0
    mail_address: str = "tienda@shop.example"
    mail_name: str = "La Tienda"
    mail_user: str = ""  # the address
    mail_password: str = "simulated-mail-password"
    mail_access_token: str = "simulated-mail-access-token"
    mail_webhook: str = ""
    mailgun_key: str = "simulated-mailgun-key"
    postmark_token: str = "simulated-postmark-token"  # the password that Postmark's webhook address carries

    @property
    def mail_login(self) -> str:
        """The user name of the mailbox."""
        return self.mail_user or self.mail_address

    @property
    def mail_domain(self) -> str:
        """What follows the @ of the shop's address."""
        return self.mail_address.rpartition("@")[2].lower()

    @property
    def mail_receiver(self) -> str:
        """The host that takes the shop's mail and signs its verdicts (the authserv-id of RFC 8601)."""
        return f"mx.{self.mail_domain}"

    def account(self, channel: Channel) -> str:
        """The business id that stands in this channel's webhooks."""
        return {
            "instagram": self.ig_id,
            "messenger": self.page_id,
            "whatsapp": self.whapi_number,
            "email": self.mail_address,
        }[channel]


ENVIRONMENT = {
    "app_id": "META_APP_ID",
    "app_secret": "META_APP_SECRET",
    "verify_token": "META_VERIFY_TOKEN",
    "page_id": "META_PAGE_ID",
    "ig_id": "META_IG_ACCOUNT_ID",
    "token": "META_ACCESS_TOKEN",
}
WHAPI_ENVIRONMENT = {
    "whapi_token": "WHAPI_TOKEN",
    "whapi_channel_id": "WHAPI_CHANNEL_ID",
    "whapi_secret": "WHAPI_WEBHOOK_SECRET",
    "whapi_number": "WHAPI_NUMBER",
}
MAIL_ENVIRONMENT = {
    "mail_address": "EMAIL_ADDRESS",
    "mail_user": "EMAIL_USER",
    "mail_password": "EMAIL_PASSWORD",
    "mail_name": "EMAIL_NAME",
    "mailgun_key": "EMAIL_MAILGUN_SIGNING_KEY",
    "postmark_token": "EMAIL_POSTMARK_TOKEN",
}


def config_from(environment: Mapping[str, str], given: Mapping[str, Any]) -> Config:
    """Join what was given with the bot's own variables; of several app secrets the first one signs."""
    values: dict[str, Any] = {
        name: environment[variable]
        for name, variable in {**ENVIRONMENT, **WHAPI_ENVIRONMENT, **MAIL_ENVIRONMENT}.items()
        if environment.get(variable)
    }
    values.update({name: value for name, value in given.items() if value is not None})
    for name in ("app_secret", "whapi_secret"):
        if name in values:
            values[name] = str(values[name]).split(",")[0].strip()
    if "whapi_number" in values:
        values["whapi_number"] = re.sub(r"\D", "", str(values["whapi_number"]))
    return Config(**values)


@dataclass(slots=True, kw_only=True)
class Knobs:
    """What ``POST /sim/settings`` changes; ``POST /sim/reset`` puts all of it back."""

    echoes: Echoes = "after"
    echo_delay: float = 0.0
    retries: tuple[float, ...] = DEFAULT_RETRIES
    webhook_timeout: float = 5.0  # Messenger: answer within 5 s
    latency: float = 0.0  # seconds that every Graph answer takes
    require_proof: bool = False
    send_rate_instagram: int = 100  # messages per second and account; the lower of the two documented figures
    send_rate_messenger: int = 300
    send_rate_whatsapp: int = 0  # Whapi publishes none
    send_rate_email: int = 0
    media_rate: int = 10  # audio and video per second and account
    messenger_text_unit: Literal["characters", "utf16"] = "characters"  # not documented which one Meta counts
    profile_permissions: tuple[str, ...] = ()  # of locale, timezone, gender: each needs its own permission
    human_agent: bool = True  # whether the app has the Human Agent feature
    model_latency: float = 0.0
    statuses: Literal["ordered", "reversed", "off"] = "ordered"  # of what the shop sends on WhatsApp
    sent_copies: bool = True  # whether submitted mail is put into the Sent folder, as Gmail does
    mail_route: str = "imap"
    imap_push: bool = True  # whether IDLE is told of new mail

    def send_rate(self, channel: Channel) -> int:
        """Messages per second that this channel's account may send."""
        rate: int = getattr(self, f"send_rate_{channel}")
        return rate

    def as_json(self) -> dict[str, Json]:
        """Every knob with its value."""
        return {spec.name: getattr(self, spec.name) for spec in fields(self)}

    def turn(self, changes: Mapping[str, Json]) -> None:
        """Change several knobs at once, all or none. Raises ``ControlError`` naming the wrong one."""
        checked = {name: _checked(name, value) for name, value in changes.items()}
        for name, value in checked.items():
            setattr(self, name, value)


_CHOICES: dict[str, tuple[str, ...]] = {
    "echoes": ("after", "before", "off"),
    "messenger_text_unit": ("characters", "utf16"),
    "statuses": ("ordered", "reversed", "off"),
    "mail_route": MAIL_ROUTES,
}
_SECONDS = ("echo_delay", "webhook_timeout", "latency", "model_latency")
_COUNTS = ("send_rate_instagram", "send_rate_messenger", "send_rate_whatsapp", "send_rate_email", "media_rate")
_SWITCHES = ("require_proof", "human_agent", "sent_copies", "imap_push")
_PERMISSIONS = ("locale", "timezone", "gender")


def _checked(name: str, value: Json) -> Json:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ControlError(f"{name} must be one of {', '.join(_CHOICES[name])}")
        return value
    if name in _SECONDS:
        return seconds(name, value)
    if name in _COUNTS:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ControlError(f"{name} must be a whole number, 0 or more")
        return value
    if name in _SWITCHES:
        if not isinstance(value, bool):
            raise ControlError(f"{name} must be true or false")
        return value
    if name == "retries":
        if not isinstance(value, list) or len(value) > 100:
            raise ControlError("retries must be a list of at most 100 delays in seconds")
        return tuple(seconds("retries", delay) for delay in value)
    if name == "profile_permissions":
        if not isinstance(value, list) or any(permission not in _PERMISSIONS for permission in value):
            raise ControlError(f"profile_permissions must be a list of {', '.join(_PERMISSIONS)}")
        return tuple(value)
    raise ControlError(f"there is no setting {name!r}")


def seconds(name: str, value: Json) -> float:
    """Check a duration in seconds, at most an hour."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 3600:
        raise ControlError(f"{name} must be seconds from 0 to 3600")
    return float(value)


def channel_of(value: Json) -> Channel:
    """Check a channel's name."""
    if value not in CHANNELS:
        raise ControlError(f"channel must be one of {', '.join(CHANNELS)}")
    return cast(Channel, value)
