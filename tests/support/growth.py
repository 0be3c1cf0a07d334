"""Whether work grows as its input does, on a machine that does other things as well."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

Input = TypeVar("Input")

TRIES = 3


def assert_linear(work: Callable[[Input], object], make: Callable[[int], Input], count: int, *, noise: float) -> None:
    """Four times the input must take less than eight times as long; quadratic work would take sixteen times.

    ``noise``: seconds below which a time says nothing. Measured is the thread's own time, without the collector's rounds, which
    take longer the more the process holds. Raises ``AssertionError`` when it never holds.
    """
    times = []
    for _ in range(TRIES):
        short, long = (min(_seconds(work, make(size)) for _ in range(2)) for size in (count, 4 * count))
        times.append((short, long))
        if long < 8 * max(short, noise):
            return
    raise AssertionError(f"four times the input took (short, long): {times}")


def _seconds(work: Callable[[Input], object], given: Input) -> float:
    gc.disable()
    try:
        started = time.thread_time()
        work(given)
        return time.thread_time() - started
    finally:
        gc.enable()
