from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Figure, at_most, percentile, times_stock, under

SAMPLES = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=300)


@given(samples=SAMPLES, percent=st.integers(min_value=1, max_value=100))
def test_a_percentile_is_the_smallest_sample_that_so_many_are_not_above(samples: list[float], percent: int) -> None:
    found = percentile(samples, percent)
    assert found in samples
    assert 100 * sum(x <= found for x in samples) >= percent * len(samples)
    assert 100 * sum(x < found for x in samples) < percent * len(samples)


def test_the_99th_percentile_of_few_samples_is_the_slowest() -> None:
    assert percentile([3.0, 1.0, 2.0], 99) == 3.0


def test_the_99th_percentile_of_a_thousand_leaves_ten_out() -> None:
    assert percentile([float(number) for number in range(1000)], 99) == 989.0


def test_no_samples_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


@pytest.mark.parametrize("percent", [0, -1, 101])
def test_a_percentile_is_between_0_and_100(percent: float) -> None:
    with pytest.raises(ValueError, match="at most 100"):
        percentile([1.0], percent)


def test_the_ratio_says_how_many_times_better_ours_is() -> None:
    assert Figure(name="turn", unit="ms", ours=10, stock=50).ratio == 5
    assert Figure(name="turns", unit="turns/s", ours=50, stock=10, better="higher").ratio == 5
    assert Figure(name="turn", unit="ms", ours=100, stock=50).ratio == 0.5


@pytest.mark.parametrize(("ours", "stock"), [(None, 1.0), (1.0, None), (0.0, 1.0), (1.0, 0.0)])
def test_without_both_sides_there_is_no_ratio(ours: float | None, stock: float | None) -> None:
    assert Figure(name="turn", unit="ms", ours=ours, stock=stock).ratio is None


def test_a_limit_is_met_up_to_and_with_itself() -> None:
    assert at_most(3, name="trips", unit="calls", ours=3.0).met is True
    assert at_most(3, name="trips", unit="calls", ours=3.1).met is False


def test_under_a_limit_is_not_the_limit() -> None:
    assert under(100, name="webhook", unit="ms", ours=99.9).met is True
    assert under(100, name="webhook", unit="ms", ours=100.0).met is False


def test_a_multiple_of_stock_is_met_from_there_on() -> None:
    assert times_stock(5, name="turns", unit="turns/s", better="higher", ours=50, stock=10).met is True
    assert times_stock(5, name="turns", unit="turns/s", better="higher", ours=49, stock=10).met is False


def test_what_was_not_measured_neither_meets_nor_misses_its_goal() -> None:
    assert at_most(3, name="trips", unit="calls", ours=None).met is None
    assert under(3, name="trips", unit="calls", ours=None).met is None
    assert times_stock(5, name="turns", unit="turns/s", better="higher", ours=50, stock=None).met is None
