"""A transaction pooler, as PgBouncer and Supabase's port 6543 are: every transaction may run on another session."""

from __future__ import annotations

import asyncio
import struct
from types import TracebackType
from urllib.parse import quote

from tests.support.postgres import OWNER, PASSWORD, Database

_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102
_Session = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TransactionPooler:
    """Lends the sessions in turn, so that two transactions of one client never meet the same one. Use as ``async with``."""

    def __init__(self, database: Database, sessions: int = 3) -> None:
        self._database = database
        self._count = sessions
        self._free: asyncio.Queue[_Session] = asyncio.Queue()
        self._greeting = b""

    @property
    def url(self) -> str:
        """The address that a client would put into DATABASE_URL."""
        return f"postgresql://{OWNER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self._port}/{self._database.name}"

    async def __aenter__(self) -> TransactionPooler:
        for _ in range(self._count):
            await self._free.put(await self._open_session())
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()
        while not self._free.empty():
            _, writer = self._free.get_nowait()
            writer.close()
            await writer.wait_closed()

    async def _open_session(self) -> _Session:
        cluster = self._database.server.cluster
        reader, writer = await asyncio.open_unix_connection(str(cluster.socket_directory() / f".s.PGSQL.{cluster.port}"))
        body = struct.pack("!i", 196608) + f"user\0{OWNER}\0database\0{self._database.name}\0\0".encode()
        writer.write(struct.pack("!i", len(body) + 4) + body)
        self._greeting = b""
        while True:
            kind, message = await _read_message(reader)
            self._greeting += message
            if kind == b"Z":
                return reader, writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await self._welcome(reader, writer):
                await self._relay(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        while True:
            length, code = struct.unpack("!ii", await reader.readexactly(8))
            rest = await reader.readexactly(length - 8)
            if code in (_SSL_REQUEST, _GSS_REQUEST):
                writer.write(b"N")
                continue
            if code == _CANCEL_REQUEST:
                return False
            if b"options\0" in rest:
                text = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
                writer.write(b"E" + struct.pack("!i", len(text) + 4) + text)
                return False
            writer.write(self._greeting)
            return True

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = b""
            kind = b""
            while kind not in (b"Q", b"S", b"X"):
                kind, message = await _read_message(reader)
                request += message
            if kind == b"X":
                return
            session = await self._free.get()
            try:
                session[1].write(request)
                while kind != b"Z":
                    kind, message = await _read_message(session[0])
                    writer.write(message)
            finally:
                # Only autocommit passes here, so each answer ends a transaction.
                await self._free.put(session)


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!i", head[1:])
    return head[:1], head + await reader.readexactly(length - 4)
