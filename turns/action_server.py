"""The way to the action server: our time limit, and a note of what failed, which Rasa itself swallows."""

from __future__ import annotations

import asyncio
import logging
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from jsonschema.validators import validator_for  # type: ignore[import-untyped]
from rasa.core.actions.action import RemoteAction
from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME
from rasa.utils.endpoints import ClientResponseError, EndpointConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TurnCalls:
    """The action calls of one turn: when the time for all of them is over (monotonic clock), and the actions that failed."""

    deadline: float
    failed: list[str] = field(default_factory=list)


# Of the turn under way; set by the dialogue before it runs one.
turn_calls: ContextVar[TurnCalls] = ContextVar("turn_calls")


class ActionServer(EndpointConfig):
    """An action endpoint that gives up in time and remembers failures. Everything else is Rasa's."""

    def __init__(self, endpoint: EndpointConfig) -> None:
        super().__init__(
            endpoint.url, endpoint.params, endpoint.headers, endpoint.basic_auth, endpoint.token, endpoint.token_name,
            endpoint.cafile, **endpoint.kwargs,
        )

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        """Run one action. A failed session start falls back to Rasa's own, so that the conversation goes on."""
        calls = turn_calls.get()
        call = kwargs.get("json") or {}
        action = str(call.get("next_action"))
        try:
            # The limit is the turn's: of a server that hangs, each action would take all of it, and the customer waits.
            answer = await asyncio.wait_for(super().request(*args, **kwargs), max(0.0, calls.deadline - time.monotonic()))
            if not isinstance(answer, dict):
                raise ValueError("the action server's answer is not a JSON object")
            return answer
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError) as error:
            # 400 is how the SDK says that an action refused to run: Rasa knows what to do with it.
            if isinstance(error, ClientResponseError) and error.status == 400:
                raise
            logger.warning("action failed action=%s error=%s", action, type(error).__name__)
            if action == ACTION_SESSION_START_NAME:
                return _plain_session_start(call)
            calls.failed.append(action)
            raise


def check_answers_once_built() -> None:
    """Let Rasa check the action server's answers against its schema, but not the schema itself each time, nor each event
    against the shapes of all others.

    The check of one answer takes 28 ms as Rasa does it, most of it on the unchanging schema.
    """
    schema = RemoteAction.action_response_format_spec()
    make = validator_for(schema)
    whole, events = make(schema), schema["properties"]["events"]["items"]
    kinds = {shape["properties"]["event"]["const"]: make(shape) for shape in events["oneOf"]}
    any_kind = {name: value for name, value in events.items() if name != "oneOf"}
    rest = make({**schema, "properties": {**schema["properties"], "events": {"type": "array", "items": any_kind}}})

    def is_plain(answer: dict[str, Any]) -> bool:
        return bool(rest.is_valid(answer)) and all(
            event["event"] in kinds and kinds[event["event"]].is_valid(event) for event in answer.get("events", ())
        )

    def validate(_action: RemoteAction, result: dict[str, Any]) -> bool:
        if not is_plain(result):
            # It says what is wrong.
            whole.validate(result)
        return True

    RemoteAction._validate_action_result = validate


def _plain_session_start(call: dict[str, Any]) -> dict[str, Any]:
    slots = call.get("tracker", {}).get("slots", {})
    kept = [{"event": "slot", "name": name, "value": value} for name, value in slots.items() if value is not None]
    return {"events": [{"event": "session_started"}, *kept, {"event": "action", "name": ACTION_LISTEN_NAME}], "responses": []}
