"""The pace of one key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.bucket import Buckets


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_minutes_requests_may_come_at_once_and_the_next_waits() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == 1.0
    clock.time = 0.5
    assert buckets.take("a") == 0.5
    clock.time = 1.0
    assert buckets.take("a") == 0.0


def test_keys_do_not_take_from_each_other() -> None:
    buckets = Buckets(1, Clock())
    assert buckets.take("a") == 0.0
    assert buckets.take("b") == 0.0
    assert buckets.take("a") > 0


def test_whoever_waits_as_told_gets_in() -> None:
    clock = Clock()
    buckets = Buckets(7, clock)
    for _ in range(7):
        buckets.take("a")
    clock.time += buckets.take("a") + 1e-9
    assert buckets.take("a") == 0.0


@given(st.lists(st.floats(0, 5), max_size=200), st.integers(1, 100))
def test_never_more_than_a_burst_and_the_pace(pauses: list[float], per_minute: int) -> None:
    clock = Clock()
    buckets = Buckets(per_minute, clock)
    taken = 0
    for pause in pauses:
        clock.time += pause
        taken += buckets.take("a") == 0.0
    assert taken <= per_minute + clock.time * per_minute / 60 + 1e-6
