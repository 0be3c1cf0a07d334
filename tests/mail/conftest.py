"""Mailboxes on real IMAP servers. Another kind of server is one more line in KINDS."""

from __future__ import annotations

import imaplib
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import httpx
import pytest

from connectors.email.settings import Server, server
from connectors.message import Json
from simulator.bot import ForBot
from tests.support.dovecot import MISSING, SENT, Dovecot, find_dovecot
from tests.support.mail_servers import PASSWORD, Certificate
from tests.support.stack import simulated

_USERS = itertools.count(1)


class MailboxServer(Protocol):
    """One mailbox on a server of its own kind. ``can``: what this kind is able to do beside the first methods."""

    can: frozenset[str]
    host: str
    port: int
    user: str
    password: str
    sent: str
    address: Server

    def append(self, folder: str, raw: bytes, received_at: datetime | None = None) -> None:
        """Put a mail into a folder, as a delivery or another mail program does."""

    def flags(self, folder: str) -> list[str]:
        """The flags of each mail of a folder."""

    def sessions(self) -> tuple[int, int]:
        """How often somebody has logged in to this mailbox, and has gone again."""

    def kill(self) -> None:
        """End the server in the middle of whatever it does (``can`` "restart")."""

    def start(self) -> None:
        """Start it again."""

    def renumber(self, folder: str) -> None:
        """Give the folder another UIDVALIDITY and its mails new numbers (``can`` "renumber")."""

    def spoil(self, folder: str, position: int) -> None:
        """Make a mail, counted from 0, unreadable for the server itself (``can`` "spoil")."""

    tls_port: int
    certificate: Certificate
    token_port: int


class DovecotMailbox:
    """A mailbox of a user of its own on the one Dovecot of the run."""

    can = frozenset({"restart", "renumber", "spoil", "tls", "xoauth2"})
    sent = SENT

    def __init__(self, server: Dovecot) -> None:
        self._server = server
        self.user = f"buzon{next(_USERS)}@acme.test"
        self.host, self.port, self.password = server.host, server.port, server.password
        self.tls_port, self.token_port, self.certificate = server.tls_port, server.token_port, server.certificate
        self.address = server.address
        self.kill, self.start = server.kill, server.start

    def append(self, folder: str, raw: bytes, received_at: datetime | None = None) -> None:
        """See ``MailboxServer``."""
        self._server.append(self.user, folder, raw, received_at)

    def flags(self, folder: str) -> list[str]:
        """See ``MailboxServer``."""
        return self._server.flags(self.user, folder)

    def sessions(self) -> tuple[int, int]:
        """See ``MailboxServer``."""
        log = self._server.log()
        return log.count(f"Login: user=<{self.user}>"), len(re.findall(rf"imap\({re.escape(self.user)}\).*Disconnected", log))

    def renumber(self, folder: str) -> None:
        """See ``MailboxServer``."""
        self._server.renumber(self.user, folder)

    def spoil(self, folder: str, position: int) -> None:
        """See ``MailboxServer``."""
        self._server.spoil(self.user, folder, position)


class SimulatorMailbox:
    """The mailbox of a simulator, as new: the same promises where no other server can be had."""

    can = frozenset({"renumber"})
    sent = "Sent"

    def __init__(self, platforms: ForBot) -> None:
        self._http = httpx.Client(base_url=platforms.address, trust_env=False, timeout=30)
        self._ask("POST", "/sim/reset")
        config = platforms.config
        self.host, self.port, self.user, self.password = "127.0.0.1", config.imap_port, config.mail_login, config.mail_password
        self.address = server(f"imap://{self.host}:{self.port}")
        self._logins = 0

    def append(self, folder: str, raw: bytes, received_at: datetime | None = None) -> None:
        """See ``MailboxServer``."""
        with imaplib.IMAP4(self.host, self.port) as other_program:
            other_program.login(self.user, self.password)
            self._logins += 1
            moment = imaplib.Time2Internaldate(received_at) if received_at else ""
            answer, told = other_program.append(folder, "", moment, raw)
            assert answer == "OK", told

    def flags(self, folder: str) -> list[str]:
        """See ``MailboxServer``."""
        return [" ".join(message["flags"]) for message in self._ask("GET", f"/sim/mailbox/{folder}")["messages"]]

    def sessions(self) -> tuple[int, int]:
        """See ``MailboxServer``."""
        counted = self._ask("GET", "/sim/stats")["imap"]
        return counted["logins"] - self._logins, counted["ended"] - self._logins

    def renumber(self, folder: str) -> None:
        """See ``MailboxServer``."""
        self._ask("POST", "/sim/mail/uidvalidity", {"folder": folder})

    def _ask(self, method: str, path: str, body: Json = None) -> Json:
        answer = self._http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    def close(self) -> None:
        """Leave the simulator."""
        self._http.close()


def _simulator() -> Iterator[Callable[[], MailboxServer]]:
    with ExitStack() as opened:
        folder = opened.enter_context(TemporaryDirectory(prefix="mailbox-"))
        platforms = opened.enter_context(simulated(Path(folder), mail_password=PASSWORD))

        def make() -> MailboxServer:
            mailbox = SimulatorMailbox(platforms)
            opened.callback(mailbox.close)
            return mailbox

        yield make


def _dovecot() -> Iterator[Callable[[], MailboxServer]]:
    root: Path | None = find_dovecot()
    if root is None:
        pytest.skip(MISSING)
    server = Dovecot(root)
    try:
        yield lambda: DovecotMailbox(server)
    finally:
        server.close()


# Each starts its server, gives a function that makes mailboxes on it, and ends it.
KINDS: dict[str, Callable[[], Iterator[Callable[[], MailboxServer]]]] = {
    "dovecot": _dovecot, "simulator": _simulator,
}  # fmt: skip


@pytest.fixture(scope="session", params=sorted(KINDS))
def make_mailbox(request: pytest.FixtureRequest) -> Iterator[Callable[[], MailboxServer]]:
    """Make mailboxes on a server of each kind."""
    yield from KINDS[request.param]()


@pytest.fixture
def mailbox_server(make_mailbox: Callable[[], MailboxServer]) -> MailboxServer:
    """A fresh mailbox. A test that needs what not every kind can do begins with ``needs``."""
    return make_mailbox()


def needs(server: MailboxServer, *abilities: str) -> None:
    """Skip the test where this kind of server cannot do what it takes."""
    missing = set(abilities) - server.can
    if missing:
        pytest.skip(f"{type(server).__name__} cannot {', '.join(sorted(missing))}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the very end which servers the mailbox was tested on, and which not."""
    if not any("tests/mail" in report.nodeid for report in terminalreporter.stats.get("passed", [])):
        return
    terminalreporter.line(f"mailbox tested on: {', '.join(kind for kind in KINDS if kind != 'dovecot' or find_dovecot())}")
    if find_dovecot() is None:
        terminalreporter.section("NOT TESTED: a real IMAP server", sep="!", red=True, bold=True)
        terminalreporter.line(MISSING, red=True)
