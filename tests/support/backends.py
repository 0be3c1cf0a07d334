"""The ways to a database that the contract tests compare: each can be called, prepared, stopped and started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from crm.cluster import Cluster
from omnicrm.settings import Settings

CONTRACT_SQL = (Path(__file__).parent / "contract_functions.sql").read_text()


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Backend:
    """One way: the settings that a process would have, and the server behind it."""

    name: str
    settings: Settings
    admin_dsn: str
    cluster: Cluster
    close: Callable[[], None] = field(default=_nothing)

    def prepare(self) -> None:
        """Add the functions that the contract tests call."""
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            connection.execute(CONTRACT_SQL)

    def crash(self) -> None:
        """Stop the server as a crash does."""
        self.cluster.stop("immediate")

    def recover(self) -> None:
        """Start it again."""
        self.cluster.start()
