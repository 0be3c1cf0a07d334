"""An intent classifier that is small, quick and good with little data: tf-idf of words and letters, one linear model.

It needs no tokenizer and no featurizer: a message costs a dictionary look-up per n-gram and one small product. How it
compares with Rasa's own pipelines, measured: docs/nlu.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from nlu.chat_spanish import Speller, placeholder_pattern

Floats = NDArray[np.float32]
Block = Counter[str]


def blocks(words: list[str], longest: int) -> tuple[Block, Block]:
    """What a message is made of: words and pairs of words, and pieces of 2 to ``longest`` letters inside each word."""
    terms: Block = Counter(words)
    terms.update(f"{first} {second}" for first, second in zip(words, words[1:], strict=False))
    letters: Block = Counter()
    for word in words:
        padded = f"#{word}#"
        for size in range(2, longest + 1):
            letters.update(padded[at : at + size] for at in range(len(padded) - size + 1))
    return terms, letters


class Model:
    """The trained numbers: a vocabulary with its rarity, and one row of weights per n-gram."""

    def __init__(self, labels: list[str], vocabulary: dict[str, int], rarity: Floats, weights: Floats, bias: Floats) -> None:
        self.labels = labels
        self.vocabulary = vocabulary
        self.rarity = rarity
        self.weights = weights
        self.bias = bias

    def confidences(self, parts: Iterable[Block]) -> Floats:
        """One confidence per label; they sum to 1."""
        columns, values = weigh(parts, self.vocabulary, self.rarity)
        scores = self.bias + values @ self.weights[columns] if len(columns) else self.bias
        odds = np.exp(scores - scores.max())
        return np.asarray(odds / odds.sum(), dtype=np.float32)


def weigh(parts: Iterable[Block], vocabulary: dict[str, int], rarity: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Columns and tf-idf values of a message; each block has length 1, so long and short messages weigh the same."""
    columns: list[int] = []
    values: list[Floats] = []
    for part in parts:
        known = [(vocabulary[gram], count) for gram, count in part.items() if gram in vocabulary]
        if not known:
            continue
        at = [column for column, _ in known]
        value = (1.0 + np.log(np.asarray([count for _, count in known], dtype=np.float32))) * rarity[at]
        columns += at
        values.append(value / np.linalg.norm(value))
    joined = np.concatenate(values) if values else np.empty(0, dtype=np.float32)
    return np.asarray(columns, dtype=np.int64), joined.astype(np.float32)


def fit(messages: list[tuple[Block, Block]], labels: list[str], strength: float, rounds: int) -> Model:
    """Learn vocabulary, rarity and weights. A label that is rare in the examples counts as much as a common one."""
    # The two blocks share one vocabulary: a pair has a blank, a piece of a word never has, a whole word has no #.
    seen = Counter(gram for parts in messages for part in parts for gram in part)
    vocabulary = {gram: column for column, gram in enumerate(sorted(seen))}
    counts = np.asarray([seen[gram] for gram in vocabulary], dtype=np.float32)
    rarity = np.asarray(np.log((1 + len(messages)) / (1 + counts)) + 1, dtype=np.float32)
    rows = [weigh(parts, vocabulary, rarity) for parts in messages]
    starts = np.cumsum([0, *(len(columns) for columns, _ in rows)])
    matrix = csr_matrix(
        (np.concatenate([v for _, v in rows]), np.concatenate([c for c, _ in rows]), starts), shape=(len(rows), len(vocabulary))
    )
    learned = LogisticRegression(C=strength, max_iter=rounds, class_weight="balanced").fit(matrix, labels)
    weights, bias = learned.coef_, learned.intercept_
    if len(learned.classes_) == 2:  # scikit-learn keeps one row for two labels
        weights, bias = np.vstack([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    return Model(
        [str(label) for label in learned.classes_], vocabulary, rarity,
        np.ascontiguousarray(weights.T, dtype=np.float32), np.asarray(bias, dtype=np.float32),
    )


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class NgramIntentClassifier(GraphComponent, IntentClassifier):  # type: ignore[misc]
    """Rasa's side of it: trains from the NLU examples and lookup tables, writes ``intent`` and ``intent_ranking``."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """``longest_piece`` in letters; ``strength`` is the inverse of the regularisation; ``ranking`` how many are listed."""
        return {"longest_piece": 4, "strength": 20.0, "max_iter": 300, "ranking": 10}

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
            parts = [self._parts(e.get("text")) for e in examples]
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

    def _parts(self, text: str) -> tuple[Block, Block]:
        return blocks(self._speller.words(text), self._config["longest_piece"])

    def _rank(self, text: str) -> list[dict[str, Any]]:
        if self._model is None or not text.strip():
            return []
        confidences = self._model.confidences(self._parts(text))
        best = np.argsort(-confidences)[: self._config["ranking"]]
        return [{"name": self._model.labels[at], "confidence": float(confidences[at])} for at in best]

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
