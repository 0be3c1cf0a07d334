"""What every action of ours shares: it never raises, and a failed one still leaves the customer an answer and a person."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActiveLoop, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.effects import hand_over, hands_over
from actions.services import Services, shared_services

logger = logging.getLogger(__name__)

Events = list[dict[str, Any]]

FORM = "pedido_form"
# What belongs to one order: its answers, how often we had none for the customer, and what is ordered after it.
ORDER_SLOTS = ("producto", "cantidad", "sin_respuesta", "siguientes")


def say(dispatcher: CollectingDispatcher, response: str, **slots: Any) -> None:
    """Say a response of the domain; a test proves that each name that actions use is there."""
    dispatcher.utter_message(response=response, **slots)


def text_of(tracker: Tracker) -> str:
    """What the customer wrote; "" for a tap or anything else that is not text."""
    text = tracker.latest_message.get("text") or ""
    return "" if text.startswith("/") else text


def intent_of(tracker: Tracker) -> str:
    """The latest message's intent, "" when there is none."""
    return (tracker.latest_message.get("intent") or {}).get("name") or ""


def entities_of(tracker: Tracker, entity: str) -> list[str]:
    """The latest message's values of one entity."""
    found = [e.get("value") for e in tracker.latest_message.get("entities") or [] if e.get("entity") == entity]
    return [str(value) for value in found if value is not None]


def in_form(tracker: Tracker) -> bool:
    """Whether an order is being taken."""
    return (tracker.active_loop or {}).get("name") == FORM


def is_asked(tracker: Tracker) -> bool:
    """Whether the message answers a question of the order's form; the one that opens it answers none."""
    return tracker.get_slot("requested_slot") is not None


def slot_before(tracker: Tracker, slot: str) -> Any:
    """What a slot held before the latest message filled it anew."""
    told = iter(reversed(tracker.events))
    next((event for event in told if event.get("event") == "user"), None)
    return next((event.get("value") for event in told if event.get("event") == "slot" and event.get("name") == slot), None)


def forgotten_order() -> Events:
    """The events that forget an order, so that the next one starts empty."""
    return [SlotSet(name, None) for name in ORDER_SLOTS]


def wind_up(services: Services, dispatcher: CollectingDispatcher, *, ordering: bool) -> Events:
    """What follows a hand-over: the customer is told when somebody answers, and an order that is being taken asks no more."""
    if not hands_over(dispatcher.messages):
        return []
    if when := services.opening():
        say(dispatcher, "utter_fuera_de_horario", cuando=when)
    if not ordering:
        return []
    return [ActiveLoop(None), SlotSet("requested_slot", None), *forgotten_order(), FollowupAction("action_listen")]


class ShopAction(Action, ABC):
    """An action that cannot fail towards the customer. What it said before a failure is withdrawn."""

    def __init__(self, services: Services | None = None) -> None:
        self.services = services or shared_services()

    @abstractmethod
    def name(self) -> str:
        """The name in the domain."""

    @abstractmethod
    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Do it; may raise."""

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Do it, or apologise and hand over."""
        draft = CollectingDispatcher()
        try:
            events = await self.perform(draft, tracker, domain)
        except Exception as error:  # the boundary to Rasa, which would answer with silence
            logger.error("%s failed: %s", self.name(), type(error).__name__, extra={"action": "action_failed"})
            logger.debug("%s failed", self.name(), exc_info=True)
            draft, events = CollectingDispatcher(), []
            say(draft, "utter_tropiezo")
            hand_over(draft, "el bot no pudo contestar")
        events = [*events, *wind_up(self.services, draft, ordering=in_form(tracker))]
        dispatcher.messages.extend(draft.messages)
        return events
