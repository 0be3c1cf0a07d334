"""Rasa's lock store. Rasa starts more than one process only where it is told that their locks are shared.

They are: what keeps two workers from one conversation is its lease in the database, whatever process or machine they are in.
"""

from __future__ import annotations

from typing import Any

from rasa.core.lock_store import InMemoryLockStore


class LeasedLockStore(InMemoryLockStore):
    """Locks that nothing but ``rasa shell`` asks for, where one process is all there is."""

    def __init__(self, endpoint_config: Any = None) -> None:
        super().__init__()
