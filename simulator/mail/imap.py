"""The IMAP server: it listens, counts its connections, and ends them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from simulator.connections import Connections
from simulator.mail.imap_session import Session
from simulator.state import World

LINE_LIMIT = 64 * 1024


class ImapServer:
    """The listening server."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.connections = Connections()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=LINE_LIMIT)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, counts = Session(self.world, reader, writer), self.world.counts
        self.connections.add(writer)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        counts["imap", "connections"] += 1
        counts["imap", "peak"] = max(counts["imap", "peak"], len(self.connections))
        try:
            await session.run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # the client has gone, or does not speak IMAP
        except asyncio.CancelledError:
            pass  # the server stops: asyncio's streams would report the cancellation as an error
        finally:
            counts["imap", "ended"] += 1
            session.close()
            self.connections.discard(writer)
            if task is not None:
                self._tasks.discard(task)
            with suppress(ConnectionError):
                writer.close()

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server is None:
            return
        self._server.close()
        self.connections.cut()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
