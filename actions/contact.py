"""Keeping what a customer tells about themselves; what may be a slip is asked back first."""

from __future__ import annotations

import json

from rasa_sdk import Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.base import Events, ShopAction, entities_of, in_form, say, slot_before, text_of
from actions.contact_data import Found, read_city, read_email, read_name, read_phone
from actions.effects import save_contact
from actions.reading import begins_with_yes, tells_address
from ara.text import clean

# What waits for a "sí": the data, and that it waits (the rules of "sí" and "no" look at the latter).
PENDING_SLOT = "datos_por_confirmar"
CONFIRMING_SLOT = "confirmando"


class ActionGuardarDatos(ShopAction):
    """Keep name, phone, mail and city, each only if it is valid."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_guardar_datos"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """State what is sure, ask about what is not; with nothing valid, ask again.

        What was asked back is confirmed as well by "sí, pero me llamo Juan".
        """
        confirmed = _confirmed(tracker)
        if confirmed or contact_of(tracker):
            return keep_contact(dispatcher, tracker, in_order=in_form(tracker), confirmed=confirmed)
        # An address is no data of the CRM: whoever confirms the order reads it in the conversation.
        say(dispatcher, "utter_direccion" if tells_address(text_of(tracker)) else "utter_datos_invalidos")
        return []


class ActionConfirmarDatos(ShopAction):
    """The customer said that it is right."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_confirmar_datos"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Keep what was asked back."""
        save_contact(dispatcher, json.loads(tracker.get_slot(PENDING_SLOT) or "{}"))
        say(dispatcher, "utter_datos_guardados")
        return nothing_pending()


class ActionCorregirDatos(ShopAction):
    """The customer said that it is wrong."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_corregir_datos"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """Forget it and ask for it anew."""
        say(dispatcher, "utter_corregir_datos")
        return nothing_pending()


def _confirmed(tracker: Tracker) -> dict[str, str]:
    """The data that were asked back, where a message says yes to them before it says more."""
    if not slot_before(tracker, CONFIRMING_SLOT) or not begins_with_yes(text_of(tracker)):
        return {}
    pending: dict[str, str] = json.loads(tracker.get_slot(PENDING_SLOT) or "{}")
    return pending


def keep_contact(
    dispatcher: CollectingDispatcher, tracker: Tracker, *, in_order: bool, confirmed: dict[str, str] | None = None
) -> Events:
    """Keep what is sure of the latest message's data, and what it confirms; ask about the rest."""
    found = contact_of(tracker)
    sure = {**(confirmed or {}), **{name: item.value for name, item in found.items() if item.sure}}
    unsure = {name: item.value for name, item in found.items() if not item.sure}
    if sure:
        save_contact(dispatcher, sure)
    events = nothing_pending() if confirmed else []
    if "name" in sure:
        events += [SlotSet("cliente_nombre", sure["name"])]
    if unsure and in_order:
        # A "sí" would answer the order's question.
        say(dispatcher, "utter_datos_dudosos_en_pedido", dato=shown(unsure))
    elif unsure:
        say(dispatcher, "utter_confirmar_datos", dato=shown(unsure))
        events += [SlotSet(PENDING_SLOT, json.dumps(unsure)), SlotSet(CONFIRMING_SLOT, True)]
    elif sure:
        say(dispatcher, "utter_datos_guardados")
    return events


def nothing_pending() -> Events:
    """The events after which no data waits for a yes."""
    return [SlotSet(PENDING_SLOT, None), SlotSet(CONFIRMING_SLOT, False)]


def shown(contact: dict[str, str]) -> str:
    """Data as a customer reads it: phones of the country without its code."""
    return " y ".join(value.removeprefix("+52") if name == "phone" else value for name, value in contact.items())


def contact_of(tracker: Tracker) -> dict[str, Found]:
    """The valid data of the latest message."""
    text = clean(text_of(tracker), 1000)
    name = read_name(entities_of(tracker, "nombre"), text)
    city = read_city(entities_of(tracker, "ciudad"))
    found = {
        "name": Found(name) if name else None,
        # The whole text first: an entity may hold only a part of a number.
        "phone": read_phone(text) or read_phone(" ".join(entities_of(tracker, "telefono"))),
        "email": read_email(text) or read_email(" ".join(entities_of(tracker, "correo"))),
        "city": Found(city) if city else None,
    }
    return {key: value for key, value in found.items() if value}
