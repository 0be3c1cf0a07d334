"""A program on a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Mapping

from omnicrm.cli import PROJECT

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program on a terminal of its own, read as text."""

    def __init__(self, command: list[str], variables: Mapping[str, str]) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(PROJECT)
            os.execve(command[0], command, {**variables, "TERM": "xterm-256color"})  # noqa: S606
        self.shown = ""

    def interrupt(self) -> None:
        """SIGINT as another program would send it: no key."""
        os.kill(self.pid, signal.SIGINT)

    def read_until(self, words: str, seconds: float) -> None:
        """Wait for words on the screen."""
        deadline = time.monotonic() + seconds
        while words not in self.shown:
            assert time.monotonic() < deadline, f"{words!r} did not come; shown: {self.shown[-3000:]}"
            if select.select([self._fd], [], [], 0.2)[0]:
                try:
                    raw = os.read(self._fd, 65536).decode("utf-8", errors="replace")
                except OSError:  # Linux tells the end of a terminal's program so
                    assert words in self.shown, f"{words!r} did not come before the end; shown: {self.shown[-3000:]}"
                    return
                if "\x1b[6n" in raw:
                    os.write(self._fd, b"\x1b[1;1R")  # the cursor's place, for a program that asks
                self.shown += ESCAPES.sub("", raw)

    def type(self, line: str) -> None:
        """Type this, and forget what was shown before."""
        self.shown = ""
        os.write(self._fd, line.encode())

    def status(self) -> int:
        """Wait for the end, 30 s at most; the exit status, negative for a signal."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if select.select([self._fd], [], [], 0.2)[0]:
                try:
                    self.shown += ESCAPES.sub("", os.read(self._fd, 65536).decode("utf-8", errors="replace"))
                except OSError:
                    break
        else:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise AssertionError(f"it did not end; shown: {self.shown[-3000:]}")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
