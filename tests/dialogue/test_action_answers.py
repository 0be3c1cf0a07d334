"""An action server's answer is taken or refused as Rasa takes or refuses it."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import ValidationError, validate

pytestmark = pytest.mark.filterwarnings("ignore")

TAKEN: list[dict[str, Any]] = [
    {},
    {"events": [], "responses": []},
    {"events": [{"event": "session_started"}, {"event": "slot", "name": "producto", "value": None}]},
    {"events": [{"event": "action", "name": "action_listen"}, {"event": "followup", "name": "action_ara"}]},
    {"events": [{"event": "user", "text": None, "parse_data": {"intent": {"name": "saludar", "confidence": 1}}}]},
    {"responses": [{"text": "hola"}, {"custom": {"effect": "handover"}}]},
]
REFUSED: list[dict[str, Any]] = [
    {"events": None},
    {"events": {}},
    {"events": ["slot"]},
    {"events": [{"name": "producto"}]},
    {"events": [{"event": 1}]},
    {"events": [{"event": "slot", "name": "producto"}]},
    {"events": [{"event": "slot", "name": 3, "value": 1}]},
    {"events": [{"event": "nothing that Rasa knows"}]},
    {"events": [{"event": "session_started"}, {"event": "slot", "timestamp": "now", "name": "x", "value": 1}]},
    {"responses": {}},
    {"responses": ["hola"]},
]


@pytest.fixture(scope="module")
def action() -> Any:
    from rasa.core.actions.action import RemoteAction

    from turns.action_server import check_answers_once_built

    theirs = RemoteAction._validate_action_result
    check_answers_once_built()
    yield RemoteAction("action_ara", None)
    RemoteAction._validate_action_result = theirs


@pytest.mark.parametrize("answer", TAKEN, ids=str)
def test_a_good_answer_is_taken(action: Any, answer: dict[str, Any]) -> None:
    validate(answer, action.action_response_format_spec())
    assert action._validate_action_result(answer)


@pytest.mark.parametrize("answer", REFUSED, ids=str)
def test_a_bad_answer_is_refused_and_told_why(action: Any, answer: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validate(answer, action.action_response_format_spec())
    with pytest.raises(ValidationError) as ours:
        action._validate_action_result(answer)
    assert ours.value.message
