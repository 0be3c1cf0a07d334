"""The submission server: credentials, then MAIL, RCPT and DATA, each of which can go wrong on request."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
from contextlib import suppress
from typing import Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

from simulator.connections import Connections, reset
from simulator.faults import Fault
from simulator.mail.outgoing import submit
from simulator.mail.reading import read
from simulator.state import World
from simulator.traffic import Plan, Traffic

SIZE_LIMIT = 25 * 1024 * 1024
# What a stage says to the faults that speak in the words of other platforms.
_REPLIES = {
    "500": "451 4.3.0 Temporary server error. Please try again later",
    "503": "421 4.3.2 Service not available, closing transmission channel",
    "502": "421 4.4.2 Connection dropped",
    "transient": "451 4.7.1 Greylisted, please try again later",
    "190": "535 5.7.8 Username and Password not accepted",
    "blocked": "550 5.7.1 Message rejected due to content",
    "unknown_recipient": "550 5.1.1 The email account that you tried to reach does not exist",
}
_SLOW_DOWN = "450 4.2.1 The user you are trying to contact is receiving mail at a rate that is too high"


def refusal(fault: Fault) -> str:
    """The reply line of a fault: its own ``code`` (an SMTP reply code) and ``message``, or the usual one of its name."""
    if fault.name == "error":
        return f"{fault.code} {fault.message}"
    return _REPLIES.get(fault.name, _SLOW_DOWN)


class Submission(SMTP):
    """One connection. The greeting can be refused, delayed or never come."""

    event_handler: Handler
    refused: str | None = None  # the reply to every login on this connection

    async def _handle_client(self) -> None:
        handler = self.event_handler
        world = handler.world
        world.counts["smtp", "connections"] += 1
        handler.connections.add(self._writer)
        try:
            line = await handler.strike(self, "smtp_connect")
            if line is not None:
                await self.push(line)
                self._writer.close()
                return
            await super()._handle_client()
        except ConnectionError:
            pass  # the client, or a fault, has cut the line
        finally:
            handler.connections.discard(self._writer)


class Handler:
    """What aiosmtpd asks at every stage; a returned line is the reply."""

    def __init__(self, world: World, traffic: Traffic, connections: Connections) -> None:
        self.world = world
        self.traffic = traffic
        self.connections = connections

    # --- credentials -----------------------------------------------------------------------------------------------------

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """LOGIN and PLAIN."""
        config = self.world.config
        given = isinstance(data, LoginPassword) and (data.login.decode(errors="replace"), data.password)
        right = given and given[0] == config.mail_login and hmac.compare_digest(given[1], config.mail_password.encode())
        return self._judged(bool(right))

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd finds it by this name
        """XOAUTH2, whose refusal comes as a challenge that has to be answered with an empty line."""
        if len(args) == 1:
            response = await server.challenge_auth("")
            if not isinstance(response, bytes):
                return AuthResult(success=False, handled=True)
        else:
            response = decode(args[1])
        if right := xoauth2(response) == (self.world.config.mail_login, self.world.config.mail_access_token):
            return self._judged(right)
        await server.challenge_auth(json.dumps({"status": "400", "schemes": "Bearer", "scope": "https://mail.google.com/"}))
        return self._judged(False)

    def _judged(self, right: bool) -> AuthResult:
        self.world.counts["smtp", "logins"] += right
        return AuthResult(success=right, handled=False, message=None if right else self._reply(_REPLIES["190"]))

    async def handle_AUTH(self, server: Submission, session: Session, envelope: Envelope, args: list[str]) -> Any:  # noqa: N802
        """A fault, or the mechanisms above. A refusal holds for the connection: clients try one mechanism after the other."""
        if server.refused is None:
            server.refused = await self.strike(server, "smtp_auth")
        return MISSING if server.refused is None else server.refused

    # --- the envelope ----------------------------------------------------------------------------------------------------

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Only for those who have logged in, and only in the name of the shop's domain."""
        if not session.authenticated:
            return self._reply("530 5.7.0 Authentication Required")
        if not self.world.mail.is_ours(address):
            return self._reply("553 5.7.1 Sender address rejected: not owned by user")
        line = await self.strike(server, "smtp_mail")
        if line is not None:
            return line
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self._reply("250 2.1.0 OK")

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Every address is taken: what cannot be delivered comes back later."""
        line = await self.strike(server, "smtp_rcpt", address)
        if line is not None:
            return line
        envelope.rcpt_tos.append(address)
        return self._reply("250 2.1.5 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the mail; the faults of a send strike before it is taken, or between that and the reply."""
        raw = envelope.original_content or b""
        recipients, world = tuple(envelope.rcpt_tos), self.world
        first = recipients[0].lower()
        fault = world.faults.take("send", first, "email")
        record = world.remember(self._record(envelope, raw, fault))
        if fault is not None and not fault.accepts:
            line = await self._carried_out(server, fault)
            record.update(status=int(line[:3]), answer=line)
            return line
        if not world.sends["email"].take(world.knobs.send_rate_email):
            record.update(status=450, answer=_SLOW_DOWN)
            return self._reply(_SLOW_DOWN)
        for_bot = submit(world, envelope.mail_from or "", recipients, raw)
        if for_bot:
            self.traffic.webhooks.spawn(self.traffic.send(for_bot, Plan()))
        await asyncio.sleep(world.knobs.latency + (fault.seconds if fault is not None else 0.0))
        if fault is not None and fault.name in ("timeout_after_accept", "reset"):
            record.update(status=None)
            self._cut(server)
        line = self._reply(f"250 2.0.0 OK {len(world.mail.passed)}")
        record.setdefault("status", 250)
        return line

    def _record(self, envelope: Envelope, raw: bytes, fault: Fault | None) -> dict[str, Any]:
        letter = read(raw, self.world.clock.now())
        return {
            "api": "smtp",
            "method": "DATA",
            "path": "",
            "where": "send",
            "user": envelope.rcpt_tos[0].lower(),
            "channel": "email",
            "body": {"envelope_from": envelope.mail_from, "envelope_to": list(envelope.rcpt_tos), **letter.as_json()},
            "fault": fault.name if fault is not None else None,
        }

    # --- faults ----------------------------------------------------------------------------------------------------------

    async def strike(self, server: SMTP, where: str, address: str | None = None) -> str | None:
        """Let a fault of this stage happen; a line is what to answer instead."""
        fault = self.world.faults.take(where, address.lower() if address else None, "email")
        if fault is None:
            return None
        if fault.name == "slow":
            await asyncio.sleep(fault.seconds)
            return None
        return await self._carried_out(server, fault)

    async def _carried_out(self, server: SMTP, fault: Fault) -> str:
        await asyncio.sleep(fault.seconds)
        if fault.name in ("timeout_before_accept", "reset_before_accept", "timeout_after_accept", "reset"):
            self._cut(server)
        return self._reply(refusal(fault))

    def _cut(self, server: SMTP) -> None:
        """Close the connection under the client; nothing more is said."""
        self.world.counts["smtp_reply", "none"] += 1
        reset(server.transport)
        raise ConnectionResetError("cut on request")

    def _reply(self, line: str) -> str:
        self.world.counts["smtp_reply", line[:3]] += 1
        return line


def decode(response: str) -> bytes:
    """Base64 as it comes; nothing where it is none."""
    try:
        return base64.b64decode(response, validate=True)
    except binascii.Error:
        return b""


def xoauth2(response: bytes) -> tuple[str, str]:
    """User and token of an XOAUTH2 response: ``user=…^Aauth=Bearer …^A^A``."""
    fields = dict(part.partition("=")[::2] for part in response.decode("utf-8", "replace").split("\x01") if part)
    return fields.get("user", ""), fields.get("auth", "").removeprefix("Bearer ")


class SmtpServer:
    """The listening server."""

    def __init__(self, world: World, traffic: Traffic) -> None:
        self.connections = Connections()
        self.handler = Handler(world, traffic, self.connections)
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # it logs what is said, and what is wrong on request
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def _connection(self) -> Submission:
        return Submission(
            self.handler,
            hostname=self.handler.world.config.mail_receiver.replace("mx.", "smtp.", 1),
            ident="ESMTP",
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            auth_require_tls=False,  # loopback only
            authenticator=self.handler.authenticate,
            loop=asyncio.get_running_loop(),
        )

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
            self.connections.cut()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 5)
