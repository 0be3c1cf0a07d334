"""The start of a conversation: who is this?"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import ActionExecuted, SessionStarted, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.base import Events, ShopAction
from actions.contact import CONFIRMING_SLOT, PENDING_SLOT
from ara.text import clean

logger = logging.getLogger(__name__)

CHANNELS = {"ig": "IG", "fb": "FB", "wa": "WA", "email": "EMAIL", "tt": "TT"}
# A trial in `rasa shell` (or over REST) is a customer of its own kind, so that nothing of it mixes with real channels.
SHELL = ("SHELL", "shell")
LOOKUP_SECONDS = 8.0
# Where Rasa puts the metadata of the message that starts a session.
METADATA_SLOT = "session_started_metadata"
# A form does not outlive its session, so neither do its question, how many pieces were said and how often we had no answer: the
# product that was talked of does, and is named when it is asked how many. Nor is yesterday's offer what "sí" means today.
NOT_CARRIED_OVER = (
    "requested_slot", "cantidad", "sin_respuesta", "siguientes", "oferta", CONFIRMING_SLOT, PENDING_SLOT, METADATA_SLOT,
)  # fmt: skip


def address_of(sender_id: str) -> tuple[str, str, str]:
    """``ig:<account>:<user>`` as (channel code, account, user); any other sender is a trial: ("SHELL", "shell", sender)."""
    channel, account, user = ([*sender_id.split(":", 2), "", ""])[:3]
    if channel in CHANNELS and account and user:
        return CHANNELS[channel], account, user
    return (*SHELL, sender_id)


class ActionSessionStart(ShopAction):
    """Start a session: keep the slots, and learn who writes. Without the CRM it starts all the same, with defaults."""

    def name(self) -> str:
        """The name by which Rasa starts every session."""
        return "action_session_start"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Return the session's events; the last one is listening."""
        slots = {name: value for name, value in tracker.current_slot_values().items() if value is not None}
        for name in NOT_CARRIED_OVER:
            slots.pop(name, None)
        if domain.get("session_config", {}).get("carry_over_slots_to_new_session") is False:
            slots = {}
        slots.update(await self._customer(tracker, known=slots))
        return [SessionStarted(), *(SlotSet(name, value) for name, value in slots.items()), ActionExecuted("action_listen")]

    async def _customer(self, tracker: Tracker, known: dict[str, object]) -> dict[str, object]:
        try:
            customer = _told(tracker) or await asyncio.wait_for(self._ask(tracker.sender_id), LOOKUP_SECONDS)
            name = clean(customer["name"] or "", 80) or None
            new = bool(customer["new"])
        except Exception as error:  # who it is can wait; the conversation cannot
            logger.warning("customer unknown: %s", type(error).__name__, extra={"action": "session_without_crm"})
            return {"cliente_nombre": known.get("cliente_nombre"), "cliente_nuevo": known.get("cliente_nuevo", False)}
        return {"cliente_nombre": name, "cliente_nuevo": new}

    async def _ask(self, sender_id: str) -> dict[str, Any]:
        """Resolve or create client and conversation: {"name", "new"}."""
        channel, account, user = address_of(sender_id)
        crm = await self.services.crm()
        opened = await crm.call("omnicrm_open_conversation", p_channel=channel, p_account=account, p_user=user)
        return {"name": opened["client"].get("name"), "new": opened["new_client"]}


def _told(tracker: Tracker) -> dict[str, Any]:
    """Who writes, as the message that starts the session says: the turn's claim has resolved it already. Empty: unknown."""
    return (tracker.get_slot(METADATA_SLOT) or {}).get("customer") or {}
