"""Handing over to a person, and leaving and coming back."""

from __future__ import annotations

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.base import Events, ShopAction, intent_of, say
from actions.effects import hand_over, need_attention, opt_in, opt_out

# What the staff reads.
HANDOVER_REASONS = {
    "hablar_con_humano": "pidió hablar con una persona",
    "reportar_problema": "reportó un problema",
    "estado_pedido": "preguntó por su pedido o por su pago",
    "cancelar_pedido": "quiere cancelar un pedido",
    "pedir_factura": "pidió factura",
}


class ActionPasarConHumano(ShopAction):
    """Give the conversation to a person."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_pasar_con_humano"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Tell the customer, and the staff why."""
        intent = intent_of(tracker)
        reason = HANDOVER_REASONS.get(intent, HANDOVER_REASONS["hablar_con_humano"])
        say(dispatcher, "utter_pasando_con_humano")
        hand_over(dispatcher, reason)
        if intent == "reportar_problema":
            need_attention(dispatcher, "complaint", reason)
        return []


class ActionBaja(ShopAction):
    """Stop writing to this customer."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_baja"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Confirm it this once."""
        opt_out(dispatcher)
        say(dispatcher, "utter_baja_confirmada")
        return []


class ActionAlta(ShopAction):
    """Write to this customer again."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_alta"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Confirm it."""
        opt_in(dispatcher)
        say(dispatcher, "utter_alta_confirmada")
        return []
