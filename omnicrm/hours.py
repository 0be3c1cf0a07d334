"""When the shop's people answer: ``lun-vie 9:00-18:00, sáb 10:00-14:00``. Pure: the moment is the caller's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

DAYS = ("lun", "mar", "mié", "jue", "vie", "sáb", "dom")
_LONG = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")
_MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
)  # fmt: skip
# Longer than any holiday: a shop that does not open within it says nothing about when.
HORIZON_DAYS = 60
_CLOCK = r"\d{1,2}(?::\d\d)?"
_PART = re.compile(rf"(?P<from>[a-zá-ú]+)(?:\s*-\s*(?P<to>[a-zá-ú]+))?\s+(?P<open>{_CLOCK})\s*-\s*(?P<close>{_CLOCK})")
_DATE = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)")


@dataclass(frozen=True, slots=True)
class Opening:
    """One stretch of a weekday (0 is Monday), in minutes since midnight; ``close`` may be 1440."""

    day: int
    open: int
    close: int


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """The week's openings as the setting says them; none means that somebody always answers."""

    openings: tuple[Opening, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Days without anybody: whole dates, and (month, day) of every year."""

    dates: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    text: str = ""

    def __contains__(self, day: date) -> bool:
        return day in self.dates or (day.month, day.day) in self.yearly

    def __str__(self) -> str:
        return self.text


def read_hours(text: str) -> BusinessHours:
    """Read the setting. Raises ``ValueError`` naming the part that cannot be read."""
    openings: list[Opening] = []
    for part in filter(None, (p.strip() for p in re.split("[,;]", text))):
        match = _PART.fullmatch(part.lower())
        if match is None:
            raise ValueError(f"{part!r} is not like lun-vie 9:00-18:00")
        first, last = _day(match["from"]), _day(match["to"] or match["from"])
        opens, closes = _minutes(match["open"]), _minutes(match["close"])
        if opens >= closes:
            raise ValueError(f"{part!r} closes before it opens (past midnight: two parts)")
        days = range(first, last + 1) if first <= last else (*range(first, 7), *range(last + 1))
        openings += [Opening(day, opens, closes) for day in days]
    return BusinessHours(tuple(sorted(openings, key=lambda o: (o.day, o.open))), text)


def read_closed_days(text: str) -> ClosedDays:
    """Read ``2026-12-24, 12-25``: a date, or a day of every year. Raises ``ValueError``."""
    dates: set[date] = set()
    yearly: set[tuple[int, int]] = set()
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = _DATE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is not like 2026-12-24 or 12-25")
        found = date(int(match[1] or 2024), int(match[2]), int(match[3]))  # a leap year: 02-29 is a day
        if match[1]:
            dates.add(found)
        else:
            yearly.add((found.month, found.day))
    return ClosedDays(frozenset(dates), frozenset(yearly), text)


def next_opening(hours: BusinessHours, closed: ClosedDays, now: datetime) -> datetime | None:
    """When somebody answers again, in ``now``'s time zone; None while it is open, and where nothing is known."""
    for ahead in range(HORIZON_DAYS):
        day = now.date() + timedelta(days=ahead)
        for opening in _of(hours.openings, day, closed):
            opens, closes = (_at(day, minutes, now) for minutes in (opening.open, opening.close))
            if opens <= now < closes:
                return None
            if now < opens:
                return opens
    return None


def say_when(opening: datetime, now: datetime) -> str:
    """``hoy a las 16:00``, ``mañana a las 9:00``, ``el lunes a las 9:00``, ``el 7 de enero a las 9:00``."""
    ahead = (opening.date() - now.date()).days
    if ahead < 7:
        day = ("hoy", "mañana")[ahead] if ahead < 2 else f"el {_LONG[opening.weekday()]}"
    else:
        day = f"el {opening.day} de {_MONTHS[opening.month - 1]}"
    return f"{day} a la{'' if opening.hour == 1 else 's'} {opening.hour}:{opening.minute:02}"


def _of(openings: Iterable[Opening], day: date, closed: ClosedDays) -> list[Opening]:
    return [] if day in closed else [o for o in openings if o.day == day.weekday()]


def _at(day: date, minutes: int, now: datetime) -> datetime:
    midnight = datetime.combine(day, time(), now.tzinfo)
    return midnight + timedelta(minutes=minutes)  # on the clock: 1440 is the next day's midnight


def _day(word: str) -> int:
    plain = word.replace("é", "e").replace("á", "a")
    for number, long in enumerate(_LONG):
        if len(plain) >= 3 and long.replace("é", "e").replace("á", "a").startswith(plain):
            return number
    raise ValueError(f"{word!r} is no day: {', '.join(DAYS)}")


def _minutes(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    minutes = int(hour) * 60 + int(minute or 0)
    if minutes > 24 * 60 or int(minute or 0) > 59:
        raise ValueError(f"{clock} is no time of day")
    return minutes
