"""The bounded dialogue state decides what the whole conversation would decide, and stays small."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from rasa.shared.core.constants import ACTION_DEACTIVATE_LOOP_NAME, ACTION_LISTEN_NAME
from rasa.shared.core.events import (
    ActionExecuted,
    ActionExecutionRejected,
    ActiveLoop,
    BotUttered,
    Event,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker

from turns import tracker as documents
from turns.graph_runner import InlineGraphRunner

if TYPE_CHECKING:
    from rasa.core.agent import Agent
    from rasa.shared.core.domain import Domain

# Rasa and what it stands on are frozen: their warnings about newer libraries are no news.
pytestmark = pytest.mark.filterwarnings("ignore")
TURNS = 300
# What these lead to hangs on the slots `oferta` and `confirmando` and on the form, all set by what was said at any time before.
ANSWERS = ("afirmar", "negar")
ASKED = ("preguntar_bot", "preguntar_precio", "dar_datos", "hacer_pedido")
ENTITIES = {"producto": "árnica", "cantidad": "2", "nombre": "Ana", "adjunto": "imagen"}


def said(intent: str, chance: random.Random) -> UserUttered:
    entities = [{"entity": name, "value": value} for name, value in ENTITIES.items() if chance.random() < 0.15]
    return UserUttered(f"/{intent}", {"name": intent, "confidence": 0.9}, entities, input_channel="instagram", message_id="1")


class Walk:
    """A random conversation, kept whole and kept bounded, whose actions are those that the policies predict."""

    def __init__(self, agent: Agent, seed: int) -> None:
        assert agent.processor is not None
        self.processor, self.domain = agent.processor, agent.processor.domain
        self.chance = random.Random(seed)
        self.whole = DialogueStateTracker("walk", self.domain.slots)
        self.document: Any = None
        self.coming: list[str] = []
        self.sizes: list[int] = []
        self.rejections = 0
        self._add([ActionExecuted("action_session_start"), ActionExecuted("action_listen")], self.whole)

    def _add(self, events: list[Event], *trackers: DialogueStateTracker) -> None:
        for tracker in trackers:
            for event in events:
                tracker.update(event, self.domain)

    def turn(self, *, compare: bool) -> None:
        bounded = documents.load(self.document, "walk", self.domain) if self.document else self.whole.copy()
        message = said(self._intent(), self.chance)
        self._add([message], self.whole, bounded)
        self._add(self._mapped(), self.whole, bounded)
        for _ in range(10):
            prediction = self.processor._predict_next_with_tracker(bounded)
            action = self.domain.action_names_or_texts[prediction.max_confidence_index]
            if compare:
                whole = self.processor._predict_next_with_tracker(self.whole)
                expected = self.domain.action_names_or_texts[whole.max_confidence_index]
                assert action == expected, f"after {len(self.sizes)} turns: whole {expected}, bounded {action}"
                assert prediction.probabilities == pytest.approx(whole.probabilities)
            if self._rejects(action):
                rejected = ActionExecutionRejected(action, prediction.policy_name, prediction.max_confidence)
                self._add([rejected], self.whole, bounded)
                self.rejections += 1
                continue
            executed = ActionExecuted(
                action, prediction.policy_name, prediction.max_confidence, hide_rule_turn=prediction.hide_rule_turn
            )
            self._add([*prediction.events, executed], self.whole, bounded)
            self._add(self._consequences(action), self.whole, bounded)
            if action == "action_listen":
                break
        else:
            self._add([ActionExecuted("action_listen")], self.whole, bounded)
        self.document = json.loads(json.dumps(documents.dump(bounded, self.domain)))
        self.sizes.append(len(json.dumps(self.document)))

    def _rejects(self, action: str) -> bool:
        """Whether the open form finds no answer in the message, so that the rules decide: at random."""
        asked = action == self.whole.active_loop_name and self.whole.latest_action_name == ACTION_LISTEN_NAME
        return asked and not self.whole.is_active_loop_rejected and self.chance.random() < 0.5

    def _intent(self) -> str:
        """Anything, and after it one answer, up to so often that what it answers is older than the bounded state."""
        if not self.coming:
            first = self.chance.choice(ASKED if self.chance.random() < 0.5 else [*self.domain.intents])
            answers = [self.chance.choice(ANSWERS)] * self.chance.randint(0, documents.MAX_TURNS + 2)
            self.coming = [first, *answers]
        return self.coming.pop(0)

    def _mapped(self) -> list[Event]:
        """The slots that Rasa fills from the message, by the domain's mappings."""
        from rasa.core.actions.action import ActionExtractSlots
        from rasa.core.channels.channel import CollectingOutputChannel

        extraction = ActionExtractSlots(None).run(CollectingOutputChannel(), self.processor.nlg, self.whole, self.domain)
        return asyncio.run(extraction)

    def _consequences(self, action: str) -> list[Event]:
        """What actions leave in the tracker, at random: data that wait for a yes, form opened, asked on, and closed."""
        if action == ACTION_DEACTIVATE_LOOP_NAME:
            return [ActiveLoop(None), SlotSet("requested_slot", None)]
        if action in ("action_guardar_datos", "action_confirmar_datos", "action_corregir_datos"):
            # Also those that end the waiting, lest it never outlast the state's turns.
            return [SlotSet("confirmando", self.chance.random() < 0.9)]
        if action not in self.domain.form_names:
            return [BotUttered("…")] if action.startswith("utter_") else []
        if self.whole.active_loop_name is None:
            return [ActiveLoop(action), SlotSet("requested_slot", "cantidad")]
        if self.chance.random() < 0.4:
            return [ActiveLoop(None), SlotSet("requested_slot", None)]
        return [SlotSet("requested_slot", self.chance.choice(["producto", "cantidad"]))]


@pytest.mark.parametrize(("seed", "turns"), [(0, TURNS), (1, TURNS), *((seed, 40) for seed in range(2, 8))])
def test_the_policies_decide_the_same_on_the_bounded_state(agent: Agent, seed: int, turns: int) -> None:
    assert agent.processor is not None
    agent.processor.graph_runner = InlineGraphRunner.from_runner(agent.processor.graph_runner)
    walk = Walk(agent, seed)
    for number in range(turns):
        # The whole conversation is slow to predict on: it is asked at every turn at first, then at every 29th and the last.
        walk.turn(compare=number < 30 or number % 29 == 0 or number == turns - 1)
    assert turns < TURNS or walk.rejections >= 10  # in an open order the rules decided, too
    early, late = max(walk.sizes[10:30]), max(walk.sizes[-50:])
    assert late <= early * 1.5, f"the state grew from {early} to {late} bytes"


def test_no_rule_is_longer_than_the_state(agent: Agent) -> None:
    assert agent.processor is not None
    policies = [
        getattr(node, "_component", None)
        for node in InlineGraphRunner.from_runner(agent.processor.graph_runner)._nodes.values()
    ]
    (rules,) = [policy for policy in policies if type(policy).__name__ == "RulePolicy"]
    keys = [key for kind in ("rules", "rules_for_loop_unhappy_path") for key in rules.lookup[kind]]
    turns = [
        sum(state.get("prev_action", {}).get("action_name") == "action_listen" for state in json.loads(key)) for key in keys
    ]
    assert keys
    assert max(turns) <= documents.MAX_TURNS


def test_the_inline_runner_gives_what_rasas_runner_gives(agent: Agent, model_file: Any) -> None:
    from rasa.core.agent import Agent as RasaAgent
    from rasa.core.channels.channel import UserMessage

    stock = RasaAgent.load(str(model_file))
    assert stock.processor is not None
    assert agent.processor is not None
    inline = InlineGraphRunner.from_runner(agent.processor.graph_runner)
    for text in ("hola", "cuánto cuesta la árnica?", "quiero 2 frascos de valeriana", "/alta", ""):
        agent.processor.graph_runner = inline
        ours = agent.processor._parse_message_with_graph(UserMessage(text), DialogueStateTracker.from_events("x", []))
        theirs = stock.processor._parse_message_with_graph(UserMessage(text), DialogueStateTracker.from_events("x", []))
        assert ours["intent"] == theirs["intent"]
        assert ours["entities"] == theirs["entities"]


def test_state_before_the_cut_lives_on_in_slots_and_form(agent: Agent) -> None:
    assert agent.processor is not None
    domain: Domain = agent.processor.domain
    tracker = DialogueStateTracker("x", domain.slots)
    events: list[Event] = [
        ActionExecuted("action_listen"),
        UserUttered("quiero árnica"),
        SlotSet("producto", "árnica"),
        SlotSet("oferta", "humano"),
        SlotSet("confirmando", True),
        ActiveLoop("pedido_form"),
    ]
    for _ in range(20):
        events += [ActionExecuted("action_listen"), UserUttered("hola")]
    for event in [*events, ActionExecuted("action_listen")]:
        tracker.update(event, domain)
    again = documents.load(json.loads(json.dumps(documents.dump(tracker, domain))), "x", domain)
    assert again.active_loop_name == "pedido_form"
    assert {name: again.get_slot(name) for name in ("producto", "oferta", "confirmando")} == {
        "producto": "árnica", "oferta": "humano", "confirmando": True,
    }  # fmt: skip
    assert sum(isinstance(event, UserUttered) for event in again.events) == documents.MAX_TURNS
