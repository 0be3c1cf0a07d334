"""The bot's processes: copies of the first one, which waits for them. They share its port, its libraries and, through the
database, the work."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
from typing import Any

from omnicrm.processes import PR_SET_PDEATHSIG

# Sanic's name for it, which Rasa reads from the environment alone.
VARIABLE = "SANIC_WORKERS"


class Workers:
    """Some workers that live and die together, so that whoever keeps the bot running starts all of it anew.

    Made in the first process before Sanic copies it, with all libraries loaded. The methods are listeners of Sanic's.
    """

    def __init__(self, wanted: int) -> None:
        # Only Linux can copy a process safely that has loaded so much.
        self.number = wanted if sys.platform == "linux" else 1
        self._stopped = multiprocessing.Value("i", 0)
        os.environ[VARIABLE] = str(self.number)
        if self.number > 1:
            # What the collector looks at it writes to, and what is written to is no longer shared: 100 MB for each process.
            gc.collect()
            gc.freeze()

    def start(self, *_: Any) -> None:
        """In the first process, before the copies: when one ends, all do."""
        if self.number > 1:
            signal.signal(signal.SIGCHLD, _stop_all)

    def begin(self, *_: Any) -> None:
        """In each copy, first of all: end with the first process, even when that is killed."""
        first = multiprocessing.parent_process()
        if first is None:
            # One was wanted, or Rasa found no lock store in endpoints.yml that more than one could share.
            self.number = 1
            return
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != first.pid:
            os._exit(1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Sanic takes this one over when the server runs. Until then its copies have a handler that was meant for the first
        # process alone, and one that is asked to stop would go on.
        signal.signal(signal.SIGTERM, self._leave_at_once)

    def leave(self, *_: Any) -> None:
        """In each copy, when it was asked to stop. Asked again, it must not be disturbed."""
        if multiprocessing.parent_process() is not None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self._note()

    def stop(self, *_: Any) -> None:
        """In the first process, when all have ended. Raises ``SystemExit`` when one of them was not asked to."""
        if self.number > 1 and self._stopped.value < self.number:
            raise SystemExit("One of the bot's processes died, and the others were stopped: start the bot again.")

    def _leave_at_once(self, *_: Any) -> None:
        self._note()
        os._exit(0)

    def _note(self) -> None:
        with self._stopped.get_lock():
            self._stopped.value += 1


def _stop_all(*_: Any) -> None:
    for worker in multiprocessing.active_children():
        worker.terminate()
