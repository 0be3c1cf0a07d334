"""Can this mailbox be read and written? For ``omnicrm doctor``: in Spanish, each trouble with its next step."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.email.imap import LoginRefused, MailboxAway, MailboxError
from connectors.email.listen import MailListener
from connectors.email.providers import PATH
from connectors.email.smtp import SmtpClient
from connectors.message import SendError
from connectors.platform import Finding

_ADDRESSES = {"mailgun": f"{PATH}/mailgun/mime", "sendgrid": f"{PATH}/sendgrid", "postmark": f"{PATH}/postmark"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is set up: the providers that post mail, whether it is fetched, and whether some server's findings are believed."""

    providers: tuple[str, ...]
    listens: bool
    believes: bool


async def check(plan: Plan, listener: MailListener | None, smtp: SmtpClient) -> list[Finding]:
    """All findings about fetching, posted mail and sending. Sends nothing and changes nothing."""
    findings = await _fetching(listener) if listener is not None else []
    if plan.listens and not plan.believes:
        text = "Ningún remitente cuenta como comprobado: pon en EMAIL_AUTHSERV_IDS el nombre de tu servidor (mx.google.com)"
        findings.append(Finding(level="warning", text=text))
    findings += [
        Finding(level="ok", text=f"{name} puede entregar en https://(tu servidor){_ADDRESSES[name]}") for name in plan.providers
    ]
    return [*findings, await _sending(smtp)]


async def _fetching(listener: MailListener) -> list[Finding]:
    try:
        line = await listener.connect()
    except LoginRefused as error:
        cure = "revisa EMAIL_USER y EMAIL_PASSWORD, o EMAIL_OAUTH_*"
        return [Finding(level="error", text=f"IMAP no acepta la cuenta: {cure}. Servidor: {error}")]
    except MailboxAway as error:
        return [Finding(level="error", text=f"No hay conexión con IMAP: revisa EMAIL_IMAP_URL. {error}")]
    except (MailboxError, SendError) as error:
        return [Finding(level="error", text=f"No se pudo entrar por IMAP. {error}")]
    try:
        await line.do(line.mailbox.examine, "INBOX")
        sent = await line.do(line.mailbox.sent_folder, listener.sent_folder)
    except MailboxError as error:
        return [Finding(level="error", text=f"IMAP dejó entrar, pero no leer las carpetas. {error}")]
    finally:
        line.close()
    findings = [Finding(level="ok", text="IMAP deja entrar y leer la bandeja de entrada")]
    if sent is None:
        text = (
            "No se encontró la carpeta de enviados: ponla en EMAIL_SENT_FOLDER. Sin ella el bot no se entera cuando una "
            "persona contesta desde el correo"
        )
        return [*findings, Finding(level="warning", text=text)]
    return [*findings, Finding(level="ok", text=f"La carpeta de enviados es «{sent}»")]


async def _sending(smtp: SmtpClient) -> Finding:
    try:
        await smtp.probe()
    except SendError as error:
        return Finding(level="error", text=f"No se puede enviar. {error}")
    finally:
        await smtp.close()
    return Finding(level="ok", text="SMTP deja entrar")
