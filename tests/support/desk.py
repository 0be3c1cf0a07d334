"""What a listening platform is given, in memory: one shelf that all processes share, and a desk for each of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from connectors.message import AnyEvent, Json


class DeskError(Exception):
    """The database does not answer, or refuses."""


class Shelf:
    """What is durable. ``away``: the database does not answer; ``refuses``: it takes everything but these events."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.memory: dict[str, str] = {}
        self.leases: dict[str, tuple[str, float]] = {}
        self.away = False
        self.refuses: Callable[[AnyEvent], bool] = lambda _: False
        self.calls = 0

    @property
    def keys(self) -> list[str]:
        """The keys of all events, each once, in the order in which they came."""
        return list(dict.fromkeys(event.key for event in self.events))

    def desk(self, process: str = "uno") -> MemoryDesk:
        """The desk of one process."""
        return MemoryDesk(self, process)


class MemoryDesk:
    """One process's desk."""

    def __init__(self, shelf: Shelf, process: str) -> None:
        self._shelf = shelf
        self._process = process
        self.received: list[AnyEvent] = []
        self.evicted = False

    async def receive(self, events: Sequence[AnyEvent]) -> None:
        """Keep events."""
        self._answer()
        if any(map(self._shelf.refuses, events)):
            raise DeskError("refused")
        self._shelf.events += events
        self.received += events

    async def recall(self, name: str) -> Json:
        """What was remembered, by its JSON."""
        self._answer()
        return json.loads(self._shelf.memory.get(name, "null"))

    async def remember(self, name: str, value: Json) -> None:
        """Keep JSON."""
        self._answer()
        self._shelf.memory[name] = json.dumps(value)

    async def lease(self, name: str, seconds: float) -> bool:
        """One process at a time."""
        self._answer()
        holder, until = self._shelf.leases.get(name, (self._process, 0.0))
        now = time.monotonic()
        if self.evicted or (holder != self._process and until > now):
            return False
        self._shelf.leases[name] = (self._process, now + seconds)
        return True

    def _answer(self) -> None:
        self._shelf.calls += 1
        if self._shelf.away:
            raise DeskError("no connection")
