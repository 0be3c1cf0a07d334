"""The address that Whapi calls, in any of its three modes: verify the secret, then parse. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from connectors.platform import Answer, Request
from connectors.values import decode
from connectors.whapi.item import Ours
from connectors.whapi.parse import parse

PATH = "/api/webhooks/whapi"
METHODS: tuple[str, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Messages carry small previews of their pictures, and one call several messages.
MAX_BODY = 5 * 1024 * 1024
# Whapi signs nothing: a header of our choice is the only proof that it is Whapi who calls.
HEADER = "X-Webhook-Secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Who we are to Whapi, and the secrets that prove that a call is Whapi's."""

    ours: Ours
    secrets: tuple[str, ...] = field(repr=False)

    def answer(self, request: Request, now: datetime) -> Answer:
        """Verify and parse one call. Never raises on content."""
        if request.method not in METHODS:
            return Answer(status=405, text="method not allowed")
        if len(request.body) > MAX_BODY:
            return Answer(status=413, text="too large")
        if not is_known(request.headers.get(HEADER.lower()), self.secrets):
            return Answer(status=401, text="bad secret")
        if not request.body.strip():
            # The panel's test call.
            return Answer(text="ok")
        try:
            document = decode(request.body)
        except ValueError:
            return Answer(status=400, text="not JSON")
        return Answer(text="ok", events=tuple(parse(document, self.ours, now, event_method(request))))


def is_known(given: str | None, secrets: Iterable[str]) -> bool:
    """Whether this is one of our secrets, in constant time."""
    words = (given or "").encode("utf-8", "replace")
    # Every secret is tried, so that the time taken does not tell which one matched.
    matches = [hmac.compare_digest(words, secret.encode()) for secret in secrets if secret]
    return any(matches)


def event_method(request: Request) -> str:
    """The event's verb: in mode `path` the address ends in it, in mode `method` it is the HTTP method's; else empty."""
    below = [part for part in request.path.removeprefix(PATH).split("/") if part]
    if not below:
        return ""
    return below[1].lower() if len(below) > 1 else request.method.lower()
