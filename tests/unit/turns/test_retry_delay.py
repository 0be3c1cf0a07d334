from __future__ import annotations

from turns.sender import LONGEST_RETRY_SECONDS, retry_delay


def test_the_delay_doubles_up_to_its_limit() -> None:
    assert [retry_delay(n, 0.999999) > retry_delay(n - 1, 0.999999) for n in range(2, 7)] == [True] * 5
    assert retry_delay(50, 0.999999) <= LONGEST_RETRY_SECONDS


def test_jitter_spreads_over_the_upper_half() -> None:
    assert retry_delay(3, 0.0) == 2.0
    assert retry_delay(3, 0.5) == 3.0
