"""Real mail servers for tests: SMTP in this process, refusing on demand, and a certificate that our clients may trust."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.email.settings import Server, Tls

HOST = "127.0.0.1"
USER, PASSWORD, TOKEN = "hola@acme.test", "una clave: con / y @", "token-bueno"

# What a server does instead of answering.
HANG_UP, SILENCE = object(), object()


@dataclass(frozen=True)
class Certificate:
    """A certificate for this machine that nobody else trusts."""

    file: Path
    key: Path

    def of_server(self) -> ssl.SSLContext:
        """What a server shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context

    def of_client(self) -> ssl.SSLContext:
        """A client that trusts it, and checks the name."""
        return ssl.create_default_context(cafile=str(self.file))


def make_certificate(folder: Path, *names: str) -> Certificate:
    """Write a new certificate into a folder, for this machine and these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    alternatives = [x509.IPAddress(ipaddress.ip_address(HOST)), *map(x509.DNSName, names)]
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    made = Certificate(folder / "mail.pem", folder / "mail.key")
    made.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    return made


@dataclass
class Taken:
    """A mail that the server took."""

    mail_from: str
    rcpt_to: list[str]
    content: bytes


@dataclass
class SmtpServer:
    """What the server does, and what it saw.

    ``script``: for a command (or ``greeting``, or ``content`` for what follows the final dot) the answers of the next times:
    a line, ``HANG_UP`` or ``SILENCE``. ``heard``: every byte of the clients, as it came out of TLS.
    """

    port: int = 0
    tls: Tls = "none"
    user: str = USER
    script: defaultdict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    mails: list[Taken] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    connections: int = 0
    good_tokens: set[str] = field(default_factory=lambda: {TOKEN})
    take_utf8: bool = True
    sessions: list[_Conversation] = field(default_factory=list)

    @property
    def address(self) -> Server:
        """Where a client finds it."""
        return Server(host=HOST, port=self.port, tls=self.tls)

    def answer(self, command: str, *answers: Any) -> None:
        """Answer so the next times that this command comes."""
        self.script[command].extend(answers)

    def commands(self) -> list[str]:
        """The first words of all lines outside of mails."""
        return [line.split(b" ")[0].decode() for line in bytes(self.heard).split(b"\r\n") if line.isascii()]

    def hang_up(self) -> None:
        """Close every connection, as a server that is restarted."""
        for session in self.sessions:
            if session.transport is not None:
                session.transport.abort()


class _Handler:
    """Takes the mails."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(smtp, _Conversation)
        scripted = await smtp.scripted("content")
        if scripted is not None:
            return scripted
        assert isinstance(envelope.content, bytes)
        self._server.mails.append(Taken(envelope.mail_from or "", envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 taken"

    async def auth_XOAUTH2(self, smtp: SMTP, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        """As Google does: wrong tokens get a challenge with the error, and the refusal after an empty line."""
        good = {xoauth2(self._server.user, token) for token in self._server.good_tokens}
        if len(args) == 2 and args[1] in good:
            return AuthResult(success=True)
        await smtp.challenge_auth(json.dumps({"status": "400", "schemes": "Bearer"}))
        return AuthResult(success=False, handled=False)


class _Conversation(SMTP):
    """One connection. Every command may be answered by the script."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext | None, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            _Handler(server), hostname="mail.test", ident="test", enable_SMTPUTF8=server.take_utf8, tls_context=tls,
            auth_require_tls=False, authenticator=self._check_password, loop=loop,
        )  # fmt: skip
        self._server = server
        server.sessions.append(self)
        for name, method in list(self._smtp_methods.items()):
            self._smtp_methods[name] = partial(self._command, name, method)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.transport is None:
            self._server.connections += 1
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._server.heard += data
        super().data_received(data)

    async def scripted(self, command: str) -> str | None:
        """The next answer of the script; None where it has none."""
        if not self._server.script[command]:
            return None
        answer = self._server.script[command].popleft()
        if answer is HANG_UP:
            assert self.transport is not None
            self.transport.abort()  # type: ignore[attr-defined]
        if not isinstance(answer, str):
            # Until the connection is gone, which cancels this.
            await self.loop.create_future()
        return str(answer)

    async def _handle_client(self) -> None:
        answer = await self.scripted("greeting")
        if answer is None:
            await super()._handle_client()
            return
        await self.push(answer)
        assert self.transport is not None
        self.transport.close()

    async def _command(self, name: str, method: Callable[[str], Awaitable[None]], argument: str) -> None:
        answer = await self.scripted(name)
        if answer is not None:
            await self.push(answer)
        else:
            await method(argument)

    def _check_password(self, smtp: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=login == LoginPassword(self._server.user.encode(), PASSWORD.encode()), handled=False)


def xoauth2(user: str, token: str) -> str:
    """The initial response of XOAUTH2 (Google's and Microsoft's definition), base64."""
    return base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()


@asynccontextmanager
async def smtp_server(tls: Tls = "none", certificate: Certificate | None = None, **changes: Any) -> AsyncIterator[SmtpServer]:
    """A server in this process; its commands are answered as usual until a script says otherwise."""
    server = SmtpServer(tls=tls, **changes)
    loop = asyncio.get_running_loop()
    context = certificate.of_server() if certificate else None
    listening = await loop.create_server(
        lambda: _Conversation(server, context if tls == "starttls" else None, loop), HOST, 0,
        ssl=context if tls == "implicit" else None,
    )  # fmt: skip
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        server.hang_up()
        await listening.wait_closed()
