"""The numbers behind the intent classifier: tf-idf of words and letters, one linear model. Knows nothing of Rasa.

A message costs a dictionary look-up per n-gram and one small product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

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
