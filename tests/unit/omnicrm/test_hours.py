"""When the shop's people answer, read from one line and said in words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from omnicrm.hours import next_opening, read_closed_days, read_hours, say_when
from omnicrm.settings import Settings, SettingsError

MEXICO = ZoneInfo("America/Mexico_City")
SHOP = "lun-vie 9:00-18:00, sáb 10:00-14:00"
# A Thursday.
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=MEXICO)


def told(hours: str, now: datetime, closed: str = "") -> str | None:
    opens = next_opening(read_hours(hours), read_closed_days(closed), now)
    return None if opens is None else say_when(opens, now)


@pytest.mark.parametrize(("hours", "day", "clock", "said"), [
    (SHOP, 26, "12:00", None), (SHOP, 26, "09:00", None), (SHOP, 26, "17:59", None),
    (SHOP, 26, "08:59", "hoy a las 9:00"), (SHOP, 26, "18:00", "mañana a las 9:00"), (SHOP, 27, "20:00", "mañana a las 10:00"),
    (SHOP, 28, "13:59", None), (SHOP, 28, "14:00", "el lunes a las 9:00"), (SHOP, 29, "10:00", "mañana a las 9:00"),
    ("lun-vie 9-13, lun-vie 15-18", 26, "13:30", "hoy a las 15:00"), ("dom 13:30-14", 26, "12:00", "el domingo a las 13:30"),
    ("Lunes - Viernes 9:00 - 18:00; SABADO 1:00-2:00", 27, "19:00", "mañana a la 1:00"),
    ("vie-lun 9-18", 26, "12:00", "mañana a las 9:00"),
    ("jue 0-24", 26, "23:59", None), ("", 26, "03:00", None), ("jue 9-10", 26, "10:00", "el 3 de diciembre a las 9:00"),
])  # fmt: skip
def test_a_customer_is_told_when_somebody_answers(hours: str, day: int, clock: str, said: str | None) -> None:
    hour, minute = map(int, clock.split(":"))
    assert told(hours, NOON.replace(day=day, hour=hour, minute=minute)) == said


def test_a_day_without_anybody_is_passed_over() -> None:
    evening = NOON.replace(hour=20)
    assert told(SHOP, evening, "2026-11-27") == "el sábado a las 10:00"
    assert told(SHOP, evening, "11-27, 11-28") == "el lunes a las 9:00"
    assert told(SHOP, NOON, "2026-11-26") == "mañana a las 9:00"


def test_a_shop_that_never_opens_promises_nothing() -> None:
    every_day = ",".join(f"{(NOON + timedelta(days=n)).date()}" for n in range(70))
    assert told(SHOP, NOON, every_day) is None


@pytest.mark.parametrize("text", [
    "lun", "lun 9", "lunes a viernes 9-18", "xyz 9-18", "lun 18-9", "lun 9-25", "lun 9:60-10", "lun 9-9", "9-18", "lu 9-18",
])  # fmt: skip
def test_hours_that_cannot_be_read_are_one_line_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^BUSINESS_HOURS: .* Example: lun-vie 9:00-18:00, sáb 10:00-14:00$") as wrong:
        Settings.load({"BUSINESS_HOURS": text}, dotenv=None)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(("name", "value"), [
    ("BUSINESS_CLOSED_DAYS", "navidad"), ("BUSINESS_CLOSED_DAYS", "13-40"), ("BUSINESS_TIMEZONE", "Mexico"),
    ("BUSINESS_TIMEZONE", "../etc"),
    ("CLOSE_AFTER_HOURS", "72"), ("CLOSE_AFTER_HOURS", "SMS=3"), ("CLOSE_AFTER_HOURS", "WA=0"), ("CLOSE_AFTER_HOURS", "WA=x"),
])  # fmt: skip
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        Settings.load({name: value}, dotenv=None)


def test_the_moment_is_the_shops_whatever_the_machines_clock_is_set_to() -> None:
    settings = Settings.load({"BUSINESS_HOURS": SHOP}, dotenv=None)
    # 23:30 UTC is 17:30 in Mexico City; half an hour later the shop has closed.
    assert settings.opening(datetime(2026, 11, 26, 23, 30, tzinfo=timezone.utc)) is None
    assert settings.opening(datetime(2026, 11, 27, 0, 0, tzinfo=timezone.utc)) == "mañana a las 9:00"
    assert Settings().opening(datetime(2026, 11, 27, 0, 0, tzinfo=timezone.utc)) is None
