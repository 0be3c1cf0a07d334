"""The settings of WhatsApp through Whapi."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omnicrm.setting import integer, listed, number, one_of, setting, url

SHORTEST_SECRET = 16


def header_word(value: str) -> str:
    """A word that an HTTP header can carry; an example copied from the documentation ends in "…"."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError("it holds characters that no token has; copy it again")
    return value


def webhook_secrets(value: str) -> tuple[str, ...]:
    """Words between commas, each long enough that nobody guesses it: it is all that protects the webhook."""
    secrets = listed(header_word(value))
    if any(len(secret) < SHORTEST_SECRET for secret in secrets):
        raise ValueError(f"each secret needs {SHORTEST_SECRET} characters or more")
    return secrets


def own_number(value: str) -> str:
    """A phone number in international form, as its digits."""
    digits = "".join(character for character in value if character in "0123456789")
    if not 8 <= len(digits) <= 15:
        raise ValueError("must be a phone number with its country code")
    return digits


def _word_of(*allowed: str) -> Callable[[str], str]:
    return lambda value: one_of(value, *(word.upper() for word in allowed)).lower()


@dataclass(frozen=True, kw_only=True)
class WhapiSettings:
    """WhatsApp, through Whapi.Cloud."""

    whapi_token: str = setting("", "Token of the Whapi channel", header_word, secret=True, example="a1B2c3D4e5F6")
    whapi_channel_id: str = setting("", "Id of the Whapi channel, as its panel shows it", example="MANTIS-M72HC")
    whapi_webhook_secret: tuple[str, ...] = setting(
        (),
        "Secret of 16 characters or more that Whapi sends with each webhook; several, comma-separated, during rotation",
        webhook_secrets,
        secret=True,
        example="a-long-random-secret",
    )
    whapi_number: str = setting(
        "", "Our WhatsApp number, for notes to self and mentions in groups", own_number, example="+525599990000"
    )
    whapi_interactive: str = setting(
        "auto", "auto: choices as buttons and lists; text: as numbered lines", _word_of("auto", "text"), example="auto"
    )
    whapi_groups: str = setting(
        "off",
        "off: never answer in groups; mentioned: only who mentions or quotes us (needs WHAPI_NUMBER)",
        _word_of("off", "mentioned"),
        example="off",
    )
    whapi_stale_seconds: float = setting(
        3600.0,
        "A WhatsApp message that arrives later than this is recorded and not answered",
        number(60, 172800),
        example="3600",
    )
    whapi_send_per_minute: int = setting(
        48, "WhatsApp messages that may leave per minute; more, and WhatsApp may ban the number", integer(1, 600), example="48"
    )
    whapi_url: str = setting("https://gate.whapi.cloud", "Whapi API address", url, example="https://gate.whapi.cloud")
