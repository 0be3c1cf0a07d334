"""Rasa's rules found without trying all of them. The outcome is the same.

For each prediction Rasa compares every rule with the conversation, twice. A rule can only hold where its last state does, so
those of another intent or another last action need no look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from rasa.core.policies.rule_policy import RulePolicy
from rasa.shared.core.constants import PREVIOUS_ACTION, SHOULD_NOT_BE_SET, USER
from rasa.shared.core.domain import State
from rasa.shared.nlu.constants import ACTION_NAME, INTENT

# The last action and the intent of a state; None where a rule does not ask.
Place = tuple[str | None, str | None]


def quicken(policy: RulePolicy) -> None:
    """Let this loaded policy look rules up by place."""
    policy._get_possible_keys = RuleLookup(policy)


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
