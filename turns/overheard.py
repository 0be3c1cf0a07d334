"""What is heard without being answered: "baja" and "alta" while a person holds the conversation, or in what came too late."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from crm.port import Crm, CrmError
from omnicrm.tasks import within
from turns.incoming import next_turn
from turns.model import Dialogue, Received

logger = logging.getLogger(__name__)

# So many messages are read at once.
BATCH = 20
# How often it looks unasked: for what another process stored, or a person took over while it waited.
POLL_SECONDS = 15.0


class Overhearing:
    """Runs until cancelled; survives an absent database. ``wake`` tells it that there may be something to hear."""

    def __init__(self, crm: Crm, dialogue: Dialogue, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._crm = crm
        self._dialogue = dialogue
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Listen now."""
        self._wake.set()

    async def run(self) -> None:
        """Read whatever no turn will answer."""
        while True:
            self._wake.clear()
            try:
                if await self.round() == BATCH:
                    continue
            except CrmError as error:
                logger.warning("cannot read what has no turn action=overhear error=%s", error)
            except Exception:
                # Nobody looks after this task: a fault of one round must not end all that come.
                logger.exception("cannot read what has no turn action=overhear")
            with suppress(asyncio.TimeoutError):
                await within(self._poll_seconds, self._wake.wait())

    async def round(self) -> int:
        """Read one batch; returns how many messages it had. Raises ``CrmError``."""
        unheard = [Received.from_json(row) for row in await self._crm.call("omnicrm_unheard", p_limit=BATCH)]
        for message in unheard:
            # One at a time: a call that holds many conversations would stand in the way of deliveries.
            await self._crm.call("omnicrm_hear", p_message=message.id, p_consent=await self._consent(message))
        return len(unheard)

    async def _consent(self, message: Received) -> str | None:
        try:
            return await self._dialogue.consent(next_turn([message]))
        except Exception:
            # Whatever cannot be understood is not read again and again: people see it anyway.
            logger.exception("not understood action=overhear message=%s", message.id)
            return None
