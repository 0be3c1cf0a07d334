"""How Meta writes and signs a webhook: pure functions from data to bytes."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from simulator.config import Channel


def meta_json(document: Any) -> bytes:
    r"""Serialise as Meta does: ASCII only, lower-case ``\uXXXX``, ``/`` as ``\/``, no spaces."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).replace("/", "\\/").encode("ascii")


def signature(secret: str, body: bytes, algorithm: str = "sha256") -> str:
    """``sha256=<hex>`` (or ``sha1=<hex>``) over the bytes as they are sent."""
    return f"{algorithm}={hmac.new(secret.encode(), body, algorithm).hexdigest()}"


def signed_headers(secret: str, body: bytes) -> dict[str, str]:
    """The headers of a genuine delivery, with the current signature and the legacy one."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "facebookexternalua",
        "X-Hub-Signature": signature(secret, body, "sha1"),
        "X-Hub-Signature-256": signature(secret, body),
    }


def app_secret_proof(secret: str, token: str) -> str:
    """HMAC-SHA256 of the token under the app secret, in hex."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def object_of(channel: Channel) -> str:
    """``instagram`` or ``page``."""
    return "instagram" if channel == "instagram" else "page"


def entry(account: str, time: int, items: Sequence[Any], slot: str = "messaging") -> dict[str, Any]:
    """One entry with its items under ``messaging`` or ``standby``, or each as one of its ``changes``."""
    if slot == "changes":
        # Change entries carry seconds where all others carry milliseconds.
        return {"id": account, "time": time // 1000, "changes": list(items)}
    return {"id": account, "time": time, slot: list(items)}


def envelope(channel: Channel, entries: Sequence[Any]) -> dict[str, Any]:
    """The outermost object."""
    return {"object": object_of(channel), "entry": list(entries)}
