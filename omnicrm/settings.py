"""Every setting, read once from the environment (and ``.env``), with its meaning beside it.

``.env.example`` is checked against this table by a test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dotenv import dotenv_values


class SettingsError(Exception):
    """One line per wrong setting: its name, what is wrong, what is expected."""


def _text(value: str) -> str:
    return value


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        number = float(value)
        if not low <= number <= high:
            raise ValueError(f"must be between {low:g} and {high:g}")
        return number

    return read


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        return int(_number(low, high)(str(int(value))))

    return read


def _url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with https:// (or http:// on this machine)")
    return value.rstrip("/")


def _setting(default: Any, meaning: str, read: Callable[[str], Any] = _text, *, example: str = "", secret: bool = False) -> Any:
    metadata = {"meaning": meaning, "read": read, "example": example, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. The name in the environment is the field's name in capitals."""

    # Database: DATABASE_URL, else Supabase over HTTPS, else an embedded PostgreSQL in DATA_DIR.
    database_url: str = _setting(
        "",
        "PostgreSQL connection (direct or session mode, port 5432)",
        secret=True,
        example="postgresql://user:password@host:5432/postgres",
    )
    supabase_url: str = _setting(
        "", "Supabase project address", lambda v: _url(v) if v else v, example="https://abc.supabase.co"
    )
    supabase_secret_key: str = _setting(
        "", "Supabase secret key (sb_secret_… or the old service_role JWT)", secret=True, example="sb_secret_…"
    )
    data_dir: Path = _setting(Path(".data"), "Folder of the embedded PostgreSQL and other local state", Path, example=".data")

    # Meta: Instagram and Messenger.
    meta_access_token: str = _setting("", "Long-lived Page access token", secret=True, example="EAAG…")
    meta_page_id: str = _setting("", "Facebook Page id (Messenger, and sending for Instagram)", example="104098558513421")
    meta_ig_account_id: str = _setting("", "Instagram professional account id", example="17841470026191358")
    meta_app_secret: tuple[str, ...] = _setting(
        (), "App secret that signs webhooks; several, comma-separated, during rotation", _list, secret=True, example="0123abcd…"
    )
    meta_verify_token: str = _setting(
        "", "Word that you choose and repeat in the App Dashboard's webhook form", secret=True, example="a-long-random-word"
    )
    meta_app_id: str = _setting(
        "", "App id; tells our own Messenger echoes from other apps' at once", example="123456789012345"
    )
    meta_graph_url: str = _setting(
        "https://graph.facebook.com", "Graph API address", _url, example="https://graph.facebook.com"
    )
    meta_graph_version: str = _setting("v25.0", "Graph API version", example="v25.0")

    # How the bot behaves.
    burst_seconds: float = _setting(
        1.5, "Messages of one customer within this time become one turn", _number(0, 30), example="1.5"
    )
    takeover_hours: float = _setting(
        12.0, "How long the bot stays quiet after a person wrote", _number(0.01, 720), example="12"
    )
    reply_max_age_seconds: float = _setting(
        6 * 3600.0, "An answer older than this is not sent any more but shown to the staff", _number(10, 86400), example="21600"
    )

    # Ara, the language model. Without a key Ara answers from data/knowledge alone.
    ara_api_key: str = _setting("", "Key of an OpenAI-compatible server", secret=True, example="sk-…")
    ara_base_url: str = _setting(
        "https://api.openai.com/v1", "Address of that server", _url, example="https://api.openai.com/v1"
    )
    ara_model: str = _setting("gpt-4o-mini", "Model that answers", example="gpt-4o-mini")
    ara_timeout_seconds: float = _setting(20.0, "How long Ara may think", _number(0.1, 20), example="20")

    # Machinery.
    worker_concurrency: int = _setting(
        20, "Conversations worked on at the same time by one process", _integer(1, 200), example="20"
    )
    lease_seconds: float = _setting(
        45.0, "A worker that is silent this long loses its conversations to another", _number(0.5, 600), example="45"
    )
    poll_seconds: float = _setting(
        1.0, "How often a worker looks for work that nothing announced", _number(0.05, 60), example="1"
    )
    send_timeout_seconds: float = _setting(
        10.0, "How long a platform may take to answer a send", _number(0.1, 60), example="10"
    )
    action_timeout_seconds: float = _setting(25.0, "How long all actions of one turn may take together", _number(0.1, 60),
                                             example="25")
    log_level: str = _setting(
        "INFO", "DEBUG, INFO, WARNING or ERROR", lambda v: _one_of(v, "DEBUG", "INFO", "WARNING", "ERROR"), example="INFO"
    )

    @staticmethod
    def load(environment: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Settings:
        """Read all settings; the environment wins over ``.env``. Raises ``SettingsError`` naming every wrong one."""
        from_file = dotenv_values(dotenv) if dotenv is not None and dotenv.exists() else {}
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


def _one_of(value: str, *allowed: str) -> str:
    if value.upper() not in allowed:
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return value.upper()
