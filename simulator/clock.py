"""Meta's clock: it runs with ours, and a test may move it to close a window without waiting for a day."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """Wall time plus an offset."""

    wall: Callable[[], float] = time.time
    offset: float = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return self.wall() + self.offset

    def now_ms(self) -> int:
        """Milliseconds since 1970, as webhooks carry them."""
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        """Move by so many seconds; back is allowed."""
        self.offset += seconds

    def move_to(self, moment: float) -> None:
        """Move to a moment in seconds since 1970; the clock runs on from there."""
        self.offset = moment - self.wall()
