"""Rate limits per account, counted over a sliding second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Meter:
    """How many calls the last second saw; ``take`` refuses those above the limit and remembers the peak."""

    monotonic: Callable[[], float]
    taken: int = 0
    refused: int = 0
    peak: int = 0
    _recent: deque[float] = field(default_factory=deque)

    def take(self, limit: int) -> bool:
        """Count one call; False when the limit per second is reached. A limit of 0 means none."""
        now = self.monotonic()
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if limit and len(self._recent) >= limit:
            self.refused += 1
            return False
        self._recent.append(now)
        self.taken += 1
        self.peak = max(self.peak, len(self._recent))
        return True
