"""What asyncio's tasks need and Python 3.10 does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")

# What a task does with its cancellation takes no longer: it closes a connection, gives back a lease.
CANCEL_SECONDS = 1.0


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until all have ended; what they raise is passed over.

    Again and again: a cancellation that comes as ``asyncio.wait_for`` or a time-out ends can be lost in it.
    """
    ending = list(tasks)
    pending = {task for task in ending if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)
    await asyncio.gather(*ending, return_exceptions=True)


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """What ``asyncio.wait_for`` is for, but a cancellation is never lost, whatever ends at the same moment.

    Raises ``asyncio.TimeoutError`` when the work is not done in time; then it has ended, too.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    if task.cancelled():
        raise asyncio.TimeoutError
    return task.result()
