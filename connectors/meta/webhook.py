"""One webhook address for Instagram and Messenger: Meta's handshake, and signed deliveries. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connectors.meta.item import Ours
from connectors.meta.parse import parse
from connectors.meta.signature import is_signed, same_word
from connectors.platform import Answer, Request
from connectors.values import decode

PATH = "/api/webhooks/meta"
METHODS = ("GET", "POST")
MAX_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Who we are to Meta, and the secrets that prove that a call is Meta's."""

    ours: Ours
    secrets: tuple[str, ...] = field(repr=False)
    verify_token: str = field(repr=False)

    def answer(self, request: Request, now: datetime) -> Answer:
        """Verify and parse one call. Never raises on content."""
        if request.method == "GET":
            return self._handshake(request.query)
        if request.method != "POST":
            return Answer(status=405, text="method not allowed")
        if len(request.body) > MAX_BODY:
            return Answer(status=413, text="too large")
        if not is_signed(request.body, request.headers.get("x-hub-signature-256"), self.secrets):
            return Answer(status=401, text="bad signature")
        try:
            document = decode(request.body)
        except ValueError:
            return Answer(status=400, text="not JSON")
        return Answer(text="EVENT_RECEIVED", events=tuple(parse(document, self.ours, now)))

    def _handshake(self, query: Mapping[str, str]) -> Answer:
        mode, word, challenge = (query.get(f"hub.{name}") for name in ("mode", "verify_token", "challenge"))
        if not mode or not word or not challenge:
            return Answer(status=400, text="hub.mode, hub.verify_token and hub.challenge are needed")
        if mode != "subscribe" or not same_word(word, self.verify_token):
            return Answer(status=403, text="wrong verify token")
        return Answer(text=challenge)
