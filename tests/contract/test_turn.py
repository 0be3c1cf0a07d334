"""A whole turn, the same over every way to the database."""

from __future__ import annotations

import secrets
from dataclasses import replace

from crm.port import Crm
from tests.support.events import CUSTOMER, claim, commit, conversation, echo, inbound, next_send, receive


async def test_a_message_is_stored_once_answered_once_and_shown(crm: Crm) -> None:
    person = replace(CUSTOMER, user=f"contract-{secrets.token_hex(6)}")
    event = inbound('¿Cuánto cuesta la árnica? 🌿\n"comillas" y \\ barras', address=person, key=secrets.token_hex(8))
    assert [r["stored"] for r in await receive(crm, event, event)] == [True, False]
    (work,) = [w for w in await claim(crm) if w["key"] == person.key]
    assert work["inbound"][0]["text"] == event.text

    order = {"effect": "order", "product": "Árnica", "quantity": 2}
    committed = await commit(
        crm, work, "¡Hola! 🌿", "Son $120", effects=[order], dialogue={"events": [{"event": "user", "text": "ñ"}]}
    )
    assert committed == {"committed": True, "queued": 2, "withdrawn": 0}
    first = (await next_send(crm, work))["send"]
    second = (await next_send(crm, work, {"message": first["id"], "outcome": "sent", "platform_id": "p-" + person.user}))[
        "send"
    ]
    await receive(crm, echo(second["message"]["text"], "q-" + person.user, address=person))
    released = await next_send(crm, work, {"message": second["id"], "outcome": "sent", "platform_id": "q-" + person.user})
    assert released["released"] is True

    held = await conversation(crm, person.key)
    assert [(m["text"], m["status"]) for m in held["messages"]] == [
        (event.text, "handled"),
        ("¡Hola! 🌿", "sent"),
        ("Son $120", "sent"),
    ]
    assert held["orders"] == [{"product": "Árnica", "quantity": 2}]
    assert held["dialogue"] == {"events": [{"event": "user", "text": "ñ"}]}
    assert held["owner"] == "bot"


async def test_a_lost_lease_commits_nothing(crm: Crm) -> None:
    person = replace(CUSTOMER, user=f"contract-{secrets.token_hex(6)}")
    await receive(crm, inbound(address=person, key=secrets.token_hex(8)))
    (work,) = [w for w in await claim(crm, lease=0.0) if w["key"] == person.key]
    assert (await commit(crm, work, "tarde"))["committed"] is False
    assert [m["direction"] for m in (await conversation(crm, person.key))["messages"]] == ["in"]
