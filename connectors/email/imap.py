"""One IMAP connection: read a folder without changing anything in it, and hear of new mail. Blocking; lives in a thread."""

from __future__ import annotations

import asyncio
import imaplib
import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import TypeVar

from imap_tools.errors import ImapToolsError
from imap_tools.mailbox import BaseMailBox

from connectors.email.settings import Server

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
# Until then nobody can end the wait.
CONNECT_SECONDS = 10.0
_NOT_THERE = "the connection is closed"
_Result = TypeVar("_Result")


class MailboxError(Exception):
    """What went wrong with a mailbox."""


class MailboxAway(MailboxError):
    """No connection, or none any more: try again later."""


class LoginRefused(MailboxError):
    """The server does not let us in: wrong user, password or token."""


class MailboxRefused(MailboxError):
    """The server says no to one command, and is still there."""


@dataclass(frozen=True, slots=True)
class Position:
    """A folder's state. ``uidvalidity``: another one means that all numbers are new. ``next_uid``: of the next mail."""

    uidvalidity: int
    next_uid: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A mail before it is fetched: ``size`` in bytes, ``received_at`` by the server's clock (UTC)."""

    uid: int
    size: int
    received_at: datetime | None


class _Imap(imaplib.IMAP4):
    """The standard library's client on a socket that is there already."""

    def __init__(self, connected: socket.socket, timeout: float) -> None:
        self._connected = connected
        super().__init__(timeout=timeout)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._connected


class _Client(BaseMailBox):
    """imap-tools' mailbox over a connection that is protected as its server demands.

    ``opened`` is told of every socket before anything is waited for on it, so that another thread can end the wait.
    """

    def __init__(
        self, server: Server, timeout: float, tls: ssl.SSLContext | None, opened: Callable[[socket.socket], None]
    ) -> None:
        self._server = server
        self._timeout = timeout
        self._tls = tls
        self._opened = opened
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        host = self._server.host
        context = None if self._server.tls == "none" else self._tls or ssl.create_default_context()
        connected = socket.create_connection((host, self._server.port), min(self._timeout, CONNECT_SECONDS))
        connected.settimeout(self._timeout)
        # A line that dies without a word is found out.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            self._opened(connected)
            if context is not None and self._server.tls == "implicit":
                connected = wrapped = context.wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
                self._opened(connected)
                wrapped.do_handshake()
            client = _Imap(connected, self._timeout)
            # Needed to check the certificate's name.
            client.host = host
        except BaseException:
            # A cancellation, too: no connection may be left behind.
            connected.close()
            raise
        if context is not None and self._server.tls == "starttls":
            try:
                # Raises where the server does not offer it: nothing secret goes over an open line.
                client.starttls(context)
                self._opened(client.sock)
            except BaseException:
                # A cancellation, too: no connection may be left behind.
                client.shutdown()
                raise
        return client


class Mailbox:
    """One connection to one mailbox. All methods block and raise ``MailboxError``; only ``abort`` may come from elsewhere."""

    def __init__(self, server: Server, *, timeout: float = 30.0, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._timeout = timeout
        self._tls = tls
        self._box: BaseMailBox | None = None
        self._socket: socket.socket | None = None
        self._aborted = threading.Event()

    def open(self, user: str, password: str, token: str | None = None) -> None:
        """Connect and log in, with the password or with an OAuth access token. Raises ``LoginRefused``, too."""
        with _told():
            self._box = box = _Client(self._server, self._timeout, self._tls, self._opened)
            self._check()
            try:
                _login(box, user, password, token)
            except imaplib.IMAP4.abort:
                raise
            except (imaplib.IMAP4.error, ImapToolsError) as error:
                raise LoginRefused(_server_words(error)) from None

    def sent_folder(self, configured: str = "") -> str | None:
        """The folder of sent mail: the configured one, else the one marked so (RFC 6154); None where there is none."""
        with _told():
            folders = self._there().folder.list()
        if configured:
            return next((folder.name for folder in folders if folder.name == configured), None)
        return next((f.name for f in folders if "\\sent" in (flag.lower() for flag in f.flags)), None)

    def examine(self, folder: str) -> Position:
        """Go to a folder, to read only."""
        with _told():
            box = self._there()
            box.folder.set(folder, readonly=True)
            uidvalidity = _number(box.client.response("UIDVALIDITY"))
            next_uid = _number(box.client.response("UIDNEXT"))
        if uidvalidity is None:
            raise MailboxRefused("the server gives its folder no UIDVALIDITY")
        if next_uid is None:
            next_uid = max(self.uids_from(1), default=0) + 1
        return Position(uidvalidity, next_uid)

    def uids_from(self, first: int) -> list[int]:
        """The mails of the folder from this number on, oldest first."""
        # RFC 3501 6.4.8: "n:*" always holds the highest number, even if it is below n.
        return [uid for uid in self._search(f"UID {first}:*") if uid >= first]

    def uids_since(self, day: date) -> list[int]:
        """The mails that the server got on this day or later, oldest first."""
        return self._search(f"SINCE {day.day}-{_MONTHS[day.month - 1]}-{day.year}")

    def outline(self, uids: Sequence[int]) -> list[Outline]:
        """Sizes and times of these mails; those that are gone are left out."""
        found = (_outline(line) for line in self._fetch(uids, "(UID RFC822.SIZE INTERNALDATE)"))
        return sorted((one for one in found if one is not None), key=lambda one: one.uid)

    def fetch(self, uid: int, limit: int | None = None) -> bytes | None:
        """A mail, or its beginning up to ``limit`` bytes; None where it is gone. Its flags stay as they are."""
        # BODY[] without PEEK would mark it as read.
        part = "BODY.PEEK[]" if limit is None else f"BODY.PEEK[]<0.{limit}>"
        answers = self._fetch([uid], f"(UID {part})")
        for answer in answers:
            if isinstance(answer, tuple) and b"BODY[]" in answer[0].upper():
                return answer[1]
        named = [_UID.search(answer) for answer in answers if isinstance(answer, bytes)]
        if uid in [int(found[1]) for found in named if found]:
            raise MailboxRefused("the server names the mail and does not give it")
        return None

    def start_idle(self) -> bool:
        """Ask to be told of new mail (RFC 2177). True: there is news already; end it and look."""
        with _told():
            box = self._there()
            if "IDLE" not in box.client.capabilities:
                return False
            box.idle.start()  # type: ignore[no-untyped-call]  # imap-tools annotates only in part
            # What came between the last look and now, with the answer to another command or to this one.
            return "EXISTS" in box.client.untagged_responses or self._has_unread(box)

    def stop_idle(self) -> None:
        """End it, and take what was told."""
        with _told():
            box = self._there()
            if "IDLE" in box.client.capabilities:
                box.idle.stop()  # type: ignore[no-untyped-call]  # imap-tools annotates only in part
            else:
                box.client.noop()

    def fileno(self) -> int:
        """The socket to watch meanwhile."""
        with _told():
            return int(self._there().client.sock.fileno())

    def abort(self) -> None:
        """Wake whatever waits for the server, from any thread; it ends with ``MailboxAway``."""
        self._aborted.set()
        if self._socket is not None:
            try:
                # Not SSLSocket's own, which changes what the other thread is working with.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                pass  # it was closed already

    def close(self) -> None:
        """Give the connection up; safe to repeat."""
        box, self._box = self._box, None
        if box is not None:
            try:
                box.client.shutdown()
            except OSError:
                pass  # it was closed already

    def _opened(self, connected: socket.socket) -> None:
        self._socket = connected
        self._check()

    def _there(self) -> BaseMailBox:
        self._check()
        if self._box is None:
            raise MailboxAway(_NOT_THERE)
        return self._box

    def _check(self) -> None:
        if self._aborted.is_set():
            raise MailboxAway(_NOT_THERE)

    def _search(self, criteria: str) -> list[int]:
        with _told():
            box = self._there()
            # Mail that is announced from here on may be missing in the answer: `start_idle` asks for it.
            box.client.response("EXISTS")
            return sorted(map(int, box.uids(criteria, charset=None)))

    def _fetch(self, uids: Sequence[int], parts: str) -> list[bytes | tuple[bytes, bytes]]:
        with _told():
            status, answers = self._there().client.uid("FETCH", ",".join(map(str, uids)), parts)
        if status != "OK":
            raise MailboxRefused(f"FETCH: {status}")
        return [answer for answer in answers if isinstance(answer, (bytes, tuple))]

    def _has_unread(self, box: BaseMailBox) -> bool:
        client = box.client
        client.sock.settimeout(0)
        try:
            return isinstance(client.file, io.BufferedReader) and bool(client.file.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            client.sock.settimeout(self._timeout)


class MailboxThread:
    """The thread that a mailbox lives in."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="imap")

    async def do(self, step: Callable[..., _Result], *arguments: object) -> _Result:
        """Run one of the mailbox's methods."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, step, *arguments)

    def close(self) -> None:
        """Wake the thread and let it end by itself; does not wait."""
        self.mailbox.abort()
        self._thread.submit(self.mailbox.close)
        self._thread.shutdown(wait=False)


def _login(box: BaseMailBox, user: str, password: str, token: str | None) -> None:
    if token is not None:
        words = f"user={user}\1auth=Bearer {token}\1\1".encode()
        # A second challenge is the error in JSON, and wants an empty line before the server says no.
        box.client.authenticate("XOAUTH2", lambda challenge: b"" if challenge else words)
    elif user.isascii() and password.isascii():
        box.login(user, password, initial_folder=None)
    else:
        box.login_utf8(user, password, initial_folder=None)


@contextmanager
def _told() -> Iterator[None]:
    """Say what imaplib, imap-tools and the socket raise in our words."""
    try:
        yield
    except (imaplib.IMAP4.abort, OSError, EOFError) as error:
        raise MailboxAway(f"{type(error).__name__}: {error}"[:200]) from error
    except (imaplib.IMAP4.error, ImapToolsError) as error:
        raise MailboxRefused(_server_words(error)) from error


def _server_words(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _number(response: tuple[str, list[object]]) -> int | None:
    values = [value for value in response[1] if isinstance(value, bytes) and value.isdigit()]
    return int(values[-1]) if values else None


def _outline(answer: bytes | tuple[bytes, bytes]) -> Outline | None:
    line = answer if isinstance(answer, bytes) else b" ".join(answer)
    uid, size = _UID.search(line), _SIZE.search(line)
    if uid is None or size is None:
        return None
    found = imaplib.Internaldate2tuple(line)
    received = datetime.fromtimestamp(time.mktime(found), timezone.utc) if found else None
    return Outline(int(uid[1]), int(size[1]), received)
