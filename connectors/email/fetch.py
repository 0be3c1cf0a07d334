"""From a folder to the desk: every mail once, in order, and how far we are. No mail may stop those behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from connectors.email.envelope import Envelope, Ours
from connectors.email.imap import MailboxThread, Outline
from connectors.message import AnyEvent, Json, Unsupported
from connectors.platform import Desk

logger = logging.getLogger(__name__)

Parse: TypeAlias = Callable[[bytes, Envelope, Ours, datetime], Sequence[AnyEvent]]
# What has gone wrong with a mail so far, by (folder, uidvalidity, uid); outlives a connection.
Troubles: TypeAlias = dict[tuple[str, int, int], int]

# So often a mail may fail to be fetched or stored before it is laid aside.
TRIES = 3
BATCH = 50
# With new numbers we begin the day before, in any time zone; what we know already has its key.
LOOK_BACK = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder as it is at the moment."""

    name: str
    role: Literal["inbox", "sent"]
    uidvalidity: int


class FolderReader:
    """Reads folders over one connection. Raises ``MailboxError``, and what the desk raises."""

    def __init__(
        self, line: MailboxThread, desk: Desk, ours: Ours, parse: Parse, clock: Callable[[], datetime], troubles: Troubles,
        notice: Callable[[Sequence[AnyEvent]], None],
    ) -> None:  # fmt: skip
        """``notice`` is told of all that is durable."""
        self._line = line
        self._mailbox = line.mailbox
        self._desk = desk
        self._ours = ours
        self._parse = parse
        self._clock = clock
        self._troubles = troubles
        self._notice = notice
        self._done: dict[str, tuple[int, int]] = {}

    async def read(self, folder: str, role: Literal["inbox", "sent"]) -> None:
        """Take every new mail of a folder, which stays the one that the connection looks at."""
        position = await self._line.do(self._mailbox.examine, folder)
        looked_at = _Folder(folder, role, position.uidvalidity)
        uids = await self._new_mails(looked_at)
        while uids:
            for start in range(0, len(uids), BATCH):
                await self._take_all(looked_at, uids[start : start + BATCH])
            # Mail that came meanwhile was perhaps announced while nobody listened.
            uids = await self._line.do(self._mailbox.uids_from, uids[-1] + 1)
        if self._done.get(folder, (0, 0))[0] != position.uidvalidity:
            # The first look ever, or at new numbers and nothing recent among them.
            await self._remember(looked_at, position.next_uid - 1)

    async def _new_mails(self, folder: _Folder) -> list[int]:
        """The mails to take, oldest first."""
        if folder.name not in self._done:
            found = await self._desk.recall(self._memory(folder))
            if found is None:
                # What lay there before us was not written to a bot.
                return []
            self._done[folder.name] = _progress(found)
        uidvalidity, last = self._done[folder.name]
        if uidvalidity == folder.uidvalidity:
            return await self._line.do(self._mailbox.uids_from, last + 1)
        logger.warning("mail folder has new numbers action=fetch account=%s folder=%s", self._ours.address, folder.name)
        return await self._line.do(self._mailbox.uids_since, (self._clock() - LOOK_BACK).date())

    async def _take_all(self, folder: _Folder, uids: Sequence[int]) -> None:
        outlines = {one.uid: one for one in await self._line.do(self._mailbox.outline, uids)}
        for uid in uids:
            if uid in outlines:
                await self._take(folder, outlines[uid])
            # Else it was deleted or moved since the search.
            await self._remember(folder, uid)

    async def _take(self, folder: _Folder, mail: Outline) -> None:
        """Hand one mail to the desk; it is durable when this returns."""
        mark = (folder.name, folder.uidvalidity, mail.uid)
        if self._troubles.get(mark, 0) >= TRIES:
            events: Sequence[AnyEvent] = [self._laid_aside(folder, mail, "it could not be fetched or stored")]
        else:
            # Counted first: a mail that makes the server hang up must count, too.
            self._troubles[mark] = self._troubles.get(mark, 0) + 1
            events = await self._events(folder, mail)
        try:
            await self._desk.receive(events)
        except Exception:
            # Where the desk does not answer at all, it is not the mail's fault; this raises then.
            self._troubles[mark] = self._troubles.get(mark, 1) - 1
            await self._desk.recall(self._memory(folder))
            self._troubles[mark] += 1
            raise
        self._troubles.pop(mark, None)
        self._notice(events)

    async def _events(self, folder: _Folder, mail: Outline) -> Sequence[AnyEvent]:
        # Of an oversize mail one byte more than we read, so that the parser sees that there is more.
        limit = self._ours.max_bytes + 1 if mail.size > self._ours.max_bytes else None
        raw = await self._line.do(self._mailbox.fetch, mail.uid, limit)
        if raw is None:
            return []
        envelope = Envelope(source="imap", folder=folder.role, received_at=mail.received_at)
        try:
            # In the mailbox's thread: a large mail takes its time.
            return await self._line.do(self._parse, raw, envelope, self._ours, self._clock())
        except Exception as error:
            # Whatever it is, the next mails are not to wait for it.
            logger.exception("mail not understood action=fetch account=%s folder=%s uid=%s", *self._names(folder, mail))
            return [self._laid_aside(folder, mail, f"it could not be read: {type(error).__name__}")]

    def _laid_aside(self, folder: _Folder, mail: Outline, reason: str) -> Unsupported:
        logger.error("mail laid aside action=fetch account=%s folder=%s uid=%s", *self._names(folder, mail))
        address = self._ours.address
        return Unsupported(
            key=f"email:{address}:aside:{folder.name}:{folder.uidvalidity}:{mail.uid}",
            address=None,
            timestamp=mail.received_at or self._clock(),
            reason=f"a mail was left in {folder.name}: {reason}",
            raw={"folder": folder.name, "uidvalidity": folder.uidvalidity, "uid": mail.uid, "size": mail.size},
        )

    def _names(self, folder: _Folder, mail: Outline) -> tuple[str, str, int]:
        return self._ours.address, folder.name, mail.uid

    def _memory(self, folder: _Folder) -> str:
        return f"mail:{self._ours.address}:{folder.name}"

    async def _remember(self, folder: _Folder, uid: int) -> None:
        await self._desk.remember(self._memory(folder), {"uidvalidity": folder.uidvalidity, "uid": uid})
        self._done[folder.name] = (folder.uidvalidity, uid)


def _progress(found: Json) -> tuple[int, int]:
    """(uidvalidity, last uid); what is no progress of ours counts as that of older numbers."""
    try:
        return int(found["uidvalidity"]), int(found["uid"])
    except (KeyError, TypeError, ValueError):
        return 0, 0
