"""Mailboxes on real IMAP servers. Another kind of server is one more line in KINDS."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pytest

from connectors.email.settings import Server
from tests.support.dovecot import MISSING, SENT, Dovecot, find_dovecot
from tests.support.mail_servers import Certificate

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
KINDS: dict[str, Callable[[], Iterator[Callable[[], MailboxServer]]]] = {"dovecot": _dovecot}


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
    """Say at the very end that a part of the promise was not tested."""
    if find_dovecot() is None:
        terminalreporter.section("NOT TESTED: a real IMAP server", sep="!", red=True, bold=True)
        terminalreporter.line(MISSING, red=True)
