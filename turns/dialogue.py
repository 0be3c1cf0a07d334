"""Rasa as a function: dialogue state and what the customer says in, new state and replies out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from rasa.core.agent import Agent
from rasa.core.channels.channel import UserMessage
from rasa.exceptions import ActionLimitReached
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME
from rasa.shared.core.trackers import DialogueStateTracker

from connectors.message import Outgoing
from turns.action_server import ActionServer, TurnCalls, check_answers_once_built, turn_calls
from turns.graph_runner import InlineGraphRunner
from turns.incoming import next_turn
from turns.model import Claimed, TurnInput, TurnResult
from turns.quiet import copy_nothing_for_debug
from turns.replies import ReplyCollector
from turns.tracker import dump
from turns.tracker_store import dialogue_state

logger = logging.getLogger(__name__)

# The one intent that an opted-out customer is still heard for.
OPT_IN_INTENT = "alta"
# What is said of being written to, and how it is confirmed: that needs no action server.
CONSENTS = {"baja": ("out", "utter_baja_confirmada"), OPT_IN_INTENT: ("in", "utter_alta_confirmada")}
# Surer than in a turn (config.yml says how sure that is): no answer tells the customer what was understood. docs/nlu.md
SURE_OF_CONSENT = 0.6
STUMBLED_RESPONSE = "utter_tropiezo"
STUMBLED_TEXT = "Perdón, algo falló de nuestro lado. Una persona del equipo te va a contestar."
CLOSED_RESPONSE = "utter_fuera_de_horario"
STUMBLED_EFFECT = {"effect": "handover", "reason": "el bot no pudo contestar"}


class _Step:
    """Rasa's own work never waits, so twenty turns at once would hold the loop, and every webhook, for all twenty.

    One step at a time, and the loop comes round between two of them.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, *_error: object) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            self._lock.release()


class RasaDialogue:
    """Runs turns on a loaded agent, in this process."""

    def __init__(self, agent: Agent, action_timeout: float, opening: Callable[[], str | None] = lambda: None) -> None:
        """``action_timeout``: seconds that all actions of one turn may take together. ``opening``: when a person answers, in
        words; None while somebody is there."""
        if agent.processor is None:
            raise ValueError("the agent has no model loaded")
        self._action_timeout = action_timeout
        self._opening = opening
        self._step = _Step()
        self._processor = agent.processor
        # Half of Rasa stands behind it: only where a model is loaded, and it with that.
        from rasa.core.policies.rule_policy import RulePolicy

        from turns.decisions import remembering
        from turns.rules import quicken

        copy_nothing_for_debug()
        runner = InlineGraphRunner.from_runner(self._processor.graph_runner)
        for policy in runner.components(RulePolicy):
            quicken(policy)
        self._processor.graph_runner = remembering(runner, self._processor.model_metadata.core_target)
        # Rasa asks it for every message, and writes the whole domain down to tell.
        self._processor.domain.is_empty = partial(bool, self._processor.domain.is_empty())
        if agent.action_endpoint is not None:
            self._processor.action_endpoint = ActionServer(agent.action_endpoint)
            check_answers_once_built()

    async def run(self, work: Claimed, turn: TurnInput, channel_name: str) -> TurnResult:
        """Parse, predict, act; collect what would be said. Failures of actions end in an apology and a person."""
        collector = ReplyCollector(channel_name)
        text = await self._telling(work, turn)
        message = UserMessage(
            text, collector, work.key, input_channel=channel_name, message_id=str(turn.message_ids[-1]),
            # A session that starts with this message learns from it who writes, and need not ask the CRM.
            metadata={**turn.metadata, "customer": work.client},
        )
        calls = TurnCalls(time.monotonic() + self._action_timeout)
        token = turn_calls.set(calls)
        try:
            with dialogue_state(work.dialogue):
                async with self._step:
                    message.parse_data = await self._processor.parse_message(message)
                intent = message.parse_data["intent"]
                if work.opted_out and intent["name"] != OPT_IN_INTENT:
                    return TurnResult(dialogue=work.dialogue, silent="opted_out")
                if not work.opted_out and intent["name"] == OPT_IN_INTENT and intent["confidence"] < SURE_OF_CONSENT:
                    # Who never left hardly asks to come back: more likely it was not understood.
                    message.parse_data["intent"] = {**intent, "name": DEFAULT_NLU_FALLBACK_INTENT_NAME}
                tracker = await self._processor.log_message(message, should_save_tracker=False)
                tracker = await self._processor.run_action_extract_slots(collector, tracker)
                finished = await self._act(tracker, collector, calls.failed)
        finally:
            turn_calls.reset(token)
        if not finished or not collector.replies:
            logger.warning("turn without an answer action=stumble thread=%s failed=%s", work.thread, ",".join(calls.failed))
            return self._consented(work, message.parse_data["intent"]["name"]) or self.stumbled(work)
        async with self._step:
            document = dump(tracker, self._processor.domain)
        return TurnResult(dialogue=document, replies=tuple(collector.replies), effects=tuple(collector.effects))

    async def _act(self, tracker: DialogueStateTracker, collector: ReplyCollector, failures: list[str]) -> bool:
        """Predict and act until the bot listens again; False when an action failed, or it would never listen.

        Rasa's own loop goes on after a failure, with the action's events lost: the same action up to ten times.
        """
        processor = self._processor
        while processor._should_handle_message(tracker):
            try:
                async with self._step:
                    action, prediction = processor.predict_next_with_tracker_if_should(tracker)
            except ActionLimitReached:
                return False
            again = await processor._run_action(action, tracker, collector, processor.nlg, prediction)
            if failures:
                return False
            if not again:
                return True
        return True

    async def _telling(self, work: Claimed, turn: TurnInput) -> str:
        """The turn's words; of several messages at once ("BAJA", "gracias") a "baja", or after one an "alta", alone counts."""
        asked = None
        if len(turn.message_ids) > 1:
            for said in (next_turn([message]) for message in work.inbound if message.id in turn.message_ids):
                if consent := await self.consent(said):
                    asked = said.text if asked or consent == ("in" if work.opted_out else "out") else None
        return asked or turn.text

    def _consented(self, work: Claimed, intent: str) -> TurnResult | None:
        """A "baja" or "alta" counts also while no action can be carried out."""
        if intent not in CONSENTS:
            return None
        consent, response = CONSENTS[intent]
        replies = (Outgoing(text=text),) if (text := self._response(response)) else ()
        return TurnResult(dialogue=work.dialogue, replies=replies, effects=({"effect": f"opt_{consent}"},))

    async def consent(self, turn: TurnInput) -> str | None:
        """Whether words that get no answer ask for no more messages ("out") or for them again ("in"); None: not surely."""
        async with self._step:
            parsed = await self._processor.parse_message(UserMessage(turn.text))
        intent = parsed["intent"]
        return CONSENTS[intent["name"]][0] if intent["name"] in CONSENTS and intent["confidence"] >= SURE_OF_CONSENT else None

    def stumbled(self, work: Claimed) -> TurnResult:
        """Leave the dialogue as it was before the turn, apologise, call a person."""
        replies = [Outgoing(text=self._response(STUMBLED_RESPONSE) or STUMBLED_TEXT)]
        if (when := self._opening()) and (told := self._response(CLOSED_RESPONSE)):
            replies.append(Outgoing(text=told.replace("{cuando}", when)))
        return TurnResult(dialogue=work.dialogue, replies=tuple(replies), effects=(STUMBLED_EFFECT,))

    def _response(self, name: str) -> str | None:
        text: str | None = (self._processor.domain.responses.get(name) or [{}])[0].get("text")
        return text
