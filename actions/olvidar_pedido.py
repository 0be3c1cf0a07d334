"""Forget an order that the customer left half-way."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher


class ActionOlvidarPedido(Action):  # type: ignore[misc]
    """Clear what the order form had collected, so that an old quantity never enters a new order."""

    def name(self) -> str:
        """Return the name that domain.yml uses."""
        return "action_olvidar_pedido"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        """Empty ``producto`` and ``cantidad``; says nothing."""
        return [SlotSet("producto", None), SlotSet("cantidad", None)]
