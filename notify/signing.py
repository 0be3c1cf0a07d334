"""Secrets and signatures of webhooks, as Standard Webhooks 1.0.0 writes them. Pure."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook

PREFIX = "whsec_"
# The specification wants 24 to 64 bytes.
SECRET_BYTES = 32


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """A new secret, as receivers are given it."""
    return PREFIX + base64.b64encode(random_bytes(SECRET_BYTES)).decode()


def signed(identifier: str, body: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The three headers; a signature for each secret that is valid now. ``now`` is aware UTC."""
    # The library takes the clock's digits for UTC whatever their zone.
    utc = now.astimezone(timezone.utc)
    signatures = [Webhook(secret).sign(identifier, utc, body) for secret in secrets]
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
