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


def prepare(workers: int) -> None:
    """Call in the first process, before Sanic copies it and with all libraries loaded. Only Linux can copy it safely."""
    workers = workers if sys.platform == "linux" else 1
    os.environ[VARIABLE] = str(workers)
    if workers > 1:
        # What the collector looks at it writes to, and what is written to is no longer shared: 100 MB for each process.
        gc.collect()
        gc.freeze()


def watch(*_: Any) -> None:
    """Call in the first process: a worker that dies takes the others with it, so that whoever keeps the bot starts it anew."""
    signal.signal(signal.SIGCHLD, _stop_all_when_one_died)


def _stop_all_when_one_died(*_: Any) -> None:
    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    # One that was asked to stop ends with 0.
    if ended is not None and (ended.si_code != os.CLD_EXITED or ended.si_status != 0):
        for worker in multiprocessing.active_children():
            worker.terminate()


def begin() -> None:
    """Call in each process that serves: a worker ends with the first one, even when that is killed."""
    first = multiprocessing.parent_process()
    if first is None or sys.platform != "linux":
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != first.pid:
        os._exit(1)
