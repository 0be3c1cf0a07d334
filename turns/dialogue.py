"""Rasa as a function: dialogue state and what the customer says in, new state and replies out."""

from __future__ import annotations

import logging

from rasa.core.agent import Agent
from rasa.core.channels.channel import UserMessage

from connectors.message import Json, Outgoing
from turns.action_server import ActionServer, failed_actions
from turns.graph_runner import InlineGraphRunner
from turns.model import Claimed, TurnInput, TurnResult
from turns.replies import ReplyCollector
from turns.tracker_store import dialogue_state

logger = logging.getLogger(__name__)

# The one intent that an opted-out customer is still heard for.
OPT_IN_INTENT = "alta"
STUMBLED_RESPONSE = "utter_tropiezo"
STUMBLED_TEXT = "Perdón, algo falló de nuestro lado. Una persona del equipo te va a contestar."
STUMBLED_EFFECT = {"effect": "handover", "reason": "el bot no pudo contestar"}


class RasaDialogue:
    """Runs turns on a loaded agent, in this process."""

    def __init__(self, agent: Agent, action_timeout: float) -> None:
        if agent.processor is None:
            raise ValueError("the agent has no model loaded")
        self._processor = agent.processor
        self._processor.graph_runner = InlineGraphRunner.from_runner(self._processor.graph_runner)
        if agent.action_endpoint is not None:
            self._processor.action_endpoint = ActionServer(agent.action_endpoint, action_timeout)

    async def run(self, work: Claimed, turn: TurnInput, channel_name: str) -> TurnResult:
        """Parse, predict, act; collect what would be said. Failures of actions end in an apology and a person."""
        collector = ReplyCollector(channel_name)
        message = UserMessage(
            turn.text, collector, work.key, input_channel=channel_name, message_id=str(turn.message_ids[-1]),
            metadata=turn.metadata,
        )
        failures: list[str] = []
        token = failed_actions.set(failures)
        try:
            with dialogue_state(work.dialogue) as state:
                message.parse_data = await self._processor.parse_message(message)
                intent = message.parse_data["intent"]["name"]
                if work.opted_out and intent != OPT_IN_INTENT:
                    return TurnResult(dialogue=work.dialogue, silent="opted_out")
                await self._processor.handle_message(message)
                document: Json = state["document"]
        finally:
            failed_actions.reset(token)
        replies, effects = tuple(collector.replies), tuple(collector.effects)
        if failures or not replies:
            logger.warning("turn without an answer action=stumble thread=%s failed=%s", work.thread, ",".join(failures))
            return TurnResult(dialogue=document, replies=(*replies, self._apology()), effects=(*effects, STUMBLED_EFFECT))
        return TurnResult(dialogue=document, replies=replies, effects=effects)

    def stumbled(self, work: Claimed) -> TurnResult:
        """Leave the dialogue as it was, apologise, call a person."""
        return TurnResult(dialogue=work.dialogue, replies=(self._apology(),), effects=(STUMBLED_EFFECT,))

    def _apology(self) -> Outgoing:
        variations = self._processor.domain.responses.get(STUMBLED_RESPONSE) or [{}]
        return Outgoing(text=variations[0].get("text") or STUMBLED_TEXT)
