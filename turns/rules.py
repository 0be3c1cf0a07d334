"""Rasa's rules found without trying all of them, and its states worked out once per prediction. The outcome is the same.

For each prediction Rasa compares every rule with the conversation, twice, and replays the conversation for each time: a fifth
of a turn. A rule can only hold where its last state does, so those of another intent or another last action need no look.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rasa.core.policies.rule_policy import RulePolicy
from rasa.shared.core.constants import PREVIOUS_ACTION, SHOULD_NOT_BE_SET, USER
from rasa.shared.core.domain import Domain, State
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.constants import ACTION_NAME, INTENT

# The last action and the intent of a state; None where a rule does not ask.
Place = tuple[str | None, str | None]


def quicken(policy: RulePolicy) -> None:
    """Let this loaded policy look rules up by place, and remember a tracker's states until its next event."""
    policy._get_possible_keys = RuleLookup(policy)
    policy.featurizer._create_states = StatesOnce(policy.featurizer._create_states)


class RuleLookup:
    """``RulePolicy._get_possible_keys``: the rules of ``lookup`` that hold in ``states``."""

    def __init__(self, policy: RulePolicy) -> None:
        self._policy = policy
        self._search = RulePolicy._get_possible_keys.__get__(policy)
        self._places: dict[int, dict[Place, list[str]]] = {}

    def __call__(self, lookup: Mapping[str, str], states: list[State]) -> set[str]:
        """The keys of the rules that hold."""
        if not states:
            return set(lookup)
        places = self._places.get(id(lookup))
        if places is None:
            places = self._places[id(lookup)] = self._sorted(lookup)
        action, intent = _place(states[-1])
        candidates = {
            key: lookup[key]
            for place in {(action, intent), (action, None), (None, intent), (None, None)}
            for key in places.get(place, ())
        }
        found: set[str] = self._search(candidates, states)
        return found

    def _sorted(self, keys: Iterable[str]) -> dict[Place, list[str]]:
        places: dict[Place, list[str]] = defaultdict(list)
        for key in keys:
            places[_place(self._policy._rule_key_to_state(key)[-1])].append(key)
        return places


def _place(state: State) -> Place:
    return _required(state, PREVIOUS_ACTION, ACTION_NAME), _required(state, USER, INTENT)


def _required(state: State, part: str, name: str) -> str | None:
    value = state.get(part, {}).get(name)
    return str(value) if value and value != SHOULD_NOT_BE_SET else None


class StatesOnce:
    """``TrackerFeaturizer._create_states`` of one policy, which asks twice: to look at the customer's words, and the intent."""

    def __init__(self, create: Callable[..., list[State]]) -> None:
        self._create = create
        # Weak: a tracker's turn ends, and what comes after it may stand at the same place in memory.
        self._tracker: Callable[[], object] = lambda: None
        self._asked: tuple[Any, ...] = ()
        self._states: list[State] = []

    def __call__(self, tracker: DialogueStateTracker, domain: Domain, **options: Any) -> list[State]:
        """The tracker's states, the caller's to change."""
        # A tracker changes by events alone, and they are only ever added.
        asked = (len(tracker.events), id(domain), options)
        if self._tracker() is not tracker or asked != self._asked:
            self._states = self._create(tracker, domain, **options)
            self._tracker, self._asked = weakref.ref(tracker), asked
        return [{part: dict(values) for part, values in state.items()} for state in self._states]
