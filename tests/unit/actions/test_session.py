"""A session starts knowing the customer; without the CRM it starts all the same."""

from __future__ import annotations

import asyncio

import pytest

from actions import session
from actions.session import ActionSessionStart, address_of
from tests.unit.actions.conftest import make_tracker, run

LISTEN = {"event": "action", "name": "action_listen"}


def started(outcome) -> bool:
    first, last = outcome.events[0], outcome.events[-1]
    return first["event"] == "session_started" and {key: last[key] for key in LISTEN} == LISTEN


@pytest.mark.parametrize(("sender", "address"), [
    ("ig:17841:99", ("IG", "17841", "99")),
    ("fb:104:7", ("FB", "104", "7")),
    ("wa:5215:5255@s.whatsapp.net", ("WA", "5215", "5255@s.whatsapp.net")),
    ("email:hola@eum.mx:ana@x.mx", ("EMAIL", "hola@eum.mx", "ana@x.mx")),
    ("tt:1:a:b", ("TT", "1", "a:b")),
    ("default", ("SHELL", "shell", "default")),
    ("0f3c9a", ("SHELL", "shell", "0f3c9a")),
    ("xx:1:2", ("SHELL", "shell", "xx:1:2")),
    ("ig:1", ("SHELL", "shell", "ig:1")),
    ("ig::2", ("SHELL", "shell", "ig::2")),
    ("", ("SHELL", "shell", "")),
])  # fmt: skip
def test_the_sender_tells_the_conversation(sender: str, address: tuple[str, str, str]):
    assert address_of(sender) == address


async def test_a_new_customer_is_new_and_nameless(services):
    outcome = await run(ActionSessionStart(services), make_tracker())
    assert started(outcome)
    assert outcome.slots == {"cliente_nombre": None, "cliente_nuevo": True}
    assert services.memory.calls == [("omnicrm_open_conversation", {"p_channel": "IG", "p_account": "17841", "p_user": "99"})]


async def test_what_the_message_tells_of_the_customer_need_not_be_asked(services):
    told = make_tracker(session_started_metadata={"messages": [1], "customer": {"name": "Ana", "new": False}})
    outcome = await run(ActionSessionStart(services), told)
    assert started(outcome)
    assert outcome.slots == {"cliente_nombre": "Ana", "cliente_nuevo": False}
    assert services.memory.calls == []


async def test_a_known_customer_is_called_by_name(services):
    services.memory.clients["IG", "17841", "99"] = {"id": 5, "name": "Ana\u200b López"}
    outcome = await run(ActionSessionStart(services), make_tracker())
    assert outcome.slots == {"cliente_nombre": "Ana López", "cliente_nuevo": False}


async def test_slots_are_carried_over_but_an_open_question_is_not(services):
    tracker = make_tracker(producto="Árnica", cantidad=None, requested_slot="cantidad")
    outcome = await run(ActionSessionStart(services), tracker)
    assert outcome.slots == {"producto": "Árnica", "cliente_nombre": None, "cliente_nuevo": True}


async def test_of_an_order_that_was_left_only_the_product_lives_on(services):
    left = make_tracker(producto="Valeriana", cantidad=3, sin_respuesta=2, siguientes=["Tila"], requested_slot="producto")
    outcome = await run(ActionSessionStart(services), left)
    assert outcome.slots == {"producto": "Valeriana", "cliente_nombre": None, "cliente_nuevo": True}


async def test_a_domain_that_carries_nothing_over_is_obeyed(services):
    domain = {"session_config": {"carry_over_slots_to_new_session": False}}
    outcome = await run(ActionSessionStart(services), make_tracker(producto="Árnica"), domain)
    assert "producto" not in outcome.slots


async def test_without_the_crm_the_session_starts_with_what_was_known(services):
    services.memory.down = True
    outcome = await run(ActionSessionStart(services), make_tracker(cliente_nombre="Ana", cliente_nuevo=True, producto="Árnica"))
    assert started(outcome)
    assert outcome.slots == {"cliente_nombre": "Ana", "cliente_nuevo": True, "producto": "Árnica"}
    assert outcome.messages == []


async def test_a_crm_that_hangs_does_not_hold_the_customer_up(services, monkeypatch: pytest.MonkeyPatch):
    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(session, "LOOKUP_SECONDS", 0.01)
    monkeypatch.setattr(services, "crm", hang)
    assert started(await run(ActionSessionStart(services), make_tracker()))


@pytest.mark.parametrize("answer", [None, {}, {"client": None, "new_client": True}, []])
async def test_a_senseless_answer_of_the_crm_is_survived(services, answer, monkeypatch: pytest.MonkeyPatch):
    async def call(function, /, **arguments):
        return answer

    monkeypatch.setattr(services.memory, "call", call)
    assert started(await run(ActionSessionStart(services), make_tracker()))
