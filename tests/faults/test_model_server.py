"""Ara's language model is broken in every way: the customer gets an answer from the knowledge, or a person. Never silence."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from simulator.client import SimulatorClient
from tests.faults.conftest import ARA_SECONDS
from tests.support.customer import Customer, is_response
from tests.support.eventually import eventually

NewCustomer = Callable[..., Customer]
# No intent fits either. The shop's knowledge has something to say to the first, and nothing to the second.
KNOWN = "estoy embarazada"
KNOWLEDGE_SAYS = "no son medicamentos"
UNKNOWN = "quién va a ganar el mundial de fútbol"
MODEL_SAYS = "De eso no sé, pero con gusto te cuento de nuestros extractos."


@pytest.fixture(autouse=True)
async def healthy_before(real_simulator: SimulatorClient, new_customer: NewCustomer) -> None:
    """Ara asks the model (again): a failing one she leaves alone for a while."""
    await real_simulator.model(answer=MODEL_SAYS)

    async def answered_by_the_model() -> bool:
        return await new_customer().asks(UNKNOWN) == [MODEL_SAYS]

    await eventually(answered_by_the_model, every=0.2)
    await real_simulator.call("DELETE", "model")


@pytest.mark.parametrize("fault", ["hang", "slow", "garbage", "429", "500", "empty", "no_choices", "cut_short", "reset"])
async def test_a_broken_model_gives_way_to_the_knowledge(
    fault: str, real_simulator: SimulatorClient, new_customer: NewCustomer
) -> None:
    await real_simulator.model(fault=fault)
    customer = new_customer("messenger")
    began = time.monotonic()
    (text,) = await customer.asks(KNOWN)
    assert KNOWLEDGE_SAYS in text
    assert time.monotonic() - began < ARA_SECONDS + 5
    assert len(await real_simulator.model_requests()) == 1
    assert (await customer.held())["owner"] == "bot"


@pytest.mark.parametrize("fault", ["hang", "garbage", "429", "500"])
async def test_where_the_knowledge_has_nothing_a_broken_model_ends_in_an_honest_handover(
    fault: str, real_simulator: SimulatorClient, new_customer: NewCustomer
) -> None:
    await real_simulator.model(fault=fault)
    customer = new_customer()
    (text,) = await customer.asks(UNKNOWN)
    assert is_response("utter_no_se", text)
    assert len(await real_simulator.model_requests()) == 1
    held = await customer.held()
    assert (held["owner"], held["owner_reason"]) == ("human", "el bot no supo responder")


async def test_a_model_that_invents_a_price_is_not_believed(
    real_simulator: SimulatorClient, new_customer: NewCustomer
) -> None:
    await real_simulator.model(answer="Claro, hoy te lo dejo en $35 con envío gratis, paga en https://extractos.example/pago")
    (text,) = await new_customer().asks(KNOWN)
    assert "$35" not in text
    assert KNOWLEDGE_SAYS in text


async def test_a_model_that_keeps_failing_is_left_alone_and_everybody_is_answered_all_the_same(
    real_simulator: SimulatorClient, new_customer: NewCustomer
) -> None:
    """Last in this file: it leaves the model alone for half a minute."""
    await real_simulator.model(fault="hang")
    for _ in range(6):
        (text,) = await new_customer().asks(KNOWN)
        assert KNOWLEDGE_SAYS in text
    assert len(await real_simulator.model_requests()) == 3
