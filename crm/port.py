"""What the rest of the project knows of the database: named functions that take and return JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeAlias

# Values as json.loads returns them.
JSON: TypeAlias = Any

WORK_CHANNEL = "omnicrm_work"


class CrmError(Exception):
    """A call that did not give a result."""


class CrmUnavailable(CrmError):
    """The database cannot answer now; whether the call took effect is unknown. Try later: nothing is wrong with the data."""


class CrmMisconfigured(CrmUnavailable):
    """Only the operator can help: wrong address or key, missing right, missing migration. The data is kept until then."""


class CrmRejected(CrmError):
    """The data is bad or breaks a rule; nothing was changed and trying again gives the same. ``sqlstate`` has 5 characters."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{message} ({sqlstate})")
        self.sqlstate = sqlstate
        self.message = message


class Crm(Protocol):
    """One database. Belongs to the event loop that opened it; any number of calls may run at the same time."""

    wakes: bool
    """Whether ``listen`` announces work. Where it does not, workers poll."""

    async def call(self, function: str, /, **arguments: JSON) -> JSON:
        """Run one function of the database, in a transaction of its own, and return its result.

        Raises ``CrmUnavailable`` or ``CrmRejected``; ``ValueError`` for a name that is not ``omnicrm_…``.
        """

    def listen(self, channel: str = WORK_CHANNEL) -> AsyncIterator[str]:
        """Yield each notification's payload, and "" when something may have been missed: at the start and after a reconnection.

        Never raises ``CrmUnavailable``: reconnects until closed. Ends at once where ``wakes`` is false.
        """

    async def close(self) -> None:
        """Give up all connections; safe to repeat."""
