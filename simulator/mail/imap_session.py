"""One IMAP connection, good enough for imaplib and imap-tools (RFC 3501, with 2177, 3348, 4315, 4959, 6154 and 6851)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from simulator.connections import reset
from simulator.faults import Fault
from simulator.mail import imap_fetch
from simulator.mail.folders import FLAGS, Folder, Message
from simulator.mail.imap_search import criteria
from simulator.mail.imap_syntax import BadCommand, Command, Token, number_set, quoted, read_command, text_of, within
from simulator.mail.smtp import decode, xoauth2
from simulator.state import World

CAPABILITIES = "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN AUTH=XOAUTH2 IDLE NAMESPACE CHILDREN UIDPLUS MOVE SPECIAL-USE ID UNSELECT"
# Which kind of command it is, in the words of the faults.
_WHERE = {
    "LOGIN": "imap_login",
    "AUTHENTICATE": "imap_login",
    "SELECT": "imap_select",
    "EXAMINE": "imap_select",
    "APPEND": "imap_append",
    "IDLE": "imap_idle",
}
_OPEN = ("CAPABILITY", "NOOP", "LOGOUT", "LOGIN", "AUTHENTICATE", "ID")
_NO_SYNC = ("FETCH", "STORE", "SEARCH")  # no EXPUNGE may be told in answer to these


class No(Exception):
    """The command is refused: the tagged answer is NO with these words."""


Step: TypeAlias = "Callable[[Command], Awaitable[str]]"


class Session:
    """One connection: who has logged in, which folder is open, and what the client knows of it."""

    def __init__(self, world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.world, self.reader, self.writer = world, reader, writer
        self.authenticated = False
        self.folder: Folder | None = None
        self.read_only = False
        self.known: list[int] = []  # UIDs by sequence number, as told
        self.flags: dict[int, frozenset[str]] = {}
        self.changes = asyncio.Event()
        self.over = False

    async def run(self) -> None:
        """Greet, and answer commands until the client leaves."""
        fault = self.world.faults.take("imap_connect", None, "email")
        if fault is not None and await self._struck(fault):
            await self._send(f"* BYE {fault.message if fault.name == 'error' else 'Too many connections'}")
            return
        await self._send(f"* OK [CAPABILITY {CAPABILITIES}] simulated mailbox ready")
        while not self.over:
            try:
                command = await read_command(self.reader, self.writer)
            except BadCommand as error:
                await self._send(f"{error.tag} BAD {error}")
                continue
            if command is None:
                return
            self.world.counts["imap", "commands"] += 1
            await self._answer(command)

    def close(self) -> None:
        """Let go of the folder."""
        if self.folder is not None:
            self.folder.listeners.discard(self.changes)
        self.folder, self.known, self.flags = None, [], {}

    # --- one command -----------------------------------------------------------------------------------------------------

    async def _answer(self, command: Command) -> None:
        verb = command.name.removeprefix("UID ")
        where = _WHERE.get(verb, f"imap_{verb.lower()}" if verb in _NO_SYNC else "imap_other")
        fault = self.world.faults.take(where, None, "email")
        try:
            step = self._step(command.name)
            if fault is not None and not fault.accepts and await self._struck(fault):
                raise No(_words(fault))
            text = await step(command)
            if fault is not None and fault.accepts:
                await self._struck(fault)
            if verb not in _NO_SYNC or command.name.startswith("UID "):
                await self._tell_changes()
            await self._send(f"{command.tag} OK {text}")
        except No as error:
            await self._send(f"{command.tag} NO {error}")
        except BadCommand as error:
            await self._send(f"{command.tag} BAD {error}")

    def _step(self, name: str) -> Step:
        steps: dict[str, Step] = {
            "CAPABILITY": self._capability,
            "ID": self._id,
            "NOOP": self._nothing,
            "CHECK": self._nothing,
            "LOGOUT": self._logout,
            "LOGIN": self._login,
            "AUTHENTICATE": self._authenticate,
            "NAMESPACE": self._namespace,
            "LIST": self._list,
            "LSUB": self._list,
            "SUBSCRIBE": self._nothing,
            "UNSUBSCRIBE": self._nothing,
            "CREATE": self._create,
            "DELETE": self._delete,
            "STATUS": self._status,
            "SELECT": self._select,
            "EXAMINE": self._select,
            "CLOSE": self._close,
            "UNSELECT": self._unselect,
            "APPEND": self._append,
            "SEARCH": self._search,
            "UID SEARCH": self._search,
            "FETCH": self._fetch,
            "UID FETCH": self._fetch,
            "STORE": self._store,
            "UID STORE": self._store,
            "COPY": self._copy,
            "UID COPY": self._copy,
            "MOVE": self._copy,
            "UID MOVE": self._copy,
            "EXPUNGE": self._expunge,
            "UID EXPUNGE": self._expunge,
            "IDLE": self._idle,
        }
        if name not in steps:
            raise BadCommand(f"{name} is unknown")
        if name not in _OPEN and not self.authenticated:
            raise BadCommand(f"{name} needs a login first")
        return steps[name]

    async def _struck(self, fault: Fault) -> bool:
        """Let a fault happen; True where the command is then to be refused."""
        await asyncio.sleep(fault.seconds)
        if fault.name in ("timeout_before_accept", "reset_before_accept", "timeout_after_accept", "reset"):
            reset(self.writer.transport)
            raise ConnectionResetError("cut on request")
        return not fault.accepts

    async def _send(self, line: str | bytes) -> None:
        self.writer.write(line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape") + b"\r\n")
        await self.writer.drain()

    # --- before a folder is open -------------------------------------------------------------------------------------------

    async def _capability(self, command: Command) -> str:
        await self._send(f"* CAPABILITY {CAPABILITIES}")
        return "CAPABILITY completed"

    async def _id(self, command: Command) -> str:
        await self._send('* ID ("name" "simulator")')
        return "ID completed"

    async def _nothing(self, command: Command) -> str:
        return f"{command.name} completed"

    async def _logout(self, command: Command) -> str:
        await self._send("* BYE Logging out")
        self.over = True
        return "LOGOUT completed"

    async def _login(self, command: Command) -> str:
        config = self.world.config
        self._admit((command.text(0), command.text(1)) == (config.mail_login, config.mail_password))
        return f"[CAPABILITY {CAPABILITIES}] Logged in"

    async def _authenticate(self, command: Command) -> str:
        mechanism, config = command.text(0).upper(), self.world.config
        if mechanism not in ("PLAIN", "XOAUTH2"):
            raise No("Unsupported authentication mechanism")
        response = await self._response(command)
        if mechanism == "PLAIN":
            _, *given = response.decode("utf-8", "replace").split("\0")
            self._admit(given == [config.mail_login, config.mail_password])
        else:
            right = xoauth2(response) == (config.mail_login, config.mail_access_token)
            if not right:  # told in a challenge, which an empty line has to answer
                refused = json.dumps({"status": "400", "schemes": "Bearer", "scope": "https://mail.google.com/"})
                await self._send(f"+ {base64.b64encode(refused.encode()).decode()}")
                await self.reader.readline()
            self._admit(right)
        return f"[CAPABILITY {CAPABILITIES}] Authenticated"

    async def _response(self, command: Command) -> bytes:
        if len(command.arguments) > 1:  # SASL-IR
            return decode(command.text(1))
        await self._send("+ ")
        line = (await self.reader.readline()).strip()
        if line == b"*":
            raise BadCommand("authentication cancelled")
        try:
            return base64.b64decode(line, validate=True)
        except binascii.Error as error:
            raise BadCommand("that is no base64") from error

    def _admit(self, right: bool) -> None:
        if not right:
            raise No("[AUTHENTICATIONFAILED] Invalid credentials (Failure)")
        self.authenticated = True
        self.world.counts["imap", "logins"] += 1

    async def _namespace(self, command: Command) -> str:
        await self._send('* NAMESPACE (("" "/")) NIL NIL')
        return "NAMESPACE completed"

    async def _list(self, command: Command) -> str:
        arguments = [argument for argument in command.arguments if not isinstance(argument, list)]
        special = len(arguments) < len(command.arguments) and "SPECIAL-USE" in str(command.arguments[0]).upper()
        if len(arguments) < 2:
            raise BadCommand(f"{command.name} needs a reference and a pattern")
        pattern = text_of(arguments[1])
        if not pattern:
            await self._send(f'* {command.name} (\\Noselect) "/" ""')
        for folder in self.world.mail.mailbox.folders.values():
            fits = pattern in ("*", "%") or pattern.upper() == folder.name.upper() or _matches(pattern, folder.name)
            if pattern and fits and (not special or folder.attributes):
                flags = " ".join(("\\HasNoChildren", *folder.attributes))
                await self._send(f'* {command.name} ({flags}) "/" {quoted(folder.name)}')
        return f"{command.name} completed"

    def _find(self, name: str, hint: str = "") -> Folder:
        folder = self.world.mail.mailbox.find(name)
        if folder is None:
            raise No(f"{hint}Unknown Mailbox: {name}")
        return folder

    async def _create(self, command: Command) -> str:
        name = command.text(0).rstrip("/")
        if self.world.mail.mailbox.find(name) is not None:
            raise No("[ALREADYEXISTS] Mailbox exists")
        self.world.mail.mailbox.create(name)
        return "CREATE completed"

    async def _delete(self, command: Command) -> str:
        folder = self._find(command.text(0))
        if folder.name in ("INBOX", "Sent"):
            raise No("this folder stays")
        del self.world.mail.mailbox.folders[folder.name]
        return "DELETE completed"

    async def _status(self, command: Command) -> str:
        folder = self._find(command.text(0))
        wanted = command.arguments[1] if len(command.arguments) > 1 else []
        values = {
            "MESSAGES": len(folder.messages),
            "RECENT": 0,
            "UIDNEXT": folder.uidnext,
            "UIDVALIDITY": folder.uidvalidity,
            "UNSEEN": sum("\\Seen" not in message.flags for message in folder.messages.values()),
        }
        names = [text_of(name).upper() for name in wanted] if isinstance(wanted, list) else []
        if not names or not set(names) <= set(values):
            raise BadCommand(f"STATUS knows {', '.join(values)}")
        found = " ".join(f"{name} {values[name]}" for name in names)
        await self._send(f"* STATUS {quoted(folder.name)} ({found})")
        return "STATUS completed"

    async def _append(self, command: Command) -> str:
        folder = self._find(command.text(0), "[TRYCREATE] ")
        flags = [text_of(flag) for part in command.arguments[1:-1] if isinstance(part, list) for flag in part]
        raw = command.arguments[-1]
        if not isinstance(raw, bytes):
            raise BadCommand("APPEND needs a literal")
        date = [text_of(part) for part in command.arguments[1:-1] if not isinstance(part, list)]
        message = folder.add(raw, imap_fetch.moment_of(date[0]) if date else self.world.clock.now(), flags)
        return f"[APPENDUID {folder.uidvalidity} {message.uid}] APPEND completed"

    # --- the open folder -------------------------------------------------------------------------------------------------

    async def _select(self, command: Command) -> str:
        folder = self._find(command.text(0), "[NONEXISTENT] ")
        self.close()
        self.folder, self.read_only = folder, command.name == "EXAMINE"
        folder.listeners.add(self.changes)
        self.known = list(folder.messages)
        self.flags = {uid: frozenset(message.flags) for uid, message in folder.messages.items()}
        flags = " ".join(FLAGS)
        await self._send(f"* FLAGS ({flags})")
        await self._send(f"* {len(self.known)} EXISTS")
        await self._send("* 0 RECENT")
        await self._send(f"* OK [PERMANENTFLAGS ({'' if self.read_only else flags + ' ' + chr(92) + '*'})] Flags permitted")
        await self._send(f"* OK [UIDVALIDITY {folder.uidvalidity}] UIDs valid")
        await self._send(f"* OK [UIDNEXT {folder.uidnext}] Predicted next UID")
        return f"[{'READ-ONLY' if self.read_only else 'READ-WRITE'}] {command.name} completed"

    @property
    def _open(self) -> Folder:
        if self.folder is None:
            raise BadCommand("no mailbox is selected")
        return self.folder

    @property
    def _writable(self) -> Folder:
        if self.folder is not None and self.read_only:
            raise No("[READ-ONLY] the mailbox is read-only")
        return self._open

    async def _close(self, command: Command) -> str:
        folder = self._open
        if not self.read_only:
            folder.remove([uid for uid, message in folder.messages.items() if "\\Deleted" in message.flags])
        self.close()
        return "CLOSE completed"

    async def _unselect(self, command: Command) -> str:
        self.close()
        return "UNSELECT completed"

    def _messages(self, command: Command) -> list[tuple[int, Message]]:
        """The messages that the first argument means, with their sequence numbers."""
        folder, uid = self._open, command.name.startswith("UID ")
        highest = (self.known[-1] if self.known else 0) if uid else len(self.known)
        ranges = number_set(command.text(0), highest)
        numbered = ((number, folder.messages.get(known)) for number, known in enumerate(self.known, 1))
        return [
            (number, message)
            for number, message in numbered
            if message is not None and within(message.uid if uid else number, ranges)
        ]

    async def _search(self, command: Command) -> str:
        folder = self._open
        if command.name.startswith("UID "):
            await self._tell_changes()  # so that a search by UID finds what has just come
        test = criteria(command.arguments, len(self.known), self.known[-1] if self.known else 0)
        found = [
            str(known if command.name.startswith("UID ") else number)
            for number, known in enumerate(self.known, 1)
            if known in folder.messages and test(number, folder.messages[known])
        ]
        await self._send(" ".join(["* SEARCH", *found]))
        return "SEARCH completed"

    async def _fetch(self, command: Command) -> str:
        wanted = imap_fetch.items(command.arguments[1:], uid=command.name.startswith("UID "))
        for number, message in self._messages(command):
            if any(item.sets_seen for item in wanted) and not self.read_only:
                message.flags.add("\\Seen")
                self._open.changed()
            await self._send(imap_fetch.answer(number, message, wanted))
        return "FETCH completed"

    async def _store(self, command: Command) -> str:
        folder, what = self._writable, command.text(1).upper()
        if what.removesuffix(".SILENT") not in ("FLAGS", "+FLAGS", "-FLAGS"):
            raise BadCommand("STORE changes FLAGS, +FLAGS or -FLAGS")
        given = _flags(command.arguments[2:])
        for number, message in self._messages(command):
            if what.startswith("+"):
                message.flags |= given
            elif what.startswith("-"):
                message.flags -= given
            else:
                message.flags = set(given)
            self.flags[message.uid] = frozenset(message.flags)
            if not what.endswith(".SILENT"):
                uid = f"UID {message.uid} " if command.name.startswith("UID ") else ""
                await self._send(f"* {number} FETCH ({uid}FLAGS ({' '.join(sorted(message.flags))}))")
        folder.changed()
        return "STORE completed"

    async def _copy(self, command: Command) -> str:
        """COPY and MOVE."""
        source, target = self._open, self._find(command.text(1), "[TRYCREATE] ")
        chosen = [message for _, message in self._messages(command)]
        copies = [target.add(message.raw, message.received, message.flags) for message in chosen]
        old, new = (",".join(str(one.uid) for one in group) for group in (chosen, copies))
        code = f"[COPYUID {target.uidvalidity} {old} {new}] " if chosen else ""
        if command.name.endswith("COPY"):
            return f"{code}COPY completed"
        if code:
            await self._send(f"* OK {code}moved")
        source.remove([message.uid for message in chosen])
        return "MOVE completed"

    async def _expunge(self, command: Command) -> str:
        folder = self._writable
        meant = {message.uid for _, message in self._messages(command)} if command.arguments else set(folder.messages)
        folder.remove([uid for uid in meant if "\\Deleted" in folder.messages[uid].flags])
        return "EXPUNGE completed"

    async def _idle(self, command: Command) -> str:
        """RFC 2177: tell what changes until the client says DONE."""
        await self._send("+ idling")
        said = asyncio.ensure_future(self.reader.readline())
        try:
            while not said.done():
                changed = asyncio.ensure_future(self.changes.wait())
                await asyncio.wait({said, changed}, return_when=asyncio.FIRST_COMPLETED)
                if not changed.done():
                    changed.cancel()
                elif self.world.knobs.imap_push:
                    await self._tell_changes()
                else:
                    self.changes.clear()
        finally:
            if not said.done():
                said.cancel()
        if (await said).strip().upper() != b"DONE":
            raise BadCommand("IDLE ends with DONE")
        return "IDLE terminated"

    async def _tell_changes(self) -> None:
        """EXPUNGE, EXISTS and FETCH for what others did to the open folder."""
        folder = self.folder
        if folder is None:
            return
        self.changes.clear()
        for number in range(len(self.known), 0, -1):
            if self.known[number - 1] not in folder.messages:
                self.flags.pop(self.known.pop(number - 1), None)
                await self._send(f"* {number} EXPUNGE")
        new = [uid for uid in folder.messages if uid not in self.flags]
        if new:
            self.known += new
            await self._send(f"* {len(self.known)} EXISTS")
        for number, uid in enumerate(self.known, 1):
            message = folder.messages.get(uid)
            if message is None:
                continue
            flags, known = frozenset(message.flags), self.flags.get(uid)
            self.flags[uid] = flags
            if known is not None and known != flags:
                await self._send(f"* {number} FETCH (UID {uid} FLAGS ({' '.join(sorted(flags))}))")


def _flags(tokens: list[Token]) -> set[str]:
    given = tokens[0] if tokens and isinstance(tokens[0], list) else tokens
    # System flags are known in any case; keywords stay as they are.
    system = {flag.upper(): flag for flag in FLAGS}
    return {system.get(text_of(flag).upper(), text_of(flag)) for flag in given}


def _matches(pattern: str, name: str) -> bool:
    begin = pattern.rstrip("*%")
    return begin != pattern and name.startswith(begin)


def _words(fault: Fault) -> str:
    if fault.name == "error":
        return fault.message
    if fault.name == "190":
        return "[AUTHENTICATIONFAILED] Invalid credentials (Failure)"
    return "[UNAVAILABLE] Temporary problem, please try again later"
