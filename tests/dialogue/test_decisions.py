"""A decision that is looked up is the decision that would be taken."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from rasa.shared.core.events import ActionExecuted, ActiveLoop, UserUttered

from tests.dialogue.test_tracker import Walk
from turns.graph_runner import InlineGraphRunner
from turns.history import HistoryTracker

if TYPE_CHECKING:
    from rasa.core.agent import Agent
    from rasa.core.policies.policy import PolicyPrediction

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def inline(agent: Agent) -> InlineGraphRunner:
    """The agent's runner, without a memory."""
    assert agent.processor is not None
    runner = agent.processor.graph_runner = InlineGraphRunner.from_runner(agent.processor.graph_runner)
    return runner


def told(prediction: PolicyPrediction) -> tuple[object, ...]:
    return (
        prediction.probabilities, prediction.policy_name, prediction.policy_priority, prediction.events,
        prediction.optional_events, prediction.hide_rule_turn, prediction.is_end_to_end_prediction,
        prediction.is_no_user_prediction, prediction.action_metadata, prediction.diagnostic_data,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_what_is_looked_up_is_what_the_policies_decide(agent: Agent, inline: InlineGraphRunner, seed: int) -> None:
    from turns.decisions import DecidedBefore, remembering

    assert agent.processor is not None
    target = agent.processor.model_metadata.core_target
    quick = remembering(inline, target)
    assert isinstance(quick, DecidedBefore)

    class Both:
        """Asks twice, and the policies as well."""

        looked_up = 0

        def run(self, inputs: dict[str, Any], targets: list[str]) -> dict[str, Any]:
            known = set(quick._known)
            for _ in range(2):
                result = quick.run(inputs, targets)
                assert told(result[target]) == told(inline.run(inputs, targets)[target])
            self.looked_up += set(quick._known) == known
            return result

    both = Both()
    agent.processor.graph_runner = both
    walk = Walk(agent, seed)
    for _ in range(60):
        walk.turn(compare=False)
    assert quick._known
    assert both.looked_up


def asked(agent: Agent, *events: Any) -> tuple[HistoryTracker, dict[str, Any], list[str]]:
    assert agent.processor is not None
    tracker = HistoryTracker("x", agent.processor.domain)
    for event in events:
        tracker.update(event, agent.processor.domain)
    target = agent.processor.model_metadata.core_target
    assert target is not None
    return tracker, {"__tracker__": tracker}, [target]


def greeting() -> list[Any]:
    return [ActionExecuted("action_listen"), UserUttered("buenas", {"name": "saludar", "confidence": 0.9})]


def test_a_turn_that_changes_its_decision_changes_no_other(agent: Agent, inline: InlineGraphRunner) -> None:
    from turns.decisions import DecidedBefore

    _, inputs, targets = asked(agent, *greeting())
    quick = DecidedBefore(inline, targets[0])
    first = quick.run(inputs, targets)[targets[0]]
    expected = told(inline.run(inputs, targets)[targets[0]])
    first.probabilities[:] = [0.0] * len(first.probabilities)
    first.events.clear()
    assert told(quick.run(inputs, targets)[targets[0]]) == expected


def test_in_a_form_nothing_is_looked_up(agent: Agent, inline: InlineGraphRunner) -> None:
    from turns.decisions import DecidedBefore

    tracker, inputs, targets = asked(agent, ActiveLoop("pedido_form"), *greeting())
    quick = DecidedBefore(inline, targets[0])
    assert tracker.key() is None
    assert told(quick.run(inputs, targets)[targets[0]]) == told(inline.run(inputs, targets)[targets[0]])
    assert not quick._known


def test_the_memory_is_bounded(agent: Agent, inline: InlineGraphRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    from turns import decisions

    monkeypatch.setattr(decisions, "MOST", 2)
    quick = None
    for intent in ("saludar", "despedir", "agradecer", "preguntar_bot"):
        said = UserUttered("x", {"name": intent, "confidence": 0.9})
        _, inputs, targets = asked(agent, ActionExecuted("action_listen"), said)
        quick = quick or decisions.DecidedBefore(inline, targets[0])
        quick.run(inputs, targets)
        assert 1 <= len(quick._known) <= 2


def test_words_in_a_rule_or_story_confidence_and_other_policies_are_worked_out_each_time(
    agent: Agent, inline: InlineGraphRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rasa.core.policies.memoization import AugmentedMemoizationPolicy, MemoizationPolicy
    from rasa.core.policies.policy import Policy
    from rasa.core.policies.rule_policy import RulePolicy

    from turns.decisions import depend_on_place_alone

    policies: list[Any] = inline.components(Policy)
    (rules,) = inline.components(RulePolicy)
    (stories,) = [policy for policy in policies if type(policy) is MemoizationPolicy]
    assert depend_on_place_alone(policies)
    with monkeypatch.context() as patch:
        patch.setitem(rules.lookup["rules"], '[{"user": {"text": "hola"}}]', "action_listen")
        assert not depend_on_place_alone(policies)
    with monkeypatch.context() as patch:
        patch.setitem(stories.lookup, stories._create_feature_key([{"user": {"text": "hola"}}]), "action_listen")
        assert not depend_on_place_alone(policies)
    for policy in (rules, stories):
        with monkeypatch.context() as patch:
            patch.setitem(policy.config, "use_nlu_confidence_as_score", True)
            assert not depend_on_place_alone(policies)
    other = AugmentedMemoizationPolicy.__new__(AugmentedMemoizationPolicy)
    assert not depend_on_place_alone([*policies, other])


def test_where_debug_is_told_every_decision_is_worked_out(
    agent: Agent, inline: InlineGraphRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    from turns.decisions import remembering

    assert agent.processor is not None
    logger = logging.getLogger("rasa")
    monkeypatch.setattr(logger, "isEnabledFor", lambda _level: True)
    assert remembering(inline, agent.processor.model_metadata.core_target) is inline
