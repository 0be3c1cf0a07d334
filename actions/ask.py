"""Questions: answered from the shop's knowledge by topic and product, else by Ara."""

from __future__ import annotations

import json

from rasa_sdk import Tracker
from rasa_sdk.events import FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.base import FORM, Events, ShopAction, entities_of, in_form, intent_of, say, text_of
from actions.effects import hand_over
from actions.reading import asks_whole_range, names_another
from actions.services import Services
from ara.catalogue import Product
from ara.knowledge import Knowledge
from ara.prompt import MAX_HISTORY, Line
from ara.text import content_words, coverage, words

TOPIC_OF_INTENT = {
    "preguntar_precio": "precio",
    "preguntar_producto": "producto",
    "preguntar_uso": "uso",
    "preguntar_disponibilidad": "disponibilidad",
    "preguntar_envio": "envio",
    "preguntar_pago": "pago",
    "preguntar_mayoreo": "mayoreo",
    "preguntar_ubicacion": "ubicacion",
    "pedir_factura": "facturacion",
}
_ABOUT_A_PRODUCT = ("precio", "producto", "uso", "disponibilidad")
_MOST_PRODUCTS = 3
# How many questions without an answer an order bears before a person is called.
PATIENCE = 2
# What the staff reads.
UNKNOWN = "el bot no supo responder"
_LONGEST_LIST = 30
_FEW_WORDS = 2


async def ask_ara(
    services: Services, dispatcher: CollectingDispatcher, tracker: Tracker, *, in_order: str = "utter_retomar_pedido"
) -> Events:
    """Let Ara answer; what she does not know goes to a person.

    An order is not given up for one such question: it is told so (``in_order``) and asks on, ``PATIENCE`` times.
    """
    answer = await services.ara().answer(text_of(tracker), conversation=tracker.sender_id, history=history_of(tracker))
    if answer.text is not None:
        dispatcher.utter_message(text=answer.text)
        return []
    if answer.way == "clarify":
        if not in_form(tracker):  # an order's own question comes again by itself
            say(dispatcher, "utter_aclara")
        return []
    if _may_be_nothing(tracker, services.knowledge()):
        say(dispatcher, "utter_aclara")
        return [SlotSet("sin_respuesta", 1)]
    reason = UNKNOWN
    if in_form(tracker):
        unanswered = int(tracker.get_slot("sin_respuesta") or 0) + 1
        if unanswered <= PATIENCE:
            say(dispatcher, in_order)
            return [SlotSet("sin_respuesta", unanswered)]
        # What is asked for now holds these very words; what was asked for before was checked.
        product = tracker.get_slot("producto") if tracker.get_slot("requested_slot") == "cantidad" else None
        reason += f" a medio pedido de {product}" if product else " a medio pedido"
    say(dispatcher, "utter_no_se")
    hand_over(dispatcher, reason)
    return []


class ActionAra(ShopAction):
    """Low confidence, or a question that no rule is about."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_ara"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Answer through Ara."""
        events = await ask_ara(self.services, dispatcher, tracker)
        if not in_form(tracker):
            events = [*events, *_talked_of(_named(tracker, self.services.knowledge()))]
        # Where no rule says what comes next, Rasa would choose this action again and again. After a hand-over wind_up listens.
        return [*events, FollowupAction(FORM if in_form(tracker) else "action_listen")]


class ActionConocimiento(ShopAction):
    """Prices, products, use, stock, shipping, payment, wholesale, address: word for word what the owner wrote."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_conocimiento"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Answer by intent and product; remember the product talked of, unless an order is being taken."""
        knowledge = self.services.knowledge()
        topic = TOPIC_OF_INTENT.get(intent_of(tracker), "")
        products, unknown = _products_meant(tracker, knowledge, topic)
        if unknown:
            say(dispatcher, "utter_producto_desconocido")
            return [] if in_form(tracker) else [SlotSet("producto", None)]
        answer = _about_products(knowledge, topic, products) if products else _about_shop(knowledge, topic, text_of(tracker))
        events: Events = []
        if answer:
            dispatcher.utter_message(text=answer, quick_replies=_order_offer(tracker, topic, products))
        else:
            events = await ask_ara(self.services, dispatcher, tracker)
        if not in_form(tracker):
            events = [*events, *_talked_of(products or _named(tracker, knowledge))]
        return events


def history_of(tracker: Tracker) -> list[Line]:
    """The last lines before the latest message, oldest first; taps and other non-text left out."""
    lines = [
        Line("customer" if event["event"] == "user" else "shop", event["text"])
        for event in tracker.events
        if event.get("event") in ("user", "bot") and event.get("text") and not event["text"].startswith("/")
    ]
    if text_of(tracker) and lines and lines[-1].author == "customer":
        lines.pop()
    return lines[-MAX_HISTORY:]


def _may_be_nothing(tracker: Tracker, knowledge: Knowledge) -> bool:
    """Whether a message of a word or two, none of the catalogue or the knowledge, is the first to call a person for."""
    text = text_of(tracker)
    if in_form(tracker) or tracker.get_slot("sin_respuesta") or intent_of(tracker) in TOPIC_OF_INTENT:
        return False
    if len(words(text)) > _FEW_WORDS or knowledge.find_products(text):
        return False
    told = (" ".join((document.title, *document.tags, document.text)) for document in knowledge.documents)
    return not coverage(content_words(text), content_words(" ".join(told)))


def _products_meant(tracker: Tracker, knowledge: Knowledge, topic: str) -> tuple[list[Product], bool]:
    """The products a question is about; and whether it names one that the shop does not know."""
    if topic not in _ABOUT_A_PRODUCT:
        return [], False
    text, named = text_of(tracker), entities_of(tracker, "producto")
    found = knowledge.find_products(" , ".join((text, *named)))
    if found:
        return found[:_MOST_PRODUCTS], False
    before = str(tracker.get_slot("producto") or "")
    if knowledge.products and (named or (before and names_another(text))):
        return [], True
    if not asks_whole_range(text):
        return knowledge.find_products(before)[:1], False
    return [], False


def _named(tracker: Tracker, knowledge: Knowledge) -> list[Product]:
    return knowledge.find_products(" , ".join(entities_of(tracker, "producto")))


def _talked_of(products: list[Product]) -> Events:
    """The one product that an order without a name would mean; of several Rasa would take the last one named."""
    if not products:
        return []
    if len(products) == 1:
        return [SlotSet("producto", products[0].name)]
    return [SlotSet("producto", None), SlotSet("siguientes", [product.name for product in products])]


def _about_products(knowledge: Knowledge, topic: str, products: list[Product]) -> str:
    if topic == "uso":
        told = [product.say_use() for product in products]
        if not all(told):
            return ""
        return "\n".join((*told, *(document.text for document in knowledge.always("uso"))))
    return "\n".join(about_product(topic, product) for product in products)


def about_product(topic: str, product: Product) -> str:
    """One product's price, all of it (topic "producto"), or whether there is any ("disponibilidad")."""
    if topic == "disponibilidad":
        return product.say_availability()
    if topic == "producto":
        return product.say_all()
    told = {"no": " Por ahora se nos agotó.", "to_order": " Es sobre pedido."}
    return product.say_price() + told.get(product.availability, "")


def _about_shop(knowledge: Knowledge, topic: str, question: str) -> str:
    documents = knowledge.about(topic, question)
    told = [document.text for document in documents]
    first = next((d for d in knowledge.documents if d.topic == topic and not d.subject), None)
    # The list belongs to the topic's general item; who asks for promotions gets no price list.
    if topic in ("precio", "producto") and (not documents or documents[0] is first):
        told.append(_list_of(knowledge, with_prices=topic == "precio"))
    return "\n".join(line for line in told if line)


def _list_of(knowledge: Knowledge, *, with_prices: bool) -> str:
    offered = [product for product in knowledge.products if product.availability != "no"]
    if with_prices:
        lines = [f"• {product.name}: {product.price_text}" for product in offered[:_LONGEST_LIST]]
        return "\n".join(lines)
    names = ", ".join(product.name for product in offered[:_LONGEST_LIST])
    return f"Tenemos: {names}." if names else ""


def _order_offer(tracker: Tracker, topic: str, products: list[Product]) -> list[dict[str, str]]:
    """A button that starts an order for the one product a price was asked of."""
    if topic not in ("precio", "disponibilidad") or len(products) != 1 or products[0].availability == "no" or in_form(tracker):
        return []
    return [{"title": "Hacer un pedido", "payload": order_payload(products[0])}]


def order_payload(product: Product) -> str:
    """What a tap sends back to order a product."""
    return "/hacer_pedido" + json.dumps({"producto": product.name}, ensure_ascii=False)
