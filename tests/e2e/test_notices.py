"""A customer asks for a person, and the staff is told where they look: in their mail and on WhatsApp."""

from __future__ import annotations

import secrets

from crm.port import Crm
from simulator.client import SimulatorClient
from tests.e2e.conftest import STAFF_MAIL, STAFF_WHATSAPP
from tests.support.eventually import eventually
from tests.support.stack import address_of, user_on


async def test_who_asks_for_a_person_is_told_to_the_staff_with_a_link_and_without_their_words(
    simulator: SimulatorClient, crm: Crm
) -> None:
    await simulator.user("whatsapp", STAFF_WHATSAPP, name="Mónica")
    user, name = user_on("instagram", secrets.randbelow(10**9)), f"Lucía {secrets.token_hex(3)}"
    await simulator.act("instagram", user, name=name, text="quiero hablar con una persona por favor, mi clave es girasol")
    conversation = None

    async def waiting() -> bool:
        nonlocal conversation
        conversation = await crm.call("omnicrm_conversation", p_key=address_of("instagram", user).key)
        return bool(conversation and conversation["state"] == "waiting")

    await eventually(waiting, within=30)
    link = f"https://crm.example/c/{conversation['conversation']}"  # type: ignore[index]

    for channel, staff in (("email", STAFF_MAIL), ("whatsapp", STAFF_WHATSAPP)):

        async def told(channel: str = channel, staff: str = staff) -> bool:
            texts = [text or "" for text in (await simulator.phone(channel, staff)).texts]
            found = [text for text in texts if link in text]
            assert not any("girasol" in text for text in texts)
            assert all("pide hablar con una persona" in text and "Instagram" in text for text in found)
            return len(found) == 1

        await eventually(told, within=30)

    # Whapi echoes what we said to her as it does with a customer: she must not become one.
    await simulator.stats(wait=10)
    assert await crm.call("omnicrm_conversation", p_key=address_of("whatsapp", STAFF_WHATSAPP).key) is None
