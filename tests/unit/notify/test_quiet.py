"""Nobody is disturbed in quiet hours, on the shop's own clock."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.quiet import QuietHours, quiet_until, read_quiet_hours

MEXICO = ZoneInfo("America/Mexico_City")
# On the border clocks still change: forward on 2026-03-08 at 2:00, back on 2026-11-01 at 2:00.
TIJUANA = ZoneInfo("America/Tijuana")
NIGHT = read_quiet_hours("22:00-08:00")


def local(zone: ZoneInfo, *at: int, fold: int = 0) -> datetime:
    return datetime(*at, tzinfo=zone, fold=fold).astimezone(timezone.utc)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ((2026, 11, 26, 21, 59), None),
        ((2026, 11, 26, 22, 0), (2026, 11, 27, 8, 0)),
        ((2026, 11, 26, 23, 59), (2026, 11, 27, 8, 0)),
        ((2026, 11, 27, 0, 0), (2026, 11, 27, 8, 0)),
        ((2026, 11, 27, 7, 59), (2026, 11, 27, 8, 0)),
        ((2026, 11, 27, 8, 0), None),
        ((2026, 12, 31, 23, 0), (2027, 1, 1, 8, 0)),
    ],
)
def test_a_night_goes_over_midnight(now: tuple[int, ...], until: tuple[int, ...] | None) -> None:
    expected = None if until is None else local(MEXICO, *until)
    assert quiet_until(local(MEXICO, *now), NIGHT, MEXICO) == expected


def test_a_siesta_stays_within_the_day() -> None:
    siesta = read_quiet_hours("14:00 - 16:00")
    assert quiet_until(local(MEXICO, 2026, 11, 26, 15, 0), siesta, MEXICO) == local(MEXICO, 2026, 11, 26, 16, 0)
    assert quiet_until(local(MEXICO, 2026, 11, 26, 23, 0), siesta, MEXICO) is None


def test_without_quiet_hours_somebody_is_always_told() -> None:
    assert quiet_until(local(MEXICO, 2026, 11, 26, 3, 0), None, MEXICO) is None


def test_the_night_in_which_clocks_go_forward_is_an_hour_shorter() -> None:
    now = local(TIJUANA, 2026, 3, 7, 22, 0)
    until = quiet_until(now, NIGHT, TIJUANA)
    assert until is not None and until - now == timedelta(hours=9)


def test_the_night_in_which_clocks_go_back_is_an_hour_longer() -> None:
    now = local(TIJUANA, 2026, 10, 31, 22, 0)
    until = quiet_until(now, NIGHT, TIJUANA)
    assert until is not None and until - now == timedelta(hours=11)


def test_an_end_that_clocks_jump_over_is_at_the_jump() -> None:
    # 2:30 does not exist that night.
    until = quiet_until(local(TIJUANA, 2026, 3, 8, 1, 0), read_quiet_hours("22:00-02:30"), TIJUANA)
    assert until is not None and until.astimezone(TIJUANA).hour == 3


def test_the_hour_that_comes_twice_is_quiet_both_times() -> None:
    hours = read_quiet_hours("22:00-01:30")
    second = local(TIJUANA, 2026, 11, 1, 1, 15, fold=1)
    until = quiet_until(second, hours, TIJUANA)
    assert until == local(TIJUANA, 2026, 11, 1, 1, 30, fold=1)


START = datetime(2026, 1, 1, tzinfo=timezone.utc)
TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0))


@given(
    st.floats(0, 2 * 365 * 86400).map(lambda seconds: START + timedelta(seconds=seconds)), TIMES, TIMES,
    st.sampled_from([MEXICO, TIJUANA, ZoneInfo("Europe/Madrid"), ZoneInfo("UTC")]),
)  # fmt: skip
def test_quiet_hours_end_later_and_within_a_day_and_then_they_are_over(
    now: datetime, start: time, end: time, zone: ZoneInfo
) -> None:
    if start == end:
        return
    hours = QuietHours(start, end)
    until = quiet_until(now, hours, zone)
    assert (until is not None) == hours.hold(now.astimezone(zone).time())
    if until is not None:
        assert timedelta() < until - now <= timedelta(hours=26)
        assert quiet_until(until, hours, zone) is None


@pytest.mark.parametrize("wrong", ["22-08", "22:00", "25:00-08:00", "22:60-08:00", "08:00-08:00", "a las diez"])
def test_what_are_no_hours_is_said(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"must|begins"):
        read_quiet_hours(wrong)
