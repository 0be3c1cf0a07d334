"""Say what is going on: a spinner with the seconds in a terminal, plain lines where nobody watches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

PLAIN_INTERVAL = 15.0


@contextmanager
def step(console: Console, title: str) -> Iterator[Callable[[str], None]]:
    """Show a long step; yields a function that tells what it is doing just now. Ends with a line and the seconds it took."""
    started = time.monotonic()
    detail = ""

    def tell(text: str) -> None:
        nonlocal detail
        detail = text

    def line() -> str:
        return f"{title}… {time.monotonic() - started:.0f} s" + (f"  [dim]{detail}[/dim]" if detail else "")

    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(console, line, done), daemon=True)
    watcher.start()
    try:
        yield tell
    except BaseException:
        _finish(watcher, done)
        console.print(f"[red]✗[/red] {title} ({time.monotonic() - started:.1f} s)")
        raise
    _finish(watcher, done)
    console.print(f"[green]✓[/green] {title} ({time.monotonic() - started:.1f} s)")


def _finish(watcher: threading.Thread, done: threading.Event) -> None:
    done.set()
    watcher.join()


def _watch(console: Console, line: Callable[[], str], done: threading.Event) -> None:
    if not console.is_terminal:
        while not done.wait(PLAIN_INTERVAL):
            console.print(f"  {line()}", highlight=False)
        return
    with Status(line(), console=console) as status:
        while not done.wait(0.2):
            status.update(line())
