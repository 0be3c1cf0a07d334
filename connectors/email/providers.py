"""Mail that a provider posts to us: Mailgun, SendGrid, Postmark. Pure.

All of them lead to one raw mail with its envelope, and to the one parser. What a provider found out about the sender counts
where it stands above everything that the sender could have written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from connectors.email import mailgun, postmark, sendgrid
from connectors.email.envelope import Ours
from connectors.email.fetch import Parse
from connectors.email.posted import Posted, Rejected
from connectors.email.settings import EmailSettings
from connectors.platform import Answer, Request

logger = logging.getLogger(__name__)

PATH = "/api/webhooks/email"
METHODS = ("POST",)
# SendGrid posts up to 30 MB, Postmark 35 MB of files.
MAX_BODY = 40 * 1024 * 1024

Provider: TypeAlias = Callable[[Request, datetime], Posted]


def providers(settings: EmailSettings) -> dict[str, Provider]:
    """The providers whose key is set, by the last part of their address. Raises ``ValueError`` for a key that is none."""
    found: dict[str, Provider] = {}
    if settings.email_mailgun_signing_key:
        found["mailgun"] = lambda request, now: mailgun.read(request, settings.email_mailgun_signing_key, now)
    if settings.email_sendgrid_public_key:
        key = sendgrid.read_key(settings.email_sendgrid_public_key)
        found["sendgrid"] = lambda request, now: sendgrid.read(request, key, now)
    if settings.email_postmark_token:
        found["postmark"] = lambda request, now: postmark.read(request, settings.email_postmark_token, now)
    return found


class Webhook:
    """Our addresses for them: ``/api/webhooks/email/mailgun`` (or ``/mailgun/mime``), ``/sendgrid`` and ``/postmark``."""

    def __init__(self, ours: Ours, known: dict[str, Provider], parse: Parse) -> None:
        self._ours = ours
        self._known = known
        self._parse = parse

    def answer(self, request: Request, now: datetime) -> Answer:
        """Verify and parse one call. Never raises on content."""
        name = request.path.removeprefix(PATH).strip("/").removesuffix("/mime")
        if name not in self._known:
            return Answer(status=404, text="no such provider here")
        if request.method not in METHODS:
            return Answer(status=405, text="method not allowed")
        if len(request.body) > MAX_BODY:
            return Answer(status=413, text="too large")
        try:
            posted = self._known[name](request, now)
        except Rejected as rejected:
            logger.warning("mail webhook refused action=webhook provider=%s status=%s", name, rejected.status)
            return Answer(status=rejected.status, text=str(rejected))
        return Answer(text="ok", events=tuple(self._parse(posted.raw, posted.envelope, self._ours, now)))
