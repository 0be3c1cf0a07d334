"""An IMAP server that does what real ones do on a bad day, and remembers every line that it was told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from connectors.email.settings import Server, Tls
from tests.support.mail_servers import HOST


@dataclass
class OddImap:
    """One folder, INBOX. ``odd`` may answer a command instead of the server: bytes, ``None`` for the usual answer.

    An answer of ``b""`` is silence; one that holds ``HANG_UP`` ends the connection there. ``{tag}`` stands for the tag,
    ``{usual}`` for the usual answer.
    """

    odd: Callable[[str], bytes | None] = lambda _: None
    capabilities: str = "IMAP4rev1 IDLE"
    uidvalidity: int = 7
    mails: dict[int, bytes] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _idle: list[asyncio.StreamWriter] = field(default_factory=list)

    HANG_UP = b"<hang up>"

    def address(self, tls: Tls = "none") -> Server:
        """Where a client finds it."""
        return Server(host=HOST, port=self.port, tls=tls)

    def commands(self) -> list[str]:
        """What it was told, without tags."""
        return [line.partition(" ")[2] or line for line in self.heard]

    def deliver(self, uid: int, raw: bytes, *, tell: bool = True) -> None:
        """A mail comes in; whoever waits is told, or is not."""
        self.mails[uid] = raw
        for writer in self._idle if tell else []:
            writer.write(b"* %d EXISTS\r\n" % len(self.mails))

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        writer.write(b"* OK odd\r\n")
        try:
            while received := await reader.readline():
                line = received.decode().rstrip("\r\n")
                self.heard.append(line)
                tag, _, command = line.partition(" ")
                answer = self.odd(command or tag)
                if answer is None or b"{usual}" in answer:
                    answer = (answer or b"{usual}").replace(b"{usual}", self._usual(command or tag, writer))
                said, hang_up, _ = answer.replace(b"{tag}", tag.encode()).partition(self.HANG_UP)
                writer.write(said)
                await writer.drain()
                if hang_up:
                    break
        except ConnectionError:
            pass  # the client has gone
        finally:
            if writer in self._idle:
                self._idle.remove(writer)
            writer.close()

    def _usual(self, command: str, writer: asyncio.StreamWriter) -> bytes:
        verb = command.upper().split(" ")
        if verb[0] == "DONE":
            self._idle.remove(writer)
            return b"%s OK done\r\n" % self._idle_tag
        if verb[0] == "IDLE":
            self._idle.append(writer)
            self._idle_tag = self.heard[-1].split(" ")[0].encode()
            return b"+ idling\r\n"
        return b"".join(b"* %s\r\n" % line for line in self._untagged(verb, command)) + b"{tag} OK fine\r\n"

    def _untagged(self, verb: list[str], command: str) -> list[bytes]:
        highest = max(self.mails, default=0)
        if verb[0] == "CAPABILITY":
            return [b"CAPABILITY " + self.capabilities.encode()]
        if verb[0] == "LIST":
            return [b'LIST (\\HasNoChildren) "/" INBOX']
        if verb[0] == "EXAMINE":
            return [
                b"%d EXISTS" % len(self.mails), b"OK [UIDVALIDITY %d] fine" % self.uidvalidity,
                b"OK [UIDNEXT %d] fine" % (highest + 1),
            ]  # fmt: skip
        if verb[:2] == ["UID", "SEARCH"]:
            first = re.search(r"UID (\d+):\*", command)
            found = [uid for uid in sorted(self.mails) if not first or uid >= int(first[1])]
            # As RFC 3501 wants it: `*` is the highest there is, whatever stands before it.
            return [b"SEARCH " + b" ".join(b"%d" % uid for uid in found or [highest] * bool(highest))]
        if verb[:2] == ["UID", "FETCH"]:
            uids = [int(uid) for uid in verb[2].split(",") if int(uid) in self.mails]
            return [self._fetched(uid, "BODY.PEEK" in command) for uid in uids]
        return []

    def _fetched(self, uid: int, body: bool) -> bytes:
        raw = self.mails[uid]
        if body:
            # The number may stand behind the mail, too.
            return b"%d FETCH (BODY[]<0> {%d}\r\n%s UID %d)" % (uid, len(raw), raw, uid)
        return b'%d FETCH (INTERNALDATE "22-Nov-2026 09:15:03 -0600" RFC822.SIZE %d UID %d)' % (uid, len(raw), uid)

    _idle_tag = b""


@asynccontextmanager
async def odd_imap(**changes: object) -> AsyncIterator[OddImap]:
    """A server in this process."""
    made = OddImap(**changes)  # type: ignore[arg-type]
    listening = await asyncio.start_server(made.converse, HOST, 0)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        await listening.wait_closed()
