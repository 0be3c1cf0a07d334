from __future__ import annotations

import numpy as np
import pytest

from nlu.ngram_model import Model, blocks, fit

LINES = {
    "saludar": ["hola", "buenas tardes", "buenos dias", "que tal", "hola buenas"],
    "precio": ["cuanto cuesta el xproductox", "precio de la xproductox", "que precio tiene", "a como el frasco", "cuanto vale"],
    "adios": ["adios", "hasta luego", "nos vemos", "bye", "hasta mañana"],
}


@pytest.fixture(scope="module")
def model() -> Model:
    lines = [(line, label) for label, lines in LINES.items() for line in lines]
    return fit([blocks(line.split(), 4) for line, _ in lines], [label for _, label in lines], 20, 300)


def best(model: Model, text: str) -> str:
    return model.labels[int(np.argmax(model.confidences(blocks(text.split(), 4))))]


def test_pieces_of_a_mistyped_word_are_enough(model: Model) -> None:
    assert best(model, "presio del xproductox") == "precio"
    assert best(model, "hasta manana") == "adios"


def test_confidences_sum_to_one(model: Model) -> None:
    assert model.confidences(blocks(["hola", "precio"], 4)).sum() == pytest.approx(1)


def test_words_never_seen_leave_it_unsure(model: Model) -> None:
    assert model.confidences(blocks(["ξξξ", "ψψψ"], 4)).max() < 0.5


def test_no_words_leave_it_unsure(model: Model) -> None:
    assert model.confidences(blocks([], 4)).max() < 0.5


def test_training_twice_gives_the_same_model() -> None:
    messages, labels = [blocks(["hola"], 3), blocks(["adios"], 3), blocks(["precio"], 3)], ["a", "b", "c"]
    first, second = (fit(messages, labels, 20, 100).confidences(blocks(["hola"], 3)) for _ in range(2))
    assert (first == second).all()


def test_two_intents_are_enough() -> None:
    model = fit([blocks(["hola"], 3), blocks(["adiós"], 3)] * 3, ["hola", "adiós"] * 3, 20, 100)
    confidences = model.confidences(blocks(["hola"], 3))
    assert model.labels[int(np.argmax(confidences))] == "hola"
    assert confidences.sum() == pytest.approx(1)


def test_a_long_message_stays_within_its_numbers() -> None:
    model = fit([blocks(["a"], 3), blocks(["b"], 3), blocks(["c"], 3)], ["a", "b", "c"], 20, 100)
    assert np.isfinite(model.confidences(blocks(["a"] * 5000, 3))).all()
