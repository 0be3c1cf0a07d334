"""The classifier inside Rasa: it trains, is stored, answers the same, and understands customers it never met."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.stack import PROJECT

if TYPE_CHECKING:
    from rasa.core.agent import Agent

    from nlu.intent_classifier import NgramIntentClassifier

# Rasa, TensorFlow and Keras warn of themselves while they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")

LINES = {
    "saludar": ["hola", "buenas tardes", "buenos días", "qué tal", "hola buenas"],
    "precio": ["cuánto cuesta el árnica", "precio de la tila", "qué precio tiene", "a cómo el frasco", "cuánto vale"],
    "adiós": ["adiós", "hasta luego", "nos vemos", "bye", "hasta mañana"],
}


def _data(lines: dict[str, list[str]]) -> Any:
    from rasa.shared.nlu.training_data.message import Message
    from rasa.shared.nlu.training_data.training_data import TrainingData

    examples = [Message(data={"text": line, "intent": intent}) for intent, texts in lines.items() for line in texts]
    return TrainingData(examples, lookup_tables=[{"name": "producto", "elements": ["árnica", "tila", "romero"]}])


def _trained(folder: Path, lines: dict[str, list[str]]) -> tuple[NgramIntentClassifier, NgramIntentClassifier]:
    """The component after its training, and as it is read back from the model."""
    from rasa.engine.graph import ExecutionContext, GraphSchema
    from rasa.engine.storage.local_model_storage import LocalModelStorage
    from rasa.engine.storage.resource import Resource

    from nlu.intent_classifier import NgramIntentClassifier

    storage, context = LocalModelStorage.create(folder), ExecutionContext(GraphSchema({}))
    trained = NgramIntentClassifier.create({}, storage, Resource("intents"), context)
    trained.train(_data(lines))
    return trained, NgramIntentClassifier.load({}, storage, Resource("intents"), context)


def _ask(classifier: NgramIntentClassifier, text: str | None) -> Any:
    from rasa.shared.nlu.training_data.message import Message

    return classifier.process([Message(data={"text": text})])[0]


def test_a_stored_model_answers_the_same(tmp_path: Path) -> None:
    trained, loaded = _trained(tmp_path, LINES)
    for text in ("hola", "a cómo la tila", "bye bye", "otra cosa"):
        assert _ask(loaded, text).get("intent_ranking") == _ask(trained, text).get("intent_ranking")


def test_a_product_of_the_table_that_no_example_names_is_understood(tmp_path: Path) -> None:
    _, loaded = _trained(tmp_path, LINES)
    message = _ask(loaded, "cuanto kuesta el romero")
    assert message.get("intent")["name"] == "precio"
    assert message.get("intent") == message.get("intent_ranking")[0]


def test_no_text_has_no_intent(tmp_path: Path) -> None:
    _, loaded = _trained(tmp_path, LINES)
    for text in ("", "   ", None):
        assert _ask(loaded, text).get("intent") == {"name": None, "confidence": 0.0}


def test_without_examples_it_trains_loads_and_knows_nothing(tmp_path: Path) -> None:
    for classifier in _trained(tmp_path, {}):
        assert _ask(classifier, "hola").get("intent")["name"] is None


async def test_a_greeting_gives_way_to_the_question_that_comes_with_it(agent: Agent) -> None:
    asked = {
        "hola buenas tardes precio?": "preguntar_precio",
        "hola\nbuenas tardes\ncuánto cuesta": "preguntar_precio",
        "buenas noches info": "preguntar_producto",
        "hola amiga buenas tardes": "saludar",
        "hola 👋": "saludar",
        "hola otra vez": "saludar",
        "buenas tardes joven": "saludar",
    }
    told = {text: (await agent.parse_message(text))["intent"]["name"] for text in asked}
    assert told == asked


# First readings of these lines, before anything was learnt from them, were right in 93 of 100 (docs/nlu.md).
async def test_nine_of_ten_unseen_lines_are_understood_and_few_wrong_ones_are_acted_on(agent: Agent) -> None:
    from rasa.shared.importers.utils import training_data_from_paths

    unseen = training_data_from_paths([str(PROJECT / "tests/nlu_holdout.yml")], "es").intent_examples
    told = [(line.get("intent"), (await agent.parse_message(line.get("text")))["intent"]["name"]) for line in unseen]
    right = sum(wanted == got for wanted, got in told)
    acted_on_wrong = sum(wanted != got != "nlu_fallback" for wanted, got in told)
    assert right / len(told) > 0.9
    assert acted_on_wrong / len(told) < 0.06
