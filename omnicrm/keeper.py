"""Keeps the trial's database while the trial lasts, and stops it even when the trial was killed: ``omnicrm.keeper FOLDER``."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

# So long, at most, the other users of the database take to die with their parent.
ORPHAN_SECONDS = 1.0


def main(folder: Path) -> None:
    """Hold a share in the folder's PostgreSQL until SIGTERM; the last one to give its share up stops the server."""
    from crm.embedded import EmbeddedServer

    parent = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    server = EmbeddedServer(folder)
    signal.sigwait({signal.SIGTERM})
    if os.getppid() != parent:
        time.sleep(ORPHAN_SECONDS)
    server.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
