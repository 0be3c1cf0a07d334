"""Open connections of a server, to be counted and to be cut."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any


def reset(transport: Any) -> None:
    """Close a connection with a TCP reset: what is written afterwards goes nowhere."""
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    with suppress(OSError, AttributeError, TypeError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Connections(set[asyncio.StreamWriter]):
    """The writers of everyone who is connected."""

    def cut(self) -> int:
        """Reset all of them; returns how many there were."""
        writers = list(self)
        for writer in writers:
            reset(writer.transport)
        return len(writers)
