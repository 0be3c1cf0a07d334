"""What a handler is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from connectors.message import Json
from connectors.platform import Platform
from crm.port import Crm
from omnicrm.settings import Settings
from router.keys import Key
from router.routes import Route


class Bot(Protocol):
    """The running bot: ``turns.runtime.Runtime``. ``platforms`` are by channel and account, ``IG:17841…``."""

    @property
    def settings(self) -> Settings:
        """All settings."""

    @property
    def crm(self) -> Crm:
        """The database."""

    @property
    def platforms(self) -> Mapping[str, Platform]:
        """What this bot can send to."""

    def wake(self) -> None:
        """Look for work now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that may go on: its route is known, its key has the scope, and everything in it is checked."""

    route: Route
    key: Key
    bot: Bot
    ids: Mapping[str, str]
    query: Mapping[str, Json]
    body: Mapping[str, Json]
    idempotency_key: str | None = None

    @property
    def person(self) -> str:
        """Who does this: the person that the body names, else the key."""
        named: str | None = self.body.get("person")
        return named.strip() if named else self.key.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; ``body`` becomes JSON."""

    body: Json
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
