"""What an action asks of the CRM: custom JSON that the turn's commit applies together with the replies, exactly once."""

from __future__ import annotations

from typing import Any

from rasa_sdk.executor import CollectingDispatcher


def hand_over(dispatcher: CollectingDispatcher, reason: str) -> None:
    """Let a person take the conversation; ``reason`` is what the staff reads."""
    dispatcher.utter_message(json_message={"effect": "handover", "reason": reason})


def hands_over(messages: list[dict[str, Any]]) -> bool:
    """Whether one of these messages of a dispatcher gives the conversation to a person."""
    return any((message.get("custom") or {}).get("effect") == "handover" for message in messages)


def need_attention(dispatcher: CollectingDispatcher, kind: str, reason: str) -> None:
    """Show the conversation to the staff without silencing the bot."""
    dispatcher.utter_message(json_message={"effect": "attention", "kind": kind, "reason": reason})


def opt_out(dispatcher: CollectingDispatcher) -> None:
    """Write nothing more to this customer."""
    dispatcher.utter_message(json_message={"effect": "opt_out"})


def opt_in(dispatcher: CollectingDispatcher) -> None:
    """Write to this customer again."""
    dispatcher.utter_message(json_message={"effect": "opt_in"})


def place_order(dispatcher: CollectingDispatcher, product: str, quantity: int) -> None:
    """Record an order for the staff to confirm."""
    dispatcher.utter_message(json_message={"effect": "order", "product": product, "quantity": quantity})


def save_contact(dispatcher: CollectingDispatcher, contact: dict[str, str]) -> None:
    """Keep a customer's data: any of ``name``, ``phone``, ``email``, ``city``."""
    dispatcher.utter_message(json_message={"effect": "contact", **contact})
