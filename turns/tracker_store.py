"""Rasa's tracker store: the dialogue state of the turn under way, which the turn's commit saves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker

from turns import tracker as documents
from turns.history import HistoryTracker

_state: ContextVar[dict[str, Any] | None] = ContextVar("dialogue_state", default=None)


@contextmanager
def dialogue_state(document: Any) -> Iterator[None]:
    """The dialogue state that Rasa finds inside this block, whoever the sender is."""
    token = _state.set({"document": document})
    try:
        yield
    finally:
        _state.reset(token)


class BoundedTrackerStore(TrackerStore):
    """Within a turn it hands out that turn's state; what becomes of it is the turn's to commit.

    Outside of one (``rasa shell``) it keeps the documents in memory: the same bounded ones, so that a designer sees what a
    customer gets.
    """

    def __init__(self, domain: Domain, event_broker: EventBroker | None = None, **kwargs: Any) -> None:
        kwargs.pop("host", None)
        super().__init__(domain, event_broker, **kwargs)
        self._memory: dict[str, Any] = {}

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """The tracker of this turn, or None for a new conversation."""
        state = _state.get()
        document = self._memory.get(sender_id) if state is None else state["document"]
        return documents.load(document, sender_id, self.domain) if document else None

    def init_tracker(self, sender_id: str) -> DialogueStateTracker:
        """An empty tracker."""
        return HistoryTracker(sender_id, self.domain)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Keep the tracker's bounded document; within a turn that is the commit's to do."""
        await self.stream_events(tracker)
        if _state.get() is None:
            self._memory[tracker.sender_id] = documents.dump(tracker, self.domain)

    async def delete(self, sender_id: str) -> None:
        """Forget a conversation of ``rasa shell``."""
        self._memory.pop(sender_id, None)

    async def keys(self) -> Iterable[str]:
        """The conversations of ``rasa shell``; a customer's are in the CRM."""
        return list(self._memory)
