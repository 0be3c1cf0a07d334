"""What platforms that fetch by themselves are given: the way in, a memory, and a lease, all in the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from connectors.message import AnyEvent, Json
from crm.port import Crm


class CrmDesk:
    """A platform's ``Desk`` on the CRM. ``worker`` names this process among all that share the database."""

    def __init__(self, crm: Crm, receive: Callable[[Sequence[AnyEvent]], Awaitable[Any]], worker: str) -> None:
        self._crm = crm
        self._receive = receive
        self._worker = worker

    async def receive(self, events: Sequence[AnyEvent]) -> None:
        """Commit events. Raises ``CrmError``."""
        await self._receive(events)

    async def recall(self, name: str) -> Json:
        """What was remembered under this name; None for nothing. Raises ``CrmError``."""
        return await self._crm.call("omnicrm_recall", p_name=name)

    async def remember(self, name: str, value: Json) -> None:
        """Keep a small document. Raises ``CrmError``."""
        await self._crm.call("omnicrm_remember", p_name=name, p_value=value)

    async def lease(self, name: str, seconds: float) -> bool:
        """Be the one process that does this for so long, or go on being it. Raises ``CrmError``."""
        return bool(await self._crm.call("omnicrm_lease", p_name=name, p_worker=self._worker, p_seconds=seconds))
