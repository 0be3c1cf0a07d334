"""A failing model is left alone for a while, and nobody asks without end."""

from __future__ import annotations

from ara.budget import Breaker, Budget
from ara.model import ModelRefused, ModelThrottled, ModelTimeout, ModelUnavailable


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_three_failures_in_a_row_pause_the_model():
    clock = Clock()
    breaker = Breaker(clock, failures=3, pause=30)
    for _ in range(2):
        breaker.failed(ModelTimeout("slow"))
    assert breaker.allows()
    breaker.failed(ModelUnavailable("500"))
    assert not breaker.allows()
    clock.now += 30
    assert breaker.allows()
    breaker.failed(ModelTimeout("slow"))
    assert not breaker.allows()


def test_a_success_starts_the_count_anew():
    breaker = Breaker(Clock(), failures=2)
    for _ in range(5):
        breaker.failed(ModelTimeout("slow"))
        breaker.succeeded()
    assert breaker.allows()


def test_a_wrong_key_pauses_at_once_and_longer():
    clock = Clock()
    breaker = Breaker(clock, pause=30, long_pause=300)
    breaker.failed(ModelRefused("401"))
    clock.now += 299
    assert not breaker.allows()
    clock.now += 1
    assert breaker.allows()


def test_a_throttle_pauses_as_long_as_the_server_asks_but_not_for_ever():
    clock = Clock()
    breaker = Breaker(clock, pause=30, long_pause=300)
    breaker.failed(ModelThrottled("429", 7.0))
    clock.now += 7
    assert breaker.allows()
    breaker.failed(ModelThrottled("429", 86_400.0))
    clock.now += 300
    assert breaker.allows()


def test_one_conversation_cannot_spend_the_budget_of_all():
    clock = Clock()
    budget = Budget(clock, each=2, total=3)
    assert [budget.spend("a") for _ in range(3)] == [True, True, False]
    assert budget.spend("b")
    assert not budget.spend("c")
    clock.now += 3600
    assert budget.spend("a")
