"""Hours in which nobody is disturbed, on the shop's clock. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``start`` to ``end``, on the wall clock; over midnight where ``end`` comes first."""

    start: time
    end: time

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def hold(self, clock: time) -> bool:
        """Whether nobody is disturbed at this time of day."""
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


def read_quiet_hours(value: str) -> QuietHours:
    """Read ``22:00-08:00``. Raises ``ValueError`` with what is expected."""
    found = _HOURS.fullmatch(value)
    if not found:
        raise ValueError("must be written as 22:00-08:00")
    try:
        start, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    except ValueError:
        raise ValueError("must hold times from 00:00 to 23:59") from None
    if start == end:
        raise ValueError("begins and ends at the same time")
    return QuietHours(start, end)


def quiet_until(now: datetime, hours: QuietHours | None, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours that hold now are over (aware UTC); None outside of them.

    Where clocks are set back the hour that comes twice is quiet both times; an end that clocks jump over is at the jump.
    """
    local = now.astimezone(zone)
    if hours is None or not hours.hold(local.time()):
        return None
    for days in range(3):
        day = local.date() + timedelta(days=days)
        for fold in (0, 1):
            end = datetime.combine(day, hours.end, zone).replace(fold=fold).astimezone(timezone.utc)
            if end > now and not hours.hold(end.astimezone(zone).time()):
                return end
    raise AssertionError("a day ends")
