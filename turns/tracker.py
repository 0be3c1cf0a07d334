"""The dialogue state as one bounded JSON document: what the policies still look at, and nothing else.

Rasa's policies replay the whole tracker for every prediction, so a conversation that never ends would get slower and slower.
They look back a few turns only; what came before matters through slots and the active form alone. The document keeps the
events of the last ``MAX_TURNS`` turns, and in front of them, as events, the slots and the form that stood at the cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from rasa.shared.constants import ASSISTANT_ID_KEY
from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActiveLoop,
    AllSlotsReset,
    BotUttered,
    Event,
    Restarted,
    SessionStarted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.constants import METADATA_MODEL_ID

from turns.history import HistoryTracker

# More than any rule or Memoization's max_history looks back to: tests compare with whole conversations and with the rules.
MAX_TURNS = 3
MAX_REPLY_TEXT = 1000
_OF_THE_MODEL = {METADATA_MODEL_ID, ASSISTANT_ID_KEY}
# After these a slot's value is not known from the events before.
_FORGETTING = {AllSlotsReset, Restarted, SessionStarted}


def dump(tracker: DialogueStateTracker, domain: Domain, max_turns: int = MAX_TURNS) -> dict[str, Any]:
    """The tracker's document: ``{"events": [...]}``, of a size that does not grow with the conversation."""
    events = bounded(_telling(tracker.events, domain), tracker.sender_id, domain, max_turns)
    return {"events": [_compact(event) for event in events if not _is_effect(event)]}


def load(document: Any, sender_id: str, domain: Domain) -> DialogueStateTracker:
    """The tracker that ``dump`` wrote; an empty one for None."""
    tracker = HistoryTracker(sender_id, domain)
    for item in (document or {}).get("events", ()):
        tracker.update(_event_class(item["event"])._from_parameters(item), domain)
    return tracker


@cache
def _event_class(type_name: str) -> type[Event]:
    # Rasa's own look-up walks all subclasses for every event: a quarter of a turn's time.
    found: type[Event] = Event.resolve_by_type(type_name)
    return found


def bounded(events: Sequence[Event], sender_id: str, domain: Domain, max_turns: int = MAX_TURNS) -> list[Event]:
    """The last ``max_turns`` turns, led by events that restore slots and form as they stood before them."""
    # Every turn begins at a listening bot: policies tell a turn by it.
    turns = zip(events, events[1:], strict=False)
    starts = [i for i, (last, event) in enumerate(turns) if type(event) is UserUttered and _listens(last)]
    if len(starts) <= max_turns:
        return list(events)
    cut = starts[-max_turns]
    before = DialogueStateTracker(sender_id, domain.slots)
    for event in events[:cut]:
        before.update(event, domain)
    return [*_restoring(before), *events[cut:]]


def _telling(events: Iterable[Event], domain: Domain) -> list[Event]:
    """The events without slots that are set to what they are: Rasa sets those with an intent's mapping in every turn, and every
    prediction replays them."""
    known: dict[str, Any] = {slot.name: slot.initial_value for slot in domain.slots}
    kept: list[Event] = []
    for event in events:
        kind = type(event)
        if kind is SlotSet:
            if event.key in known and known[event.key] == event.value:
                continue
            known[event.key] = event.value
        elif kind in _FORGETTING:
            known = {}
        kept.append(event)
    return kept


def _listens(event: Event) -> bool:
    return type(event) is ActionExecuted and event.action_name == ACTION_LISTEN_NAME


def _restoring(before: DialogueStateTracker) -> list[Event]:
    changed = (slot for slot in before.slots.values() if slot.value != slot.initial_value)
    restored: list[Event] = [SlotSet(slot.name, slot.value) for slot in changed]
    if before.active_loop_name:
        restored.append(ActiveLoop(before.active_loop_name))
    return restored


def _is_effect(event: Event) -> bool:
    return type(event) is BotUttered and not event.text and "effect" in (event.data.get("custom") or {})


def _compact(event: Event) -> dict[str, Any]:
    """The event without what nobody reads again: rankings, tokens, features, media of past replies, the model's name."""
    if type(event) is BotUttered:
        return {"event": "bot", "text": (event.text or "")[:MAX_REPLY_TEXT], "timestamp": event.timestamp}
    document = event.as_dict()
    if type(event) is ActionExecuted:
        document["metadata"] = {name: value for name, value in event.metadata.items() if name not in _OF_THE_MODEL} or None
        document["hide_rule_turn"] = event.hide_rule_turn or None
    else:
        document.pop("metadata", None)
    if type(event) is UserUttered:
        parsed = document.get("parse_data") or {}
        intent, text = parsed.get("intent") or {}, parsed.get("text")
        document["parse_data"] = {
            "intent": {"name": intent.get("name"), "confidence": round(float(intent.get("confidence") or 0), 4)},
            "entities": parsed.get("entities") or [], **({} if text == event.text else {"text": text}),
        }
    return {name: value for name, value in document.items() if value is not None}
