"""Play a written conversation against a running bot: the customer's part through the simulator, the check on both sides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.message import Address
from crm.port import Crm
from omnicrm.conversation import Conversation, Json, compare, compare_crm
from simulator.client import PhoneMessage, PhoneView, SimulatorClient, SimulatorError

STEP_SECONDS = 45.0
POLL_SECONDS = 0.1
OK = 200
# What says that the bot still owes something.
UNFINISHED = frozenset({("in", "received"), ("out", "queued"), ("out", "sending")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How a conversation went: what the phone showed, what the CRM holds, and every problem as a sentence."""

    messages: tuple[PhoneMessage, ...] = ()
    crm: Json = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who plays: a person on one channel (``instagram`` or ``messenger``), as the CRM and as the simulator know them."""

    channel: str
    address: Address
    name: str


async def play(
    conversation: Conversation, customer: Customer, client: SimulatorClient, crm: Crm, responses: Mapping[str, Json]
) -> Played:
    """Play all steps and compare. A step is over when the CRM owes this customer nothing, so that no late reply is missed."""
    problems: list[str] = []
    held: Json = None
    phone: PhoneView | None = None
    user = customer.address.user
    for number, step in enumerate(conversation.steps, 1):
        seen = phone.shop_messages if phone else 0
        try:
            said = await client.act(customer.channel, user, name=customer.name, **step.as_act())
        except SimulatorError as error:
            problems.append(f"step {number} ({step}): {error}")
            break
        if said.status != OK:
            problems.append(f"step {number} ({step}): the webhook answered {said.status}")
            break
        held, owed = await _settled(crm, customer.address.key)
        phone = await client.phone(customer.channel, user)
        shown = [text or "" for text in phone.texts[seen:]]
        problems += [f"step {number} ({step}): {problem}" for problem in compare(step.expected, shown, responses)]
        if owed:
            problems.append(f"step {number} ({step}): after {STEP_SECONDS:.0f} s there is still {', '.join(owed)}")
            break
    if held is not None:
        problems += compare_crm(conversation.crm, held)
    return Played(messages=phone.messages if phone else (), crm=held, problems=tuple(problems))


async def _settled(crm: Crm, key: str) -> tuple[Json, list[str]]:
    """The conversation once nothing of it waits any more, and what still waited when patience ended."""
    deadline = time.monotonic() + STEP_SECONDS
    while True:
        held = await crm.call("omnicrm_conversation", p_key=key)
        states = {(message["direction"], message["status"]) for message in (held or {}).get("messages", ())}
        owed = [f"{direction} {status}" for direction, status in sorted(states & UNFINISHED)]
        if (held and not owed) or time.monotonic() > deadline:
            return held, owed
        await asyncio.sleep(POLL_SECONDS)
