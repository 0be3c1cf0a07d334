"""The settings of notices to the staff, and of webhooks that leave for the shop's own programs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from notify.quiet import QuietHours, read_quiet_hours
from omnicrm.setting import SettingsError, listed, number, setting

Means = Literal["email", "whatsapp", "webhook"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# What the staff can be told of. `channel_up` and `webhook_off` go where `channel_down` goes.
KINDS = ("handover", "hot_lead", "complaint", "channel_down", "token", "send_failed")
FOLLOWERS = {"channel_up": "channel_down", "webhook_off": "channel_down"}
NOBODY = "none"

_EMAIL = re.compile(r"[^\s@<>\",;:\\()\[\]]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_CHAT = re.compile(r"[0-9]{5,32}@s\.whatsapp\.net|[0-9][0-9-]*@g\.us")
_PHONE = re.compile(r"\+[1-9][0-9]{7,14}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FORMS = "email:ana@example.com, whatsapp:+525512345678, whatsapp:1203…@g.us or webhook"


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who is told. ``address``: of mail; a WhatsApp chat, group or number (E.164); empty for the webhook."""

    means: Means
    address: str = ""

    def __str__(self) -> str:
        return f"{self.means}:{self.address}" if self.address else self.means

    @staticmethod
    def read(value: str) -> Target:
        """The inverse of ``str``. Raises ``ValueError`` with what is expected."""
        means, _, address = value.strip().partition(":")
        means, address = means.strip().lower(), address.strip()
        if means == "webhook" and not address:
            return Target("webhook")
        if means == "email" and _EMAIL.fullmatch(address.lower()):
            return Target("email", address.lower())
        if means == "whatsapp" and (_CHAT.fullmatch(address) or _PHONE.fullmatch(address)):
            return Target("whatsapp", address)
        raise ValueError(f"{value.strip()!r} is nobody to tell: write {_FORMS}")


def targets(value: str) -> tuple[Target, ...] | None:
    """Targets between commas, each once; ``none`` for nobody."""
    words = listed(value)
    if [word.lower() for word in words] == [NOBODY]:
        return ()
    return tuple(dict.fromkeys(Target.read(word) for word in words))


def webhook_url(value: str) -> str:
    """An address that may be posted to: https, or http on this machine; no password in it, no fragment."""
    parts = urlsplit(value)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ValueError("must start with https:// (http:// only on this machine)")
    if not host or parts.port == 0:
        raise ValueError("must name a host")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("must hold no user, password or #")
    if not (value.isascii() and value.isprintable()) or " " in value or len(value) > 2000:
        raise ValueError("must be written in plain characters, without spaces")
    return value


def link(value: str) -> str:
    """An address with a place for the conversation's id."""
    if not value.startswith(("https://", "http://")):
        raise ValueError("must start with https://")
    if "{conversation}" not in value or re.search(r"[{}]", value.replace("{conversation}", "")):
        raise ValueError("must hold {conversation} where the conversation's id goes, and no other braces")
    return value


def networks(value: str) -> tuple[Network, ...]:
    """Networks between commas, in CIDR notation."""
    try:
        return tuple(ipaddress.ip_network(word) for word in listed(value))
    except ValueError as error:
        raise ValueError(f"{error}; write networks as 10.0.0.0/8") from None


def kinds(value: str) -> tuple[str, ...]:
    """Kinds of notices between commas; ``none`` for no kind."""
    words = tuple(word.lower() for word in listed(value))
    if words == (NOBODY,):
        return ()
    unknown = [word for word in words if word not in KINDS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(KINDS)}, or none")
    return words


def _one_address(value: str) -> str:
    if not _EMAIL.fullmatch(value.lower()):
        raise ValueError("must be one plain address")
    return value.lower()


def _to(what: str) -> Any:
    return setting(None, f"Who is told {what}; empty: NOTIFY_DEFAULT; none: nobody", targets, example="email:ana@example.com")


@dataclass(frozen=True, kw_only=True)
class NotifySettings:
    """Who of the staff is told what, and webhooks for programs of the shop's own."""

    notify_default: tuple[Target, ...] | None = setting(
        None, f"Who is told whatever has no setting of its own, comma-separated: {_FORMS}", targets,
        example="email:ana@example.com, whatsapp:+525512345678",
    )
    notify_handover: tuple[Target, ...] | None = _to("that a customer asks for a person")
    notify_hot_lead: tuple[Target, ...] | None = _to("that a customer finished an order")
    notify_complaint: tuple[Target, ...] | None = _to("of a complaint")
    notify_channel_down: tuple[Target, ...] | None = _to("that a channel cannot send, and when it can again")
    notify_token: tuple[Target, ...] | None = _to("that a token is about to end")
    notify_send_failed: tuple[Target, ...] | None = _to("that an answer could not be sent for good")
    notify_webhook_url: str = setting(
        "", "Where the target webhook leads: Slack, or any address that takes JSON", webhook_url, secret=True,
        example="https://hooks.slack.com/services/T0/B0/x",
    )
    notify_email_from: str = setting(
        "", "Address that notices come from, where it is not EMAIL_ADDRESS", _one_address, example="avisos@example.com"
    )
    notify_window_minutes: float = setting(
        15.0, "One notice per conversation, kind and target in this time; what comes meanwhile is counted and told at its end",
        number(0, 1440), example="15",
    )
    notify_quiet_hours: QuietHours | None = setting(
        None, "From when to when nobody is disturbed, in BUSINESS_TIMEZONE; what came is told after it", read_quiet_hours,
        example="22:00-08:00",
    )
    notify_always: tuple[str, ...] = setting(
        ("channel_down",), f"Kinds that are told in quiet hours too, of {', '.join(KINDS)}; none: no kind", kinds,
        example="channel_down,handover",
    )
    notify_link: str = setting(
        "", "Address of a conversation in the shop's own CRM, for notices", link,
        example="https://crm.example.com/conversations/{conversation}",
    )
    webhook_allow_networks: tuple[Network, ...] = setting(
        (), "Private networks that webhooks may reach; all are refused otherwise", networks, example="10.0.0.0/8,127.0.0.0/8"
    )


def told(settings: Any) -> Mapping[str, tuple[Target, ...]]:
    """Who is told what: targets of each kind, the followers among them."""
    default = settings.notify_default or ()
    own = {kind: getattr(settings, f"notify_{kind}") for kind in KINDS}
    of_kind = {kind: default if found is None else found for kind, found in own.items()}
    return {**of_kind, **{kind: of_kind[leader] for kind, leader in FOLLOWERS.items()}}


def all_targets(settings: Any) -> tuple[Target, ...]:
    """Every target that some kind has, each once."""
    return tuple(dict.fromkeys(target for found in told(settings).values() for target in found))


def whatsapp_chats(settings: Any) -> frozenset[str]:
    """The chats and numbers of the staff that notices go to."""
    return frozenset(target.address for target in all_targets(settings) if target.means == "whatsapp")


# What each way of telling needs beside the target itself.
_NEEDS: dict[Means, tuple[str, ...]] = {
    "webhook": ("notify_webhook_url",),
    "whatsapp": ("whapi_token",),
    "email": ("email_smtp_url", "notify_email_from"),
}


def require_notify(settings: Any) -> None:
    """Refuse to start where somebody is to be told by a way that is not set up. Raises ``SettingsError``, a line each."""
    specs = {spec.name: spec for spec in fields(settings)}
    lines = []
    for means in dict.fromkeys(target.means for target in all_targets(settings)):
        for name in _NEEDS[means]:
            if getattr(settings, name) or (name == "notify_email_from" and settings.email_address):
                continue
            meta = specs[name].metadata
            lines.append(
                f"{name.upper()}: missing, a NOTIFY_… setting names {means} ({meta['meaning']}). Example: {meta['example']}"
            )
    if lines:
        raise SettingsError("\n".join(lines))
