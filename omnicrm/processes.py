"""Start the bot's processes together, wait until they answer, and leave none behind.

Every child leads its own process group, so that its children end with it, and on Linux the kernel ends it when we die,
even by SIGKILL. Logs go to ``.data/logs/<name>.log``.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.1


class ProcessFailed(Exception):
    """A child ended, or did not answer in time; the message carries the last lines of its log."""


class Stopped(KeyboardInterrupt):
    """We were asked to stop (SIGTERM, SIGHUP): unwinds as Ctrl-C does, which alone asyncio lets out of its callbacks."""


@dataclass(frozen=True, slots=True)
class Child:
    """One running process and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])

    def check(self) -> None:
        """Raise ``ProcessFailed`` if it is no longer running."""
        code = self.process.poll()
        if code is not None:
            raise ProcessFailed(f"{self.name} ended with status {code}. Its last lines ({self.log}):\n{self.last_lines()}")


class Processes:
    """The children of this process. Use as a context manager, from the main thread: leaving it stops all, last first."""

    def __init__(self, logs: Path, grace_seconds: float = 10.0) -> None:
        self._logs = logs
        self._grace = grace_seconds
        self._children: list[Child] = []

    def __enter__(self) -> Processes:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path | None = None,
        orphaned: signal.Signals = signal.SIGKILL,
    ) -> Child:
        """Start a child with exactly this environment; its log starts anew.

        ``orphaned`` is what it gets when we are killed; anything but SIGKILL is blocked in it until it asks (``sigwait``).
        """
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - the commands are ours
                command,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(orphaned),  # noqa: PLW1509 - it only asks the kernel for a signal
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raise ``ProcessFailed`` if any child has ended."""
        for child in self._children:
            child.check()

    def stop(self) -> None:
        """Ask every child to end, then make it; safe to call again. Ctrl-C meanwhile only hurries it."""
        children, self._children = self._children[::-1], []
        with _hurried_by_signals() as hurried:
            for child in children:
                _signal_group(child.process.pid, signal.SIGTERM)
            deadline = time.monotonic() + self._grace
            while any(child.process.poll() is None for child in children) and time.monotonic() < deadline:
                if hurried.wait(0.05):
                    break
            for child in children:
                _signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait()


@contextmanager
def _hurried_by_signals() -> Iterator[threading.Event]:
    hurried = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: hurried.set()) for number in numbers}
    try:
        yield hurried
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left in it; macOS says "permitted" of a zombie's group


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """What a child does before it starts: ask the kernel for this signal when its parent dies. Only Linux can.

    The kernel watches the thread that starts the child: use it from one that lives as long as the process.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: between fork and exec nothing may load or lock
    parent = os.getpid()

    def before_exec() -> None:
        if number != signal.SIGKILL:
            # From the first moment: it must not be lost while the program still loads.
            signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


async def until(ready: Callable[[], Awaitable[bool]], what: Child, seconds: float) -> None:
    """Wait until ``ready`` says so. Raises ``ProcessFailed`` when the child ends, or is not ready in time."""
    deadline = time.monotonic() + seconds
    while not await ready():
        what.check()
        if time.monotonic() > deadline:
            told = f"{what.name} did not answer within {seconds:.0f} s. Its last lines ({what.log}):"
            raise ProcessFailed(f"{told}\n{what.last_lines()}")
        await asyncio.sleep(POLL_SECONDS)


async def answers(address: str) -> bool:
    """Whether an HTTP server answers there without an error of its own."""
    import httpx

    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        try:
            return (await client.get(address)).status_code < 500
        except httpx.HTTPError:
            return False


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for candidate in sockets:
            candidate.bind(("127.0.0.1", 0))
        return [int(candidate.getsockname()[1]) for candidate in sockets]
    finally:
        for candidate in sockets:
            candidate.close()


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind like Ctrl-C, so that every ``finally`` and ``with`` does its work."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
