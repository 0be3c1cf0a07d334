"""Wait for something that another process or task brings about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")


async def eventually(
    look: Callable[[], Awaitable[Result]], *, within: float = 10.0, every: float = 0.05, ignoring: type[Exception] | None = None
) -> Result:
    """Look again and again until the result is true, and return it. Fails after ``within`` seconds with the last result."""
    deadline = time.monotonic() + within
    last: object = None
    while True:
        try:
            result = await look()
            if result:
                return result
            last = result
        except Exception as error:
            if ignoring is None or not isinstance(error, ignoring):
                raise
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s; last: {last!r}")
        await asyncio.sleep(every)
