"""Taking an order: which product, how many, and writing it down."""

from __future__ import annotations

import logging
from typing import Any

from rasa_sdk import FormValidationAction, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.ask import TOPIC_OF_INTENT, about_product, ask_ara, order_payload
from actions.base import Events, ShopAction, entities_of, forgotten_order, intent_of, is_asked, say, text_of, wind_up
from actions.contact import contact_of, keep_contact
from actions.effects import hand_over, place_order
from actions.quantity import parse_quantity
from actions.reading import about_order_made, counts_by_the_dozen, given_up, tells_address, wants_both
from actions.services import Services, shared_services
from actions.several import addition_of, offered_after, talked_of_together, together
from ara.catalogue import Product
from ara.knowledge import Knowledge
from ara.text import clean, words

logger = logging.getLogger(__name__)

FALLBACK_INTENT = "nlu_fallback"
# What the staff reads.
ORDER_MADE = "parece hablar de un pedido que ya hizo"
_MOST_CHOICES = 10


class ValidatePedidoForm(FormValidationAction):
    """Accept only products that the shop has, and whole numbers of pieces."""

    def __init__(self, services: Services | None = None) -> None:
        self.services = services or shared_services()

    def name(self) -> str:
        """The name that Rasa derives from the form's."""
        return "validate_pedido_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Validate; on a fault of ours nothing is taken as valid, and the form asks again."""
        draft = CollectingDispatcher()
        try:
            if _about_order_made(tracker):
                say(draft, "utter_pasando_con_humano")
                hand_over(draft, ORDER_MADE)
                events = []
            elif addition := addition_of(tracker, self.services.knowledge()):
                events = addition.take(draft, tracker)
            else:
                tracker.add_slots(_product_in_words(tracker, self.services.knowledge()))
                events = await super().run(draft, tracker, domain)
                if choices := talked_of_together(tracker, self.services.knowledge(), events):
                    say(draft, "utter_uno_por_uno", quick_replies=_choices(choices))
            # Where the form finds no answer in a message, it is a rule that keeps the data.
            if tracker.slots_to_validate() and _gives_data(tracker):
                events = [*events, *keep_contact(draft, tracker, in_order=True)]
            events = [*events, *wind_up(self.services, draft, ordering=True)]
            dispatcher.messages.extend(draft.messages)
            return events
        except Exception as error:  # the boundary to Rasa, which would answer with silence
            logger.error("%s failed: %s", self.name(), type(error).__name__, extra={"action": "action_failed"})
            logger.debug("%s failed", self.name(), exc_info=True)
            return [SlotSet(name, None) for name in tracker.slots_to_validate() if name in ("producto", "cantidad")]

    async def validate_producto(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> dict[str, Any]:
        """The catalogue's name of the product meant; None asks again and says why."""
        typed = clean(_all_said("producto", value, tracker), 300)
        knowledge = self.services.knowledge()
        if not knowledge.products:
            # Without a catalogue every order is a person's to check: it is not lost for that.
            return {"producto": typed[:80] or None}
        found = knowledge.find_products(typed)
        if len(found) > 1:
            exchanged = knowledge.find_products(given_up(text_of(tracker)))
            found = [product for product in found if product not in exchanged] or found
        if not found:
            return {"producto": None, **await self._unclear("utter_producto_desconocido", dispatcher, tracker)}
        if len(found) > 1:
            for answer in filter(None, (_asked_for(product, tracker) for product in found)):
                dispatcher.utter_message(text=answer)
            say(dispatcher, "utter_uno_por_uno", quick_replies=_choices(found))
            return {"producto": None, "siguientes": together(tracker, *found)}
        product = found[0]
        if product.availability == "no":
            dispatcher.utter_message(text=product.say_availability())
            return {"producto": None}
        if answer := _asked_for(product, tracker):
            dispatcher.utter_message(text=answer)
        slots: dict[str, Any] = {"producto": product.name}
        if tracker.get_slot("requested_slot") == "producto" and tracker.get_slot("cantidad") is None:
            # "2 de árnica" answers both questions.
            quantity = (
                parse_quantity(text_of(tracker), ignore=product.names) if any(map(str.isdigit, text_of(tracker))) else None
            )
            if quantity is not None:
                slots["cantidad"] = quantity
        return slots

    async def validate_cantidad(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> dict[str, Any]:
        """A whole number of pieces; None asks again."""
        # Of "quiero las dos", after two products were talked of, the "dos" counts those.
        both = not is_asked(tracker) and wants_both(text_of(tracker))
        if value is None or both or _is_address(tracker):
            return {"cantidad": None}
        knowledge = self.services.knowledge()
        ignored = [name for product in knowledge.products for name in product.names]
        # Of "2 docenas" or "2 y medio" the entity is the 2 alone.
        units = counts_by_the_dozen(text_of(tracker))
        several = len(knowledge.find_products(_all_said("producto", None, tracker))) > 1
        quantity = parse_quantity(text_of(tracker) if units else _all_said("cantidad", value, tracker), ignore=ignored)
        if several and (quantity is None or len(set(entities_of(tracker, "cantidad"))) > 1):
            return {"cantidad": None}  # "3 de árnica y una de tila": which comes first is asked before how many
        if quantity is None:
            return {"cantidad": None, **await self._unclear("utter_cantidad_invalida", dispatcher, tracker)}
        return {"cantidad": quantity}

    async def _unclear(self, response: str, dispatcher: CollectingDispatcher, tracker: Tracker) -> dict[str, Any]:
        """Words that are no answer to the form may be a question: Ara's, where they fit no intent. Returns slots."""
        if intent_of(tracker) != FALLBACK_INTENT:
            say(dispatcher, response)
            return {}
        events = await ask_ara(self.services, dispatcher, tracker, in_order=response)
        return {event["name"]: event["value"] for event in events}


class ActionRegistrarPedido(ShopAction):
    """Write the order down and forget it, so that the next one starts empty."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_registrar_pedido"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """State the order's effect, confirm it, and offer the next of the products that were named together with it."""
        product, quantity = tracker.get_slot("producto"), parse_quantity(tracker.get_slot("cantidad"))
        if not product or quantity is None:
            # The form lets nothing else through: getting here is our fault, and a person must look.
            raise ValueError("the order has no product or no quantity")
        place_order(dispatcher, str(product), quantity)
        say(dispatcher, "utter_pedido_registrado", producto=str(product), cantidad=quantity)
        offered = offered_after(str(product), tracker, self.services.knowledge())
        if not offered:
            return forgotten_order()
        say(dispatcher, "utter_siguiente_pedido", siguiente=offered[0].name, quick_replies=_choices(offered))
        # A "sí", and a number alone, are of the product that is offered.
        next_one = {"producto": offered[0].name, "siguientes": [other.name for other in offered], "oferta": "pedido"}
        return [*forgotten_order(), *(SlotSet(name, value) for name, value in next_one.items())]


class ActionOlvidarPedido(ShopAction):
    """Drop an order that was not finished."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_olvidar_pedido"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Empty the form's slots."""
        return forgotten_order()


def _asked_for(product: Product, tracker: Tracker) -> str:
    """The answer to "¿tienen árnica?" and "¿qué es la árnica?", which choose it, too; "" where only its name was said."""
    topic = TOPIC_OF_INTENT.get(intent_of(tracker), "")
    named = {word for name in product.names for word in words(name)}
    return about_product(topic, product) if topic and set(words(text_of(tracker))) - named else ""


def _about_order_made(tracker: Tracker) -> bool:
    """Whether what would open an order, or answer its question, is about an order that was made: a person must read it."""
    ordering = is_asked(tracker)
    answers = {"producto", "cantidad"} & set(tracker.slots_to_validate())
    named = entities_of(tracker, "producto") or entities_of(tracker, "cantidad")
    meant = (answers and named) if ordering else (named or intent_of(tracker) == "hacer_pedido")
    return bool(meant) and about_order_made(text_of(tracker), ordering=ordering)


def _product_in_words(tracker: Tracker, knowledge: Knowledge) -> Events:
    """What an order names by a spelling that is in no table of entities ("3 balerianas"), for the form to validate."""
    text, counting = text_of(tracker), tracker.get_slot("requested_slot") == "cantidad"
    if counting or intent_of(tracker) != "hacer_pedido" or entities_of(tracker, "producto"):
        return []
    return [SlotSet("producto", text)] if knowledge.find_products(text) else []


def _gives_data(tracker: Tracker) -> bool:
    """Whether an answer to the form gives the customer's data as well: "dos, mi tel es 5512345678"."""
    # A city alone may be where an order goes, or a lion of the melena's.
    return intent_of(tracker) == "dar_datos" or (
        intent_of(tracker) == "hacer_pedido" and not contact_of(tracker).keys() <= {"city"}
    )


def _is_address(tracker: Tracker) -> bool:
    """Whether the message tells where the customer lives: its numbers are no pieces."""
    return intent_of(tracker) == "dar_datos" and tells_address(text_of(tracker))


def _all_said(slot: str, value: Any, tracker: Tracker) -> str:
    """All that the message says for a slot: of several values Rasa puts the last one alone into it."""
    said = entities_of(tracker, slot) or (value if isinstance(value, list) else [value])
    return " , ".join(str(each) for each in said if each is not None)


def _choices(products: list[Product]) -> list[dict[str, str]]:
    return [{"title": product.name[:20], "payload": order_payload(product)} for product in products[:_MOST_CHOICES]]
