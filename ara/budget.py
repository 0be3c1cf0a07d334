"""How often a model may be asked: not while it is failing, and not without end by one conversation or by all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ara.model import ModelError, ModelRefused, ModelThrottled

_HOUR = 3600.0


class Breaker:
    """Stops asking after failures in a row, for a while; then one question tries again."""

    def __init__(
        self, clock: Callable[[], float], *, failures: int = 3, pause: float = 30.0, long_pause: float = 300.0
    ) -> None:
        self._clock = clock
        self._limit = failures
        self._pause = pause
        self._long_pause = long_pause
        self._failures = 0
        self._closed_until = 0.0

    def allows(self) -> bool:
        """Whether the model may be asked now."""
        return self._clock() >= self._closed_until

    def succeeded(self) -> None:
        """The model answered, well or badly."""
        self._failures = 0

    def failed(self, error: ModelError) -> None:
        """It did not. A wrong key or an empty account does not mend itself within seconds."""
        self._failures += 1
        if isinstance(error, ModelRefused):
            self._close(self._long_pause)
        elif isinstance(error, ModelThrottled):
            self._close(min(error.after if error.after is not None else self._pause, self._long_pause))
        elif self._failures >= self._limit:
            self._close(self._pause)

    def _close(self, seconds: float) -> None:
        self._closed_until = max(self._closed_until, self._clock() + seconds)


class Budget:
    """At most so many questions to the model in an hour, by one conversation and by all of them; in this process."""

    def __init__(self, clock: Callable[[], float], *, each: int = 30, total: int = 1000) -> None:
        self._clock = clock
        self._each = each
        self._total = total
        self._spent: deque[tuple[float, str]] = deque()
        self._by_conversation: dict[str, int] = {}

    def spend(self, conversation: str) -> bool:
        """Take one question from the budget; False when there is none left."""
        now = self._clock()
        while self._spent and self._spent[0][0] <= now - _HOUR:
            _, old = self._spent.popleft()
            self._by_conversation[old] -= 1
            if not self._by_conversation[old]:
                del self._by_conversation[old]
        if len(self._spent) >= self._total or self._by_conversation.get(conversation, 0) >= self._each:
            return False
        self._spent.append((now, conversation))
        self._by_conversation[conversation] = self._by_conversation.get(conversation, 0) + 1
        return True
