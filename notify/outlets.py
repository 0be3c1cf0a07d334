"""The ways to the staff: mail, WhatsApp and a webhook of JSON. Each send raises what it comes to, like a platform's."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP as MAIL_POLICY
from email.utils import format_datetime
from typing import Any

import httpx

from connectors.email.compose import Mail
from connectors.email.oauth import credentials
from connectors.email.settings import server
from connectors.email.smtp import SmtpClient
from connectors.message import BadPayload, NeedsOperator, OutcomeUnknown, Outgoing, Retry
from connectors.whapi.client import WhapiClient
from notify.guard import Forbidden, NoAnswer, NotSent, Poster
from notify.settings import Target
from notify.texts import Told
from omnicrm.settings import Settings

Clock = Callable[[], datetime]

SENDER_NAME = "Avisos"


class Outlets:
    """Sends to any target; connections are made on use. ``http`` and ``poster`` are the caller's, and stay open."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient, poster: Poster, clock: Clock) -> None:
        self._settings = settings
        self._poster = poster
        self._clock = clock
        self._from = settings.notify_email_from or settings.email_address
        self._smtp: SmtpClient | None = None
        self._whapi: WhapiClient | None = None
        if settings.email_smtp_url and self._from:
            self._smtp = SmtpClient(
                server(settings.email_smtp_url), credentials(settings, http), sender=self._from,
                timeout=settings.send_timeout_seconds,
            )  # fmt: skip
        if settings.whapi_token:
            self._whapi = WhapiClient(
                http, base_url=settings.whapi_url, token=settings.whapi_token, timeout=settings.send_timeout_seconds
            )

    async def send(self, target: Target, told: Told, uid: str) -> None:
        """Tell one target. ``uid`` names the message over all its tries. Raises ``SendError``."""
        if target.means == "email":
            await self._mail(target.address, told, uid)
        elif target.means == "whatsapp":
            await self._whatsapp(target.address, told)
        else:
            await self._post(told, uid)

    async def close(self) -> None:
        """Say goodbye to the mail server."""
        if self._smtp is not None:
            await self._smtp.close()

    async def _mail(self, to: str, told: Told, uid: str) -> None:
        if self._smtp is None:
            raise NeedsOperator("Falta EMAIL_SMTP_URL o NOTIFY_EMAIL_FROM para avisar por correo")
        await self._smtp.send(notice_mail(to, told, uid, self._from, self._settings.email_name, self._clock()))

    async def _whatsapp(self, to: str, told: Told) -> None:
        if self._whapi is None:
            raise NeedsOperator("Falta WHAPI_TOKEN para avisar por WhatsApp")
        # WhatsApp alone knows which form of a number it uses.
        chat = await self._whapi.find_chat(to) if to.startswith("+") else to
        await self._whapi.send(chat, Outgoing(text=told.text))

    async def _post(self, told: Told, uid: str) -> None:
        url = self._settings.notify_webhook_url
        if not url:
            raise NeedsOperator("Falta NOTIFY_WEBHOOK_URL para avisar por webhook")
        body = json.dumps(notice_document(told, uid, self._settings.notify_link), ensure_ascii=False)
        try:
            answer = await self._poster.post(url, body, {"webhook-id": uid})
        except Forbidden as error:
            raise NeedsOperator(f"NOTIFY_WEBHOOK_URL no se puede usar: {error}") from None
        except NotSent as error:
            raise Retry(f"No hay conexión con el webhook: {error}") from None
        except NoAnswer as error:
            raise OutcomeUnknown(f"El webhook no contestó: {error}") from None
        code = f"HTTP {answer.status}"
        if answer.ok:
            return
        if answer.status in (408, 425, 429) or answer.status >= 500:
            raise Retry("El webhook pide esperar", code, after=answer.retry_after)
        if answer.status in (401, 403, 404, 410) or 300 <= answer.status < 400:
            raise NeedsOperator("El webhook ya no acepta avisos: revisa NOTIFY_WEBHOOK_URL", code)
        raise BadPayload("El webhook rechazó el aviso", code)


def notice_mail(to: str, told: Told, uid: str, sender: str, shop: str, now: datetime) -> Mail:
    """A notice as a mail: the same notice has the same Message-ID at every try."""
    mail = EmailMessage(policy=MAIL_POLICY)
    name = f"{SENDER_NAME} {shop}".strip()
    local, _, domain = sender.rpartition("@")
    mail["From"] = MailAddress(name, local, domain)
    mail["To"] = to
    mail["Subject"] = told.subject
    mail["Date"] = format_datetime(now)
    message_id = f"<{uid}@{domain}>"
    mail["Message-ID"] = message_id
    # RFC 3834: no machine answers, and our own mailbox takes it for no person's words.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(told.text + "\n", charset="utf-8", cte="quoted-printable")
    return Mail(recipient=to, message_id=message_id, content=mail.as_bytes())


def notice_document(told: Told, uid: str, link: str) -> dict[str, Any]:
    """A notice as JSON: ``text`` for Slack and its like, the rest for programs."""
    items = [
        {
            "kind": item.kind, "count": item.count, "channel": item.channel, "conversation": item.conversation,
            "client": item.client, "at": item.at,
            "link": link.replace("{conversation}", item.conversation) if link and item.conversation else None,
        }
        for item in told.items
    ]  # fmt: skip
    return {"text": told.text, "id": uid, "items": items}
