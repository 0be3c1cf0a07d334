"""What proves that a webhook comes from Meta, and that a Graph call comes from us."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable


def is_signed(body: bytes, header: str | None, secrets: Iterable[str]) -> bool:
    """Whether ``X-Hub-Signature-256`` (``sha256=<hex>``) covers these raw bytes with any of our secrets.

    Only the bytes as received count: Meta signs its own escaping (``\\u00e1``, ``\\/``), which no JSON library repeats.
    """
    scheme, _, given = (header or "").strip().partition("=")
    if scheme != "sha256":
        return False
    # Every secret is tried, so that the time taken does not tell which one matched.
    matches = [hmac.compare_digest(sign(body, secret).encode(), given.lower().encode()) for secret in secrets if secret]
    return any(matches)


def sign(body: bytes, secret: str) -> str:
    """The hex digest that Meta puts behind ``sha256=``."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def appsecret_proof(token: str, secret: str) -> str:
    """The parameter that shows the Graph API that the caller of this token also holds the app secret."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def same_word(given: str, expected: str) -> bool:
    """Compare two secrets in constant time; an empty expectation matches nothing."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))
