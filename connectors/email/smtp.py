"""Mail out: one connection to our server, one mail at a time, and what each refusal means, in one table."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.response import SMTPResponse

from connectors.email.compose import Mail, one_line
from connectors.email.oauth import Credentials
from connectors.email.settings import Server
from connectors.message import BadPayload, NeedsOperator, OutcomeUnknown, Retry, SendError, Unreachable

IDLE_SECONDS = 60.0
# RFC 5321 4.5.4.1 asks for half an hour; our own repetitions grow from here.
LATER_SECONDS = 60.0
# After a limit by the hour or day.
MUCH_LATER_SECONDS = 3600.0

# Where in the conversation a refusal came. Until `content` it is about us, then about the recipient, then about the mail.
Stage = Literal["connect", "hello", "starttls", "login", "sender", "recipient", "content"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a refusal comes to; ``text`` is for the staff."""

    kind: type[SendError]
    text: str
    after: float | None = None


_LATER = Meaning(Retry, "El servidor de correo pide esperar", LATER_SECONDS)
_LIMIT = Meaning(Retry, "Llegamos al límite de envíos del correo", MUCH_LATER_SECONDS)
_GONE = Meaning(Unreachable, "El servidor no conoce la dirección de este cliente, o no le entrega")
_MAIL = Meaning(BadPayload, "El servidor rechazó este correo")
_LOGIN = Meaning(NeedsOperator, "El servidor de correo no acepta la cuenta: revisa EMAIL_USER y EMAIL_PASSWORD o EMAIL_OAUTH_*")
_NO_BASIC = Meaning(NeedsOperator, "El servidor ya no acepta contraseñas para enviar: configura EMAIL_OAUTH_*")
_NOT_ALLOWED = Meaning(NeedsOperator, "La cuenta no tiene permiso de enviar con EMAIL_ADDRESS")
_US = Meaning(NeedsOperator, "El servidor de correo no nos deja enviar: revisa EMAIL_SMTP_URL y la cuenta")
_NO_TLS = "El servidor no ofrece STARTTLS, así que no se le dio la contraseña: revisa EMAIL_SMTP_URL"
_NO_METHOD = "El servidor no ofrece la forma de entrar configurada: revisa EMAIL_PASSWORD o EMAIL_OAUTH_*"
_CERTIFICATE = "El certificado del servidor de correo no es válido para EMAIL_SMTP_URL"
_NO_ANSWER = "No hay conexión con el servidor de correo"
_LOST = "El servidor de correo no contestó al final: el correo pudo haber salido"
_NO_UTF8 = "El servidor de correo no puede escribir a una dirección con letras internacionales"

# By enhanced status code (RFC 3463, RFC 4954 6, and what Google and Microsoft add). Not for recipients: there a server may
# tell what a stranger's server told it, and that must not stop our account.
ENHANCED: dict[str, Meaning] = {
    "5.7.3": _LOGIN, "5.7.8": _LOGIN, "5.7.9": _LOGIN, "5.7.14": _LOGIN, "5.7.139": _LOGIN,
    # RFC 4954: authentication required; Microsoft: client was not authenticated.
    "5.7.0": _LOGIN, "5.7.57": _LOGIN,
    # Microsoft, from 2027: "Basic authentication is not supported for Client Submission".
    "5.7.30": _NO_BASIC,
    # Microsoft: SendAsDenied.
    "5.7.60": _NOT_ALLOWED,
    # Google: daily limit. Microsoft: daily recipients, and what a submission may hold.
    "5.4.5": _LIMIT, "5.1.90": _LIMIT, "5.2.252": _LIMIT,
}  # fmt: skip
# Everywhere: the server knows no such mailbox, or it is closed.
_NO_MAILBOX = re.compile(r"5\.1\.\d+|5\.2\.1")
_MAILBOX_CODES = frozenset({550, 551, 553, 556})


def refusal(stage: Stage, code: int, text: str) -> SendError:
    """What an answer of the server other than yes means."""
    found = re.match(r"\s*([245]\.\d{1,3}\.\d{1,3})\b", text)
    enhanced = found.group(1) if found else ""
    meaning = _meaning(stage, code, enhanced)
    told = one_line(text)[:200]
    detail = f"{meaning.text}. Servidor: {told}" if told else meaning.text
    name = f"SMTP {code} {stage}"
    return Retry(detail, name, after=meaning.after) if meaning.kind is Retry else meaning.kind(detail, name)


def _meaning(stage: Stage, code: int, enhanced: str) -> Meaning:
    if not 500 <= code <= 599:
        return _LATER
    if stage == "recipient":
        if code in (530, 535):
            return _LOGIN
        if enhanced in ("5.4.5", "5.1.90"):
            return _LIMIT
        closed = _NO_MAILBOX.fullmatch(enhanced) or (code in _MAILBOX_CODES and not enhanced.startswith("5.7."))
        return _GONE if closed else _MAIL
    if enhanced in ENHANCED:
        return ENHANCED[enhanced]
    if stage == "content":
        return _GONE if _NO_MAILBOX.fullmatch(enhanced) else _MAIL
    return _LOGIN if stage == "login" or code in (530, 535) else _US


Clock: TypeAlias = Callable[[], float]


class SmtpClient:
    """Sends mails of one address, over a connection that is kept for the next one.

    ``timeout``, in seconds: a whole ``send`` takes three and a half times that at most. ``tls``: whom to trust, in tests.
    """

    def __init__(
        self, server: Server, login: Credentials, *, sender: str, timeout: float = 10.0, tls: ssl.SSLContext | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._server = server
        self._login_as = login
        self._sender = sender
        self._timeout = timeout
        self._tls = tls
        self._clock = clock
        self._lock = asyncio.Lock()
        self._client: SMTP | None = None
        self._used_at = 0.0

    async def send(self, mail: Mail) -> None:
        """Hand one mail to our server. Raises ``SendError``."""
        async with self._turn():
            client = await self._before_content(self._offer(mail))
            await self._hand_over(client, mail.content)

    async def probe(self) -> None:
        """Connect and log in, and send nothing. Raises ``SendError``."""
        async with self._turn():
            await self._before_content(self._connection())

    async def close(self) -> None:
        """Say goodbye."""
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.quit(timeout=1.0)
            except (SMTPException, OSError):
                pass  # it is gone already
            client.close()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._lock.acquire(), 0.5 * self._timeout)
        except asyncio.TimeoutError:
            raise Retry("Otros correos están saliendo todavía", after=self._timeout) from None
        try:
            yield
        finally:
            self._used_at = self._clock()
            self._lock.release()

    async def _before_content(self, work: Awaitable[SMTP]) -> SMTP:
        """Do what may be repeated: as long as the content has not begun, nothing was sent."""
        try:
            return await asyncio.wait_for(work, 1.5 * self._timeout)
        except (SMTPException, OSError, asyncio.TimeoutError) as error:
            self._drop()
            cause = error.__cause__ or error
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise NeedsOperator(_CERTIFICATE, type(cause).__name__) from error
            raise Retry(_NO_ANSWER, type(cause).__name__) from error
        except asyncio.CancelledError:
            # In the middle of a conversation.
            self._drop()
            raise

    async def _offer(self, mail: Mail) -> SMTP:
        """Name sender and recipient, and be told to go on with the content."""
        client = await self._connection()
        options = ["SMTPUTF8"] if mail.utf8 else []
        if mail.utf8 and not client.supports_extension("smtputf8"):
            raise Unreachable(_NO_UTF8)
        encoding = "utf-8" if mail.utf8 else "ascii"
        await _asked("sender", client.mail(self._sender, options=options, encoding=encoding))
        await _asked("recipient", client.rcpt(mail.recipient, encoding=encoding))
        answer = await client.execute_command(b"DATA")
        if answer.code != 354:
            raise refusal("content", answer.code, answer.message)
        return client

    async def _hand_over(self, client: SMTP, content: bytes) -> None:
        """Give the content. From its first byte on, no answer means that nobody knows."""
        try:
            answer = await self._content_answer(client, content)
        except (SMTPException, OSError, asyncio.CancelledError) as error:
            self._drop()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise OutcomeUnknown(_LOST, type(error).__name__) from error
        if answer.code >= 400:
            raise refusal("content", answer.code, answer.message)
        if not 200 <= answer.code <= 299:
            self._drop()
            raise OutcomeUnknown(_LOST, f"SMTP {answer.code}")

    async def _content_answer(self, client: SMTP, content: bytes) -> SMTPResponse:
        if client.protocol is None:
            raise SMTPServerDisconnected("connection lost")
        # RFC 5321 4.5.2: a dot at the start of a line is doubled, one alone ends the mail.
        client.protocol.write(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
        return await client.protocol.read_response(timeout=1.5 * self._timeout)

    # --- connection ----------------------------------------------------------------------------------------------------

    async def _connection(self) -> SMTP:
        """The connection of the last mail where it is still good, else a new one, logged in."""
        client = self._client
        if client is not None and client.is_connected and self._clock() - self._used_at <= IDLE_SECONDS:
            try:
                # As good as NOOP, and clears what a refused mail left behind.
                await client.rset()
                return client
            except (SMTPException, OSError):
                pass  # it was closed on us meanwhile
        self._drop()
        tokens = self._login_as.tokens
        if tokens is None:
            return await self._open(None)
        token = await tokens.get()
        try:
            return await self._open(token)
        except NeedsOperator as error:
            if error.code is None or not error.code.endswith(" login"):
                raise
            # It may have been taken back before its end: once more with another one, on a connection of its own.
            return await self._open(await tokens.get(refused=token))

    async def _open(self, token: str | None) -> SMTP:
        server = self._server
        client = SMTP(
            hostname=server.host, port=server.port, use_tls=server.tls == "implicit", start_tls=False, timeout=self._timeout,
            tls_context=self._tls, local_hostname=self._sender.partition("@")[2],
        )
        try:
            await _asked("connect", client.connect())
            await _asked("hello", client.ehlo())
            if server.tls == "starttls":
                if not client.supports_extension("starttls"):
                    raise NeedsOperator(_NO_TLS, "SMTP starttls")
                await _asked("starttls", client.starttls())
                await _asked("hello", client.ehlo())
            await self._login(client, token)
        except BaseException:
            # A cancellation, too: no connection may be left behind.
            client.close()
            raise
        self._client = client
        return client

    async def _login(self, client: SMTP, token: str | None) -> None:
        user, password = self._login_as.user, self._login_as.password
        offered = client.server_auth_methods
        if token is not None and "xoauth2" in offered:
            await _asked("login", client.auth_xoauth2(user, token))
        elif token is None and not password:
            return
        elif token is None and "plain" in offered:
            await _asked("login", client.auth_plain(user, password))
        elif token is None and "login" in offered:
            await _asked("login", client.auth_login(user, password))
        else:
            raise NeedsOperator(_NO_METHOD, "SMTP auth")

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


async def _asked(stage: Stage, step: Awaitable[SMTPResponse]) -> SMTPResponse:
    """One step of the conversation. Raises ``SendError`` where the server says no."""
    try:
        return await step
    except SMTPResponseException as error:
        if error.code < 400:
            raise  # not SMTP: what follows could be anything
        raise refusal(stage, error.code, error.message) from error
