"""How often one key may ask: a token bucket per key, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable


class Buckets:
    """Each holds a minute's requests at most and fills evenly. Holds one small entry for each valid key that ever asked."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> float:
        """Take one token. Returns 0.0, or the seconds until there is one; then nothing was taken."""
        now = self._clock()
        level, since = self._levels.get(name, (self._size, now))
        level = min(self._size, level + (now - since) * self._per_second)
        wait = 0.0 if level >= 1 else (1 - level) / self._per_second
        self._levels[name] = (level if wait else level - 1, now)
        return wait
