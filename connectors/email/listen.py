"""Keep watch over the mailbox: one process at a time, through lost connections, an absent server and an absent database."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime

from connectors.email.envelope import Ours
from connectors.email.fetch import FolderReader, Parse, Troubles
from connectors.email.imap import LoginRefused, Mailbox, MailboxRefused, MailboxThread
from connectors.email.oauth import Credentials
from connectors.email.settings import Server
from connectors.message import AnyEvent, Echo, NeedsOperator
from connectors.platform import Desk
from omnicrm.tasks import end, within

logger = logging.getLogger(__name__)

# RFC 2177 allows 29 minutes. But a line may be dead without a word, a server may forget to tell, and what a person answers
# from the mailbox is only seen when we look.
IDLE_SECONDS = 15.0
LEASE_SECONDS = 30.0
TIMEOUT_SECONDS = 30.0
LET_GO_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
# So long an answer waits for a look at what a person has sent meanwhile.
LOOK_SECONDS = 5.0
# A server that refuses the login is not asked every second: it would lock the account.
LOGIN_PAUSE_SECONDS, LONGEST_LOGIN_PAUSE_SECONDS = 30.0, 600.0


class LeaseLost(Exception):
    """Another process has the mailbox, or the database does not say who."""


class MailListener:
    """Fetches one mailbox's inbox and, where there is one, its folder of sent mail."""

    def __init__(
        self,
        server: Server,
        login: Credentials,
        ours: Ours,
        parse: Parse,
        clock: Callable[[], datetime],
        *,
        sent_folder: str = "",
        tls: ssl.SSLContext | None = None,
        idle_seconds: float = IDLE_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        timeout: float = TIMEOUT_SECONDS,
        random_number: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._server = server
        self._login = login
        self._ours = ours
        self._parse = parse
        self._clock = clock
        self.sent_folder = sent_folder
        self._tls = tls
        self._idle_seconds = idle_seconds
        self._lease_seconds = lease_seconds
        self._timeout = timeout
        self._random = random_number
        self._sleep = sleep
        self._failures = 0
        self._troubles: Troubles = {}
        self._news = asyncio.Event()
        # Looks at the sent mail, begun and ended; `_round` tells that one ended, or that there will be none.
        self._watching, self._begun, self._ended = False, 0, 0
        self._round = asyncio.Event()
        self._answers: Counter[str] = Counter()

    async def person_answers(self, customer: str) -> bool:
        """Look at the sent mail now: whether a person has just written to this customer (``Address.key``).

        False where nobody looks here: no such folder, no connection, or another process has the mailbox.
        """
        before = self._answers[customer]
        try:
            await asyncio.wait_for(self._looked(), LOOK_SECONDS)
        except asyncio.TimeoutError:
            logger.warning("sent mail not looked at in time action=send account=%s", self._ours.address)
        return self._answers[customer] != before

    async def _looked(self) -> None:
        wanted = self._begun + 1
        self.look()
        while self._watching and self._ended < wanted:
            await self._round.wait()

    def _end_round(self) -> None:
        self._ended = self._begun
        self._round.set()
        self._round = asyncio.Event()

    def _notice(self, events: Sequence[AnyEvent]) -> None:
        """Remember who was written to by a person: what we send ourselves names its message."""
        self._answers.update(e.address.key for e in events if isinstance(e, Echo) and e.address and e.reference is None)

    def look(self) -> None:
        """Look at the folders soon: something was sent."""
        self._news.set()

    async def run(self, desk: Desk) -> None:
        """Fetch until cancelled; then the connection is closed at once."""
        while True:
            await self._sleep(await self._try(desk))

    async def _try(self, desk: Desk) -> float:
        """Fetch as long as it goes well; return the seconds to wait before the next time."""
        try:
            if await self._lease(desk):
                try:
                    await self._hold(desk)
                finally:
                    await self._let_go(desk)
            return self._lease_seconds / 3 * (0.5 + self._random() / 2)
        except Exception as error:
            # A boundary of the process: whatever happens to the mailbox or the database, we come back.
            self._failures += 1
            logger.warning(
                "mailbox left action=listen account=%s failures=%s error=%s: %s",
                self._ours.address, self._failures, type(error).__name__, error,
            )  # fmt: skip
            return pause(self._failures, error, self._random())

    async def _lease(self, desk: Desk) -> bool:
        return await desk.lease(self._lease_name, self._lease_seconds)

    async def _let_go(self, desk: Desk) -> None:
        """Give the mailbox back at once: a bot that is restarted would wait for the end of its own lease."""
        with suppress(Exception):  # it ends by itself
            await asyncio.wait_for(desk.lease(self._lease_name, 0.0), LET_GO_SECONDS)

    @property
    def _lease_name(self) -> str:
        return f"mail:{self._ours.address}"

    async def _hold(self, desk: Desk) -> None:
        """Work as long as the mailbox is ours alone."""
        tasks = [asyncio.create_task(self._renew(desk)), asyncio.create_task(self._work(desk))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(tasks)
        for task in done:
            task.result()

    async def _renew(self, desk: Desk) -> None:
        # An answer that is two thirds of a lease late still comes before another process may begin.
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            if not await within(self._lease_seconds / 3, self._lease(desk)):
                raise LeaseLost("another process has the mailbox")

    async def _work(self, desk: Desk) -> None:
        line = await self.connect()
        try:
            sent = await line.do(line.mailbox.sent_folder, self.sent_folder)
            reader = FolderReader(line, desk, self._ours, self._parse, self._clock, self._troubles, self._notice)
            self._watching = sent is not None
            logger.info("mailbox open action=listen account=%s sent_folder=%s", self._ours.address, sent)
            while True:
                await self._cycle(line, reader, sent)
                self._failures = 0
        finally:
            self._watching = False
            self._end_round()
            line.close()

    async def _cycle(self, line: MailboxThread, reader: FolderReader, sent: str | None) -> None:
        """Look at both folders, then wait for news of the inbox."""
        self._news.clear()
        if sent is not None:
            # First: who was answered by a person must not be answered by the bot as well.
            self._begun += 1
            try:
                await reader.read(sent, "sent")
            except MailboxRefused as error:
                # Customers come first: their mail does not wait for this folder.
                logger.warning("sent mail not read action=listen account=%s error=%s", self._ours.address, error)
            self._end_round()
        await reader.read("INBOX", "inbox")
        told = await line.do(line.mailbox.start_idle)
        if not told:
            await self._wait(line.mailbox.fileno())
        await line.do(line.mailbox.stop_idle)

    async def _wait(self, connection: int) -> None:
        """Until the server says something, ``look`` is called, or it is time to look anyway."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._idle_seconds, self._news.set)
        loop.add_reader(connection, self._news.set)
        try:
            await self._news.wait()
        finally:
            loop.remove_reader(connection)
            timer.cancel()

    async def connect(self) -> MailboxThread:
        """A new connection, logged in. Raises ``MailboxError``, or ``SendError`` where there is no access token."""
        tokens = self._login.tokens
        if tokens is None:
            return await self._open(None)
        token = await tokens.get()
        try:
            return await self._open(token)
        except LoginRefused:
            # It may have been taken back before its end.
            return await self._open(await tokens.get(refused=token))

    async def _open(self, token: str | None) -> MailboxThread:
        line = MailboxThread(Mailbox(self._server, timeout=self._timeout, tls=self._tls))
        try:
            await line.do(line.mailbox.open, self._login.user, self._login.password, token)
        except BaseException:
            # A cancellation, too: no connection may be left behind.
            line.close()
            raise
        return line


def pause(failures: int, error: Exception, jitter: float) -> float:
    """Seconds before the next try: doubling, with jitter in the upper half. ``jitter`` is in [0, 1)."""
    first, longest = 1.0, LONGEST_PAUSE_SECONDS
    if isinstance(error, (LoginRefused, NeedsOperator)):
        first, longest = LOGIN_PAUSE_SECONDS, LONGEST_LOGIN_PAUSE_SECONDS
    return min(longest, first * 2.0 ** min(failures - 1, 10)) * (0.5 + jitter / 2)
