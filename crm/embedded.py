"""The PostgreSQL that comes along: it lives in the data folder, and all processes that use the folder share one server.

Who uses it holds a shared lock on a file; the kernel drops the lock of a killed process. The last user stops the server.
"""

from __future__ import annotations

import atexit
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crm.cluster import Cluster
from crm.port import CrmMisconfigured, CrmUnavailable

# Small, because it shares a laptop with a model; durable, because a message that was acknowledged must survive.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "log_min_messages": "warning",
}

_DOOR = "postgres.lock"


class EmbeddedServer:
    """A share in the folder's server. ``close`` gives it up; so does the end of the process, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        """Start the server or join the one that runs. Blocks for a second or two the first time. Raises ``CrmUnavailable``."""
        prepare(data_dir)
        self._cluster = Cluster(data_dir.resolve() / "postgres", _SETTINGS)
        self._door = data_dir.resolve() / _DOOR
        self._users = data_dir.resolve() / "postgres.users"
        try:
            with _locked(self._door):
                self._cluster.create()
                self._cluster.start()
                self._share: int | None = os.open(self._users, os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._share, fcntl.LOCK_SH)
        except OSError as error:
            raise CrmUnavailable(f"the embedded PostgreSQL in {data_dir} cannot be started: {error}") from error
        self.dsn = self._cluster.dsn()
        atexit.register(self.close)

    def close(self) -> None:
        """Give the share up and, if nobody else uses the server, stop it. Safe to repeat."""
        if self._share is None:
            return
        atexit.unregister(self.close)
        share, self._share = self._share, None
        with _locked(self._door):
            # Closing, not unlocking: a forked child that still uses the server keeps its share.
            os.close(share)
            if self._unused():
                self._cluster.stop()

    def _unused(self) -> bool:
        handle = os.open(self._users, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        return True


def prepare(data_dir: Path) -> None:
    """Make the folder, and see that it can be written to. Raises ``CrmMisconfigured``."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        os.close(os.open(data_dir / _DOOR, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise CrmMisconfigured(
            f"DATA_DIR: {str(data_dir)!r} cannot be used: {error.strerror}. Set it to a folder that this user may write to"
        ) from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
