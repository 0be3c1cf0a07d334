"""What a tracker keeps of its past is what Rasa's replay finds there, whatever happened."""

from __future__ import annotations

import ast
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rasa.shared.core import events as kinds
from rasa.shared.core.events import Event
from rasa.shared.core.trackers import DialogueStateTracker

from turns.history import HistoryTracker

if TYPE_CHECKING:
    from rasa.core.agent import Agent
    from rasa.shared.core.domain import Domain

pytestmark = pytest.mark.filterwarnings("ignore")
# Some hide turns, slots and forms from the stories, as a trained rule policy does.
RULE_ONLY: dict[str, list[str]] = {"rule_only_slots": ["oferta"], "rule_only_loops": ["pedido_form"]}


def everyday(domain: Domain, chance: random.Random) -> list[Event]:
    """A customer's line and what follows, as Rasa adds it."""
    intent = chance.choice(domain.intents)
    entities = [{"entity": "producto", "value": "árnica"}] if chance.random() < 0.3 else []
    added: list[Event] = [kinds.UserUttered("hola", {"name": intent, "confidence": 0.9}, entities)]
    for _ in range(chance.randrange(3)):
        slot = chance.choice(domain.slots)
        added.append(kinds.SlotSet(slot.name, chance.choice([None, True, "árnica", slot.initial_value])))
    added.append(kinds.DefinePrevUserUtteredFeaturization(use_text_for_featurization=chance.random() < 0.1))
    for _ in range(chance.randrange(3)):
        action = chance.choice(["utter_saludar", "action_ara", "utter_despedir"])
        added.append(kinds.ActionExecuted(action, hide_rule_turn=chance.random() < 0.4))
        added.append(kinds.BotUttered("…"))
    added.append(kinds.ActionExecuted("action_listen", hide_rule_turn=chance.random() < 0.4))
    return added


def rare(chance: random.Random) -> list[Event]:
    """What happens now and then."""
    choices: list[list[Event]] = [
        [kinds.ActionExecuted("action_session_start"), kinds.SessionStarted(), kinds.ActionExecuted("action_listen")],
        [kinds.FollowupAction("action_ara"), kinds.ActionExecuted("action_ara")],
        [kinds.FollowupAction("action_ara")],
        [kinds.ActionExecutionRejected("pedido_form")],
        [kinds.AllSlotsReset()],
        [kinds.ActiveLoop("pedido_form"), kinds.ActionExecuted("pedido_form"), kinds.ActionExecuted("action_listen")],
        [kinds.ActiveLoop(None)],
        [kinds.LoopInterrupted(True)],
        [kinds.UserUtteranceReverted()],
        [kinds.ActionReverted()],
        [kinds.Restarted()],
        [kinds.ConversationPaused()],
    ]
    return chance.choice(choices)


def replayed(tracker: DialogueStateTracker, domain: Domain) -> DialogueStateTracker:
    """Rasa's own tracker after the same events."""
    return DialogueStateTracker.from_events(tracker.sender_id, list(tracker.events), domain.slots, domain=domain)


def assert_same_past(tracker: DialogueStateTracker, domain: Domain) -> None:
    theirs = replayed(tracker, domain)
    assert tracker.applied_events() == theirs.applied_events()
    options: list[dict[str, Any]] = [
        {}, {"omit_unset_slots": True}, {"ignore_rule_only_turns": True},
        {"ignore_rule_only_turns": True, "rule_only_data": RULE_ONLY},
    ]  # fmt: skip
    for given in options:
        assert tracker.past_states(domain, **given) == theirs.past_states(domain, **given), given


@pytest.mark.parametrize("seed", range(40))
def test_the_states_are_those_of_a_replay_after_every_event(agent: Agent, seed: int) -> None:
    assert agent.processor is not None
    domain, chance = agent.processor.domain, random.Random(seed)
    tracker = HistoryTracker("x", domain)
    kept = 0
    for number in range(12):
        for event in everyday(domain, chance) if number == 0 or chance.random() < 0.8 else rare(chance):
            tracker.update(event, domain)
            assert_same_past(tracker, domain)
            kept += tracker.moments is not None
    assert kept


def test_a_followup_action_that_is_taken_still_counts_in_the_past(agent: Agent) -> None:
    assert agent.processor is not None
    domain = agent.processor.domain
    tracker = HistoryTracker("x", domain)
    before = [
        kinds.ActionExecuted("action_listen"), kinds.UserUttered("hola", {"name": "saludar", "confidence": 0.9}),
        kinds.ActionExecuted("utter_saludar", hide_rule_turn=True), kinds.FollowupAction("action_ara"),
    ]  # fmt: skip
    for event in before:
        tracker.update(event, domain)
    # Rasa takes it before it runs, and tells no event of that.
    tracker.clear_followup_action()
    assert_same_past(tracker, domain)
    tracker.update(kinds.ActionExecuted("action_ara"), domain)
    assert_same_past(tracker, domain)


@pytest.mark.parametrize("seed", range(10))
def test_a_copy_stands_where_the_tracker_stands_and_goes_its_own_way(agent: Agent, seed: int) -> None:
    assert agent.processor is not None
    domain, chance = agent.processor.domain, random.Random(seed)
    tracker = HistoryTracker("x", domain)
    for _ in range(8):
        for event in everyday(domain, chance) if chance.random() < 0.7 else rare(chance):
            tracker.update(event, domain)
        twin, theirs = tracker.copy(), replayed(tracker, domain)
        assert twin.current_state() == theirs.current_state()
        assert [vars(slot) for slot in twin.slots.values()] == [vars(slot) for slot in theirs.slots.values()]
        before = tracker.current_state()
        twin.update(kinds.SlotSet("producto", "valeriana"), domain)
        twin.update(kinds.LoopInterrupted(True), domain)
        assert tracker.current_state() == before


def test_the_states_are_the_callers_to_change(agent: Agent) -> None:
    assert agent.processor is not None
    domain = agent.processor.domain
    tracker = HistoryTracker("x", domain)
    for event in everyday(domain, random.Random(1)):
        tracker.update(event, domain)
    for state in tracker.past_states(domain):
        for part in state.values():
            part.clear()
        state.clear()
    assert_same_past(tracker, domain)


def test_what_is_copied_for_debug_lines_is_copied_for_nothing_else() -> None:
    from turns.quiet import modules

    for module in modules():
        assert module.__file__ is not None
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        lines = [call for call in calls if ast.unparse(call.func) == "structlogger.debug"]
        told = {id(node) for line in lines for node in ast.walk(line)}
        uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "copy"]
        assert uses, module
        assert all(id(node) in told for node in uses), module
