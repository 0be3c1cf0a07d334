"""Every setting, read once from the environment (and ``.env``), with its meaning beside it.

The name in the environment is the field's name in capitals. A platform's settings stand in its own package; ``Settings``
joins them. ``.env.example`` is checked against all of them by a test.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dotenv import dotenv_values

from connectors.email.settings import EmailSettings
from connectors.meta.settings import MetaSettings
from connectors.whapi.settings import WhapiSettings
from notify.settings import NotifySettings
from omnicrm.hours import BusinessHours, ClosedDays, next_opening, read_closed_days, read_hours, say_when
from omnicrm.setting import SettingsError, by_channel, integer, number, one_of, per_channel, setting, time_zone, url
from router.settings import ApiSettings

__all__ = ["SECTIONS", "Settings", "SettingsError"]


def read_dotenv(path: Path) -> dict[str, str | None]:
    """What a ``.env`` file says; nothing where there is none. Raises ``SettingsError`` for one that cannot be read."""
    try:
        return dotenv_values(stream=io.StringIO(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}: line {line} is not UTF-8. Save the file as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}. Make it a file that this user may read") from None


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Database: DATABASE_URL, else Supabase over HTTPS, else a PostgreSQL of our own in DATA_DIR."""

    database_url: str = setting(
        "",
        "PostgreSQL connection (direct or session mode, port 5432)",
        secret=True,
        example="postgresql://user:password@host:5432/postgres",
    )
    supabase_url: str = setting("", "Supabase project address", url, example="https://abc.supabase.co")
    supabase_secret_key: str = setting(
        "", "Supabase secret key (sb_secret_… or the old service_role JWT)", secret=True, example="sb_secret_…"
    )
    data_dir: Path = setting(Path(".data"), "Folder of the embedded PostgreSQL and other local state", Path, example=".data")


@dataclass(frozen=True, kw_only=True)
class BehaviourSettings:
    """How the bot behaves."""

    burst_seconds: float = setting(
        1.5, "Messages of one customer within this time become one turn", number(0, 30), example="1.5"
    )
    burst_by_channel: tuple[str, ...] = setting(
        (), "The same for single channels, where it is another", per_channel(0, 30), example="WA=3,EMAIL=0"
    )
    takeover_hours: float = setting(
        12.0, "How long the bot stays quiet after a person wrote", number(0.01, 720), example="12"
    )
    business_hours: BusinessHours = setting(
        BusinessHours(), "When people of the shop answer; outside, a customer who needs one is told when", read_hours,
        example="lun-vie 9:00-18:00, sáb 10:00-14:00",
    )  # fmt: skip
    business_closed_days: ClosedDays = setting(
        ClosedDays(), "Days without anybody: dates, or days of every year", read_closed_days, example="2026-12-24, 12-25, 01-01"
    )
    business_timezone: str = setting(
        "America/Mexico_City", "Time zone of these hours", time_zone, example="America/Mexico_City"
    )
    close_after_hours: tuple[str, ...] = setting(
        ("WA=72", "IG=72", "FB=72", "EMAIL=240"), "Hours of silence after which a conversation counts as closed",
        per_channel(0.01, 100_000), example="WA=72,IG=72,FB=72,EMAIL=240",
    )  # fmt: skip
    reply_max_age_seconds: float = setting(
        6 * 3600.0, "An answer older than this is not sent any more but shown to the staff", number(10, 86400), example="21600"
    )
    reply_max_age_by_channel: tuple[str, ...] = setting(
        (), "The same for single channels, where it is another", per_channel(10, 86400), example="WA=3600,EMAIL=86400"
    )

    def burst_of(self, channel: str) -> float:
        """Seconds within which messages of one customer become one turn."""
        return by_channel(self.burst_by_channel).get(channel, self.burst_seconds)

    def reply_max_age_of(self, channel: str) -> float:
        """Seconds after which an answer is not sent any more."""
        return by_channel(self.reply_max_age_by_channel).get(channel, self.reply_max_age_seconds)

    def opening(self, now: datetime) -> str | None:
        """When a person of the shop answers who is wanted ``now``, in words; None while somebody is there."""
        there = now.astimezone(ZoneInfo(self.business_timezone))
        opens = next_opening(self.business_hours, self.business_closed_days, there)
        return None if opens is None else say_when(opens, there)


@dataclass(frozen=True, kw_only=True)
class AraSettings:
    """Ara, the language model: without a key she answers from data/knowledge alone."""

    ara_api_key: str = setting("", "Key of an OpenAI-compatible server", secret=True, example="sk-…")
    ara_base_url: str = setting(
        "https://api.openai.com/v1", "Address of that server", url, example="https://api.openai.com/v1"
    )
    ara_model: str = setting("gpt-4o-mini", "Model that answers", example="gpt-4o-mini")
    ara_timeout_seconds: float = setting(20.0, "How long Ara may think", number(0.1, 20), example="20")


@dataclass(frozen=True, kw_only=True)
class MachinerySettings:
    """Machinery."""

    sanic_workers: int = setting(
        2, "Processes that share the bot's port and its work; one more takes some 50 MB (on Linux; elsewhere always 1)",
        integer(1, 16), example="2",
    )  # fmt: skip
    worker_concurrency: int = setting(
        20, "Conversations worked on at the same time by one process", integer(1, 200), example="20"
    )
    lease_seconds: float = setting(
        45.0, "A worker that is silent this long loses its conversations to another", number(0.5, 600), example="45"
    )
    poll_seconds: float = setting(
        1.0, "How often a worker looks for work that nothing announced", number(0.05, 60), example="1"
    )
    send_timeout_seconds: float = setting(
        10.0, "How long a platform may take to answer a send", number(0.1, 60), example="10"
    )
    action_timeout_seconds: float = setting(25.0, "How long all actions of one turn may take together", number(0.1, 60),
                                             example="25")
    log_level: str = setting(
        "INFO", "DEBUG, INFO, WARNING or ERROR", lambda v: one_of(v, "DEBUG", "INFO", "WARNING", "ERROR"), example="INFO"
    )


# In the order of the documents. A new platform adds its line here and below.
SECTIONS: tuple[type, ...] = (
    DatabaseSettings, MetaSettings, WhapiSettings, EmailSettings, BehaviourSettings, AraSettings, NotifySettings,
    ApiSettings, MachinerySettings,
)


@dataclass(frozen=True, kw_only=True)
class Settings(
    MachinerySettings, ApiSettings, NotifySettings, AraSettings, BehaviourSettings, EmailSettings, WhapiSettings, MetaSettings,
    DatabaseSettings,
):
    """All settings."""

    @staticmethod
    def load(environment: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Settings:
        """Read all settings; the environment wins over ``.env``. Raises ``SettingsError`` naming every wrong one."""
        from_file = {} if dotenv is None else read_dotenv(dotenv)
        values = {**from_file, **(os.environ if environment is None else environment)}
        read: dict[str, Any] = {}
        wrong: list[str] = []
        for spec in fields(Settings):
            name = spec.name.upper()
            value = (values.get(name) or "").strip()
            if not value:
                continue
            try:
                read[spec.name] = spec.metadata["read"](value)
            except ValueError as error:
                shown = "the value" if spec.metadata["secret"] else repr(value)
                wrong.append(f"{name}: {shown} is wrong: {error}. Example: {spec.metadata['example']}")
        if wrong:
            raise SettingsError("\n".join(wrong))
        return Settings(**read)
