"""Rules looked up by place are the rules that Rasa finds by trying all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dialogue.test_tracker import Walk
from turns.graph_runner import InlineGraphRunner

if TYPE_CHECKING:
    from rasa.core.agent import Agent
    from rasa.core.policies.rule_policy import RulePolicy

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def policy(agent: Agent) -> RulePolicy:
    """The trained rule policy as Rasa made it."""
    from rasa.core.policies.rule_policy import RulePolicy

    assert agent.processor is not None
    agent.processor.graph_runner = InlineGraphRunner.from_runner(agent.processor.graph_runner)
    (found,) = agent.processor.graph_runner.components(RulePolicy)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_same_rules_are_found_at_every_step_of_random_conversations(agent: Agent, policy: RulePolicy, seed: int) -> None:
    from turns.rules import RuleLookup

    search, quick = policy._get_possible_keys, RuleLookup(policy)
    looks: list[tuple[int, int]] = []

    def both(lookup: dict[str, str], states: list[Any]) -> set[str]:
        expected, found = search(lookup, states), quick(lookup, states)
        assert found == expected
        looks.append((len(expected), len(lookup)))
        return expected

    policy._get_possible_keys = both
    walk = Walk(agent, seed)
    for _ in range(40):
        walk.turn(compare=False)
    assert len(looks) > 100
    assert any(found for found, _ in looks)
    assert all(found < all_of_them for found, all_of_them in looks if all_of_them > 5)


def test_a_conversation_without_states_rules_nothing_out(policy: RulePolicy) -> None:
    from turns.rules import RuleLookup

    assert RuleLookup(policy)({"[]": "action_listen"}, []) == {"[]"}
