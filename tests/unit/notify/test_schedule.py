"""Deliveries that failed come again, ever later, and end."""

from __future__ import annotations

from notify.schedule import NOTICE_TRIES, WEBHOOK_DELAYS, notice_delay, webhook_delay


def test_events_follow_the_schedule_of_the_specification() -> None:
    delays = [webhook_delay(attempt, 0.5) for attempt in range(1, 11)]
    assert delays[:9] == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert delays[9] is None


def test_jitter_moves_an_event_by_a_tenth_at_most() -> None:
    for attempt, delay in enumerate(WEBHOOK_DELAYS, start=1):
        low, high = webhook_delay(attempt, 0.0), webhook_delay(attempt, 0.999)
        assert low is not None and high is not None and 0.9 * delay <= low < high < 1.1 * delay


def test_a_receiver_may_ask_for_more_time_and_not_for_a_week() -> None:
    assert webhook_delay(1, 0.5, wanted=60.0) == 60
    assert webhook_delay(1, 0.5, wanted=999_999.0) == WEBHOOK_DELAYS[-1]
    assert webhook_delay(2, 0.5, wanted=1.0) == 300


def test_notices_wait_twice_as_long_each_time_and_half_an_hour_at_most() -> None:
    assert [notice_delay(attempt, 1.0) for attempt in range(1, 5)] == [10, 20, 40, 80]
    assert notice_delay(NOTICE_TRIES, 1.0) == 1800
    assert notice_delay(3, 0.0) == 20
    assert notice_delay(1, 0.5, wanted=300.0) == 300
