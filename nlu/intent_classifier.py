"""An intent classifier that is small, quick and good with little data.

It needs no tokenizer and no featurizer. How it compares with Rasa's own pipelines, measured: docs/nlu.md.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from nlu.chat_spanish import Speller, after_greeting, placeholder_pattern
from nlu.ngram_model import Block, Model, blocks, fit


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class NgramIntentClassifier(GraphComponent, IntentClassifier):
    """Rasa's side of it: trains from the NLU examples and lookup tables, writes ``intent`` and ``intent_ranking``."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """``longest_piece`` in letters; ``strength`` is the inverse of the regularisation; ``ranking`` how many are listed.

        ``greeting`` is the intent that gives way to a question in the same message, if that is at least ``clear`` by itself.
        """
        return {"longest_piece": 4, "strength": 20.0, "max_iter": 300, "ranking": 10, "greeting": "saludar", "clear": 0.6}

    @staticmethod
    def required_packages() -> list[str]:
        """What must be installed."""
        return ["sklearn", "scipy", "numpy"]

    def __init__(self, config: dict[str, Any], storage: ModelStorage, resource: Resource) -> None:
        self._config = config
        self._storage = storage
        self._resource = resource
        self._speller = Speller("", {})
        self._model: Model | None = None

    @classmethod
    def create(
        cls, config: dict[str, Any], model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext
    ) -> NgramIntentClassifier:
        """Make an untrained component."""
        return cls({**cls.get_default_config(), **config}, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Learn from the examples; without any, every message has no intent."""
        tables = ((table["name"], table["elements"]) for table in training_data.lookup_tables)
        names = {name: words for name, words in tables if isinstance(words, list)}  # a string would be a file's path
        pattern, placeholders = placeholder_pattern(names)
        self._speller = Speller(pattern, placeholders)
        examples = [e for e in training_data.intent_examples if e.get("text") and e.get("intent")]
        intents = [e.get("intent") for e in examples]
        if len(set(intents)) > 1:
            parts = [self._parts(self._speller.words(e.get("text"))) for e in examples]
            self._model = fit(parts, intents, self._config["strength"], self._config["max_iter"])
            self._save(pattern, placeholders)
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        """Give each message its intent, with a confidence between 0 and 1, and the ranking."""
        for message in messages:
            ranking = self._rank(message.get("text") or "")
            message.set("intent", ranking[0] if ranking else {"name": None, "confidence": 0.0}, add_to_output=True)
            message.set("intent_ranking", ranking, add_to_output=True)
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Do the same for the examples (other components may look at them)."""
        self.process(training_data.training_examples)
        return training_data

    def _parts(self, words: list[str]) -> tuple[Block, Block]:
        return blocks(words, self._config["longest_piece"])

    def _rank(self, text: str) -> list[dict[str, Any]]:
        if self._model is None or not text.strip():
            return []
        words = self._speller.words(text)
        ranking = self._ranked(self._model, words)
        # "hola buenas tardes precio?" asks for a price: the greeting is what most of its letters say, not what it is about.
        if ranking[0]["name"] == self._config["greeting"] and (rest := after_greeting(words)) != words:
            of_rest = self._ranked(self._model, rest)
            if of_rest[0]["name"] != self._config["greeting"] and of_rest[0]["confidence"] >= self._config["clear"]:
                return of_rest
        return ranking

    def _ranked(self, model: Model, words: list[str]) -> list[dict[str, Any]]:
        confidences = model.confidences(self._parts(words))
        best = np.argsort(-confidences)[: self._config["ranking"]]
        return [{"name": model.labels[at], "confidence": float(confidences[at])} for at in best]

    def _save(self, pattern: str, placeholders: dict[str, str]) -> None:
        model = self._model
        assert model is not None  # noqa: S101  only called after fit
        words = {"labels": model.labels, "vocabulary": list(model.vocabulary), "pattern": pattern, "placeholders": placeholders}
        with self._storage.write_to(self._resource) as folder:
            (folder / "words.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
            np.savez(folder / "numbers.npz", rarity=model.rarity, weights=model.weights, bias=model.bias)

    @classmethod
    def load(
        cls, config: dict[str, Any], model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> NgramIntentClassifier:
        """Read a trained component back. Raises ``ValueError`` when the model holds none."""
        component = cls({**cls.get_default_config(), **config}, model_storage, resource)
        try:
            with model_storage.read_from(resource) as folder:
                words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
                with np.load(folder / "numbers.npz") as numbers:
                    arrays = {name: numbers[name] for name in ("rarity", "weights", "bias")}
        except ValueError:
            return component  # trained without examples: nothing was stored
        component._speller = Speller(words["pattern"], words["placeholders"])
        vocabulary = {gram: column for column, gram in enumerate(words["vocabulary"])}
        component._model = Model(words["labels"], vocabulary, arrays["rarity"], arrays["weights"], arrays["bias"])
        return component
