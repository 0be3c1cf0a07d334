"""The shop's mailbox: folders with UIDs, flags and listeners. RFC 3501 section 2.3."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")


@dataclass(slots=True)
class Message:
    """One stored mail."""

    uid: int
    raw: bytes
    received: float  # INTERNALDATE, seconds since 1970
    flags: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Folder:
    """One folder. Whoever listens has an event that is set with every change."""

    name: str
    attributes: tuple[str, ...] = ()
    uidvalidity: int = field(default_factory=lambda: int(time.time()))
    uidnext: int = 1
    messages: dict[int, Message] = field(default_factory=dict)  # by UID, ascending
    listeners: set[asyncio.Event] = field(default_factory=set)

    def add(self, raw: bytes, received: float, flags: Iterable[str] = ()) -> Message:
        """Store a mail under the next UID."""
        message = Message(self.uidnext, raw, received, set(flags))
        self.messages[message.uid] = message
        self.uidnext += 1
        self.changed()
        return message

    def remove(self, uids: Iterable[int]) -> None:
        """Take mails away for good."""
        for uid in list(uids):
            del self.messages[uid]
        self.changed()

    def renew(self) -> None:
        """Another UIDVALIDITY: all mails get new UIDs from 1 on."""
        self.uidvalidity += 1
        kept = list(self.messages.values())
        self.messages, self.uidnext = {}, 1
        for message in kept:
            message.uid = self.uidnext
            self.messages[message.uid] = message
            self.uidnext += 1

    def changed(self) -> None:
        """Wake everyone who has the folder open."""
        for listener in self.listeners:
            listener.set()


class Mailbox:
    """All folders. ``now`` is the world's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.folders: dict[str, Folder] = {}
        self.forget()

    def forget(self) -> None:
        """Empty INBOX and Sent, whose UIDs go on, and take all others away."""
        for folder in self.folders.values():
            folder.remove(list(folder.messages))
        kept = {name: folder for name, folder in self.folders.items() if name in ("INBOX", "Sent")}
        self.folders = kept or {"INBOX": Folder("INBOX"), "Sent": Folder("Sent", ("\\Sent",))}

    def find(self, name: str) -> Folder | None:
        """The folder of this name; INBOX in any case."""
        return self.folders.get("INBOX" if name.upper() == "INBOX" else name)

    def create(self, name: str) -> Folder:
        """A new folder."""
        folder = self.folders[name] = Folder(name)
        return folder

    def drop(self, folder: str, raw: bytes, flags: Iterable[str] = ()) -> Message:
        """Store a mail as it arrives now."""
        found = self.find(folder) or self.create(folder)
        return found.add(raw, self.now(), flags)
