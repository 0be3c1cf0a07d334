"""Several products that a customer names together: each has an order of its own, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

from rasa_sdk import Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.base import Events, is_asked, say, slot_before, text_of
from actions.quantity import parse_quantity
from actions.reading import before_addition
from ara.catalogue import Product
from ara.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class Addition:
    """Products that come on top of the one that is being ordered, and how many of that one were said with them."""

    chosen: Product
    quantity: int | None
    added: list[Product]

    def take(self, dispatcher: CollectingDispatcher, tracker: Tracker) -> Events:
        """Keep the chosen product, remember the others for later, and say so."""
        later = [product for product in self.added if product.availability != "no"]
        for product in self.added:
            if product not in later:
                dispatcher.utter_message(text=product.say_availability())
        if later:
            names = " y ".join(product.name for product in later)
            say(dispatcher, "utter_uno_a_la_vez", producto=self.chosen.name, siguiente=names)
        return [
            SlotSet("producto", self.chosen.name),
            SlotSet("cantidad", self.quantity),
            SlotSet("siguientes", together(tracker, self.chosen, *later)),
        ]


def addition_of(tracker: Tracker, knowledge: Knowledge) -> Addition | None:
    """What a message adds to the product that was chosen before it: "2, y una de tila"; None where it adds none."""
    head, answers = before_addition(text_of(tracker)), {"producto", "cantidad"} & set(tracker.slots_to_validate())
    chosen = knowledge.find_products(str(slot_before(tracker, "producto") or "")) if answers else []
    if head is None or len(chosen) != 1:
        return None
    named, first = knowledge.find_products(text_of(tracker)), knowledge.find_products(head)
    added = [product for product in named if product != chosen[0]]
    quantity = parse_quantity(head, ignore=chosen[0].names)
    # Of what was only talked of before the order, a number must say that it is ordered.
    if not added or first not in ([], chosen) or (quantity is None and not is_asked(tracker)):
        return None
    return Addition(chosen[0], quantity, added)


def talked_of_together(tracker: Tracker, knowledge: Knowledge, events: Events) -> list[Product]:
    """The products that an order means which names none, right after several were talked of: "quiero las dos"."""
    if is_asked(tracker) or tracker.get_slot("producto") or any(event.get("name") == "producto" for event in events):
        return []
    return [product for product in knowledge.products if product.name in _waiting(tracker) and product.availability != "no"]


def offered_after(ordered: str, tracker: Tracker, knowledge: Knowledge) -> list[Product]:
    """What was named together with a product that is ordered now, in that order; sold-out ones left out."""
    waiting = _waiting(tracker)
    known = {product.name: product for product in knowledge.products if product.availability != "no"}
    return [known[name] for name in waiting if name in known and name != ordered] if ordered in waiting else []


def together(tracker: Tracker, *products: Product) -> list[str]:
    """The products named together, each once; those of before stay, behind them, where the order is of one of those."""
    names, before = [product.name for product in products], _waiting(tracker)
    return list(dict.fromkeys((*names, *(before if set(before) & set(names) else ()))))


def _waiting(tracker: Tracker) -> list[str]:
    """All that were named together, the one that is being ordered among them."""
    return tracker.get_slot("siguientes") or []
