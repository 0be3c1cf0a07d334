"""Email as a platform: one mailbox, read over IMAP or posted by a provider, and answered over SMTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Literal

import httpx

from connectors.email import health
from connectors.email.compose import compose
from connectors.email.envelope import Ours
from connectors.email.listen import MailListener
from connectors.email.oauth import credentials
from connectors.email.parse import parse
from connectors.email.providers import MAX_BODY, METHODS, PATH, Webhook, providers
from connectors.email.settings import require_email, server
from connectors.email.smtp import SmtpClient
from connectors.message import Address, Capabilities, ChannelCode, NotOurThread, OutcomeUnknown, Outgoing
from connectors.platform import Answer, Desk, Finding, Profile, Request
from omnicrm.settings import Settings, SettingsError

# Any mail program shows as much; nobody wants to read it.
TEXT_LIMIT = 20_000

Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Email:
    """The mailbox that customers write to."""

    name = "email"
    channel: ChannelCode = "EMAIL"
    webhook_path = PATH
    webhook_methods = METHODS
    webhook_below = True
    max_body = MAX_BODY

    def __init__(self, settings: Settings, http: httpx.AsyncClient, clock: Clock = _utc_now) -> None:
        require_email(settings)
        self.account = settings.email_address
        self.capabilities = Capabilities(
            text_limit=TEXT_LIMIT, one_message=True, sends_per_second=settings.email_send_per_minute / 60
        )
        self._clock = clock
        self._name = settings.email_name
        self._ours = _ours(settings)
        try:
            known = providers(settings)
        except ValueError as error:
            raise SettingsError(f"EMAIL_SENDGRID_PUBLIC_KEY: the value is wrong: {error}. Copy it again") from None
        self._webhook = Webhook(self._ours, known, parse)
        login = credentials(settings, http)
        self._smtp = SmtpClient(
            server(settings.email_smtp_url), login, sender=self.account, timeout=settings.send_timeout_seconds
        )
        self._listener: MailListener | None = None
        if settings.email_imap_url:
            self._listener = MailListener(
                server(settings.email_imap_url), login, self._ours, parse, clock,
                sent_folder=settings.email_sent_folder, lease_seconds=settings.lease_seconds,
            )  # fmt: skip
        self._plan = health.Plan(
            providers=tuple(known), listens=self._listener is not None, believes=bool(settings.email_authserv_ids)
        )

    def webhook(self, request: Request) -> Answer:
        """Verify and parse one call of a provider."""
        return self._webhook.answer(request, self._clock())

    async def send(self, to: Address, message: Outgoing, reference: str) -> str:
        """Send one fitted message as a mail; return its Message-ID. Raises ``SendError``."""
        if self._listener is not None and await self._listener.person_answers(to.key):
            raise NotOurThread("Una persona acaba de contestar desde el buzón")
        mail = compose(to, message, reference, self._ours, self._name, self._clock())
        try:
            await self._smtp.send(mail)
        except OutcomeUnknown:
            # A copy among the sent mail would settle it.
            self._look()
            raise
        self._look()
        return mail.message_id

    async def signal(self, to: Address, signal: Literal["seen", "typing"]) -> None:
        """A mail shows neither."""

    async def profile(self, of: Address) -> Profile | None:
        """What is known of a customer stands in their mails."""
        return None

    async def check(self) -> list[Finding]:
        """Logins and folders, in Spanish."""
        return await health.check(self._plan, self._listener, self._smtp)

    async def listen(self, desk: Desk) -> None:
        """Fetch mail until cancelled, where there is a mailbox to fetch it from."""
        try:
            if self._listener is not None:
                await self._listener.run(desk)
            await asyncio.get_running_loop().create_future()
        finally:
            await self._smtp.close()

    def _look(self) -> None:
        if self._listener is not None:
            self._listener.look()


def _ours(settings: Settings) -> Ours:
    return Ours(
        address=settings.email_address,
        aliases=settings.email_aliases,
        domain=settings.email_address.partition("@")[2],
        separator=settings.email_token_separator,
        authserv_ids=settings.email_authserv_ids,
        secret=settings.email_reply_secret.encode(),
        stale=timedelta(seconds=settings.reply_max_age_of("EMAIL")),
    )
