"""Keeping what a customer tells about themselves."""

from __future__ import annotations

from rasa_sdk import Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.base import Events, ShopAction, entities_of, say, text_of
from actions.contact_data import read_city, read_email, read_name, read_phone
from actions.effects import save_contact
from ara.text import clean


class ActionGuardarDatos(ShopAction):
    """Keep name, phone, mail and city, each only if it is valid."""

    def name(self) -> str:
        """The name in the domain."""
        return "action_guardar_datos"

    async def perform(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> Events:
        """State what is valid; with nothing valid, ask again."""
        contact = contact_of(tracker)
        if not contact:
            say(dispatcher, "utter_datos_invalidos")
            return []
        save_contact(dispatcher, contact)
        say(dispatcher, "utter_datos_guardados")
        return [SlotSet("cliente_nombre", contact["name"])] if "name" in contact else []


def contact_of(tracker: Tracker) -> dict[str, str]:
    """The valid data of the latest message."""
    text = clean(text_of(tracker), 1000)
    found = {
        "name": read_name(entities_of(tracker, "nombre"), text),
        # The whole text first: an entity may hold only a part of a number.
        "phone": read_phone(text) or read_phone(" ".join(entities_of(tracker, "telefono"))),
        "email": read_email(text) or read_email(" ".join(entities_of(tracker, "correo"))),
        "city": read_city(entities_of(tracker, "ciudad")),
    }
    return {key: value for key, value in found.items() if value}
