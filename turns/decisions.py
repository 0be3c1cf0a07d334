"""Decisions taken before: rules and remembered stories decide the same in the same place, and customers take the same ways.

The place is what the policies look at: intents, entities, slots that influence, actions of the last turns.
"""

from __future__ import annotations

import base64
import logging
import zlib
from collections.abc import Hashable
from typing import Any

from rasa.core.policies.memoization import MemoizationPolicy
from rasa.core.policies.policy import Policy, PolicyPrediction
from rasa.core.policies.rule_policy import RulePolicy
from rasa.engine.constants import PLACEHOLDER_TRACKER
from rasa.shared.core.events import DefinePrevUserUtteredFeaturization
from rasa.shared.nlu.constants import TEXT

from turns.graph_runner import InlineGraphRunner
from turns.history import HistoryTracker

# Some kilobytes each. Full: begin anew, which costs one decision for each place.
MOST = 5_000


def depend_on_place_alone(policies: list[Policy]) -> bool:
    """Tell whether nothing but a place decides: rules and memorized stories that mind neither words nor confidence."""
    return all(_depends_on_place_alone(policy) for policy in policies)


def _depends_on_place_alone(policy: Policy) -> bool:
    if type(policy) is RulePolicy:
        keys = [key for lookup in policy.lookup.values() for key in lookup]
    elif type(policy) is MemoizationPolicy:
        packed = policy.config["enable_feature_string_compression"]
        keys = [_unpacked(key) if packed else key for key in policy.lookup]
    else:
        return False
    # Rasa leaves the quotes out of the keys of stories.
    words = any(f'"{TEXT}":' in key or f"{TEXT}:" in key for key in keys)
    return not words and not policy.config["use_nlu_confidence_as_score"]


def _unpacked(key: str) -> str:
    return zlib.decompress(base64.b64decode(key)).decode()


class DecidedBefore(InlineGraphRunner):
    """Runs a model's graph; what ``target`` decides it looks up where it can."""

    def __init__(self, runner: InlineGraphRunner, target: str) -> None:
        super().__init__(runner._schema, runner._nodes)
        self._target = target
        self._known: dict[Hashable, PolicyPrediction] = {}

    def run(self, inputs: dict[str, Any] | None = None, targets: list[str] | None = None) -> dict[str, Any]:
        """See ``GraphRunner.run``."""
        tracker = (inputs or {}).get(PLACEHOLDER_TRACKER)
        key = tracker.key() if targets == [self._target] and isinstance(tracker, HistoryTracker) else None
        if key is None:
            return super().run(inputs, targets)
        known = self._known.get(key)
        if known is None:
            results = super().run(inputs, targets)
            known = results[self._target]
            if not all(type(event) is DefinePrevUserUtteredFeaturization for event in known.events):
                return results
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = known
        return {self._target: _copy(known)}


def _copy(known: PolicyPrediction) -> PolicyPrediction:
    """The same decision, with events and scores of its own: a turn gives them its time and may change them."""
    return PolicyPrediction(
        list(known.probabilities), known.policy_name, known.policy_priority,
        [DefinePrevUserUtteredFeaturization(event.use_text_for_featurization) for event in known.events],
        is_end_to_end_prediction=known.is_end_to_end_prediction, is_no_user_prediction=known.is_no_user_prediction,
        diagnostic_data=known.diagnostic_data, hide_rule_turn=known.hide_rule_turn, action_metadata=known.action_metadata,
    )  # fmt: skip


def remembering(runner: InlineGraphRunner, target: str | None) -> InlineGraphRunner:
    """``runner``, with a memory for its decisions where they depend on the place alone.

    Where DEBUG is told every decision is worked out, because Rasa tells how.
    """
    if target is None or logging.getLogger("rasa").isEnabledFor(logging.DEBUG):
        return runner
    return DecidedBefore(runner, target) if depend_on_place_alone(runner.components(Policy)) else runner
