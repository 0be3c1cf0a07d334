"""One mail to events. Pure; never raises on content: what it cannot read becomes a stored `Unsupported`."""

from __future__ import annotations

import hashlib
from datetime import datetime

from connectors.email.envelope import Envelope, Ours
from connectors.message import AnyEvent, Unsupported

__all__ = ["Envelope", "Ours", "parse"]


def parse(raw: bytes, envelope: Envelope, ours: Ours, now: datetime) -> list[AnyEvent]:
    """The events of one mail."""
    key = f"email:{ours.address}:unsupported:{hashlib.sha256(raw).hexdigest()[:32]}"
    return [Unsupported(key=key, address=None, timestamp=envelope.received_at or now, reason="not read yet")]
