"""Play a written conversation against a running bot: the customer's part through the simulator, the check on both sides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.message import Address
from crm.port import Crm
from omnicrm.channels import ONE_MESSAGE
from omnicrm.conversation import Conversation, Json, compare, compare_crm, compare_joined
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
    """Who plays: a person on one channel, as the CRM (``address``) and as the simulator (``user``) know them."""

    channel: str
    address: Address
    user: str
    name: str


async def play(
    conversation: Conversation, customer: Customer, client: SimulatorClient, crm: Crm, responses: Mapping[str, Json]
) -> Played:
    """Play all steps and compare. A step is over when the CRM owes this customer nothing, so that no late reply is missed."""
    problems: list[str] = []
    held: Json = None
    phone: PhoneView | None = None
    user = customer.user
    compared = compare_joined if customer.channel in ONE_MESSAGE else compare
    written = 0
    for number, step in enumerate(conversation.steps, 1):
        if not step.on(customer.channel):
            continue
        seen = phone.shop_messages if phone else 0
        try:
            said = await client.act(customer.channel, user, name=customer.name, **step.as_act())
        except SimulatorError as error:
            problems.append(f"step {number} ({step}): {error}")
            break
        if said.status != OK:
            problems.append(f"step {number} ({step}): the webhook answered {said.status}")
            break
        written += 1
        held, owed = await _settled(crm, customer.address.key, written)
        phone = await client.phone(customer.channel, user)
        shown = [text or "" for text in phone.texts[seen:]]
        problems += [f"step {number} ({step}): {problem}" for problem in compared(step.expected, shown, responses)]
        if owed:
            problems.append(f"step {number} ({step}): after {STEP_SECONDS:.0f} s there is still {', '.join(owed)}")
            break
    if held is not None:
        problems += compare_crm(conversation.crm, held)
    return Played(messages=phone.messages if phone else (), crm=held, problems=tuple(problems))


async def _settled(crm: Crm, key: str, written: int) -> tuple[Json, list[str]]:
    """The conversation once all that was written is there and nothing of it waits, and what still waited when patience ended.

    A mail is on its way for a while: a platform that was answered with 200 says that it is there already.
    """
    deadline = time.monotonic() + STEP_SECONDS
    while True:
        held = await crm.call("omnicrm_conversation", p_key=key)
        messages = (held or {}).get("messages", ())
        states = {(message["direction"], message["status"]) for message in messages}
        owed = [f"{direction} {status}" for direction, status in sorted(states & UNFINISHED)]
        missing = written - sum(message["direction"] == "in" for message in messages)
        if missing > 0:
            owed.append(f"{missing} of the customer's messages missing")
        if not owed or time.monotonic() > deadline:
            return held, owed
        await asyncio.sleep(POLL_SECONDS)
