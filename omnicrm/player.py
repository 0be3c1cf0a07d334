"""Play a written conversation against a running bot: the customer's part through the simulator, the check on both sides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from connectors.message import Address
from crm.port import Crm
from omnicrm.channels import ONE_MESSAGE
from omnicrm.conversation import Conversation, Json, Step, compare, compare_clients, compare_crm, compare_joined, fill
from simulator.client import PhoneMessage, PhoneView, SimulatorClient, SimulatorError

STEP_SECONDS = 45.0
POLL_SECONDS = 0.1
OK = 200
# What says that the bot still owes something.
UNFINISHED = frozenset({("in", "received"), ("out", "queued"), ("out", "sending")})
MANY = 1000


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
    conversation: Conversation, customer: Customer, client: SimulatorClient, crm: Crm, responses: Mapping[str, Json],
    words: Mapping[str, str] | None = None,
) -> Played:
    """Play all steps on one channel and compare. ``words``: what stands for the placeholders in the lines."""
    part = _Part(customer, client, crm, responses)
    problems: list[str] = []
    for number, step in enumerate(conversation.steps, 1):
        if step.on(customer.channel):
            wrong, goes_on = await part.do(step.filled(words or {}))
            problems += [f"step {number} ({step}): {problem}" for problem in wrong]
            if not goes_on:
                break
    if part.held is not None:
        problems += compare_crm(_filled(conversation.crm, words or {}), part.held)
    return part.played(problems)


async def play_across(
    conversation: Conversation, person: Sequence[Customer], client: SimulatorClient, crm: Crm, responses: Mapping[str, Json],
    words: Mapping[str, str],
) -> dict[str, Played]:
    """Play a conversation of one person over several channels; how it went by channel, with all problems at the last one's."""
    parts = {customer.channel: _Part(customer, client, crm, responses) for customer in person}
    problems: list[str] = []
    channel = ""
    for number, step in enumerate(conversation.steps, 1):
        channel = step.via or channel
        wrong, goes_on = await parts[channel].do(step.filled(words))
        problems += [f"step {number} ({channel}: {step}): {problem}" for problem in wrong]
        if not goes_on:
            break
    else:
        # As they stand at the end: a later step on one channel may have joined the client of another.
        held = {c: await crm.call("omnicrm_conversation", p_key=p.customer.address.key) for c, p in parts.items()}
        expected = dict(_filled(conversation.crm, words))
        clients = {name: expected.pop(name) for name in ("one_client", "proposed") if name in expected}
        problems += compare_crm(expected, held[channel]) + compare_clients(clients, held)
    return {c: part.played(problems if c == channel else ()) for c, part in parts.items()}


class _Part:
    """One customer on one channel, step by step."""

    def __init__(self, customer: Customer, client: SimulatorClient, crm: Crm, responses: Mapping[str, Json]) -> None:
        self.customer = customer
        self.held: Json = None
        self._client = client
        self._crm = crm
        self._responses = responses
        self._phone: PhoneView | None = None
        self._written = 0
        self._compared = compare_joined if customer.channel in ONE_MESSAGE else compare

    async def do(self, step: Step) -> tuple[list[str], bool]:
        """Do a step; what is wrong with its answer, and whether the next one can follow.

        It is over when the CRM owes this customer nothing, so that no late reply is missed.
        """
        customer = self.customer
        seen = self._phone.shop_messages if self._phone else 0
        try:
            said = await self._client.act(customer.channel, customer.user, name=customer.name, **step.as_act())
        except SimulatorError as error:
            return [str(error)], False
        if said.status != OK:
            return [f"the webhook answered {said.status}"], False
        self._written += 1
        self.held, owed = await _settled(self._crm, customer.address.key, self._written)
        self._phone = await self._client.phone(customer.channel, customer.user)
        problems = self._compared(step.expected, [text or "" for text in self._phone.texts[seen:]], self._responses)
        if owed:
            problems.append(f"after {STEP_SECONDS:.0f} s there is still {', '.join(owed)}")
        return problems, not owed

    def played(self, problems: Iterable[str]) -> Played:
        """How it went."""
        return Played(messages=self._phone.messages if self._phone else (), crm=self.held, problems=tuple(problems))


def _filled(expected: Json, words: Mapping[str, str]) -> Json:
    """The expectation with the person's own words in it."""
    if isinstance(expected, str):
        return fill(expected, words)
    if isinstance(expected, Mapping):
        return {name: _filled(value, words) for name, value in expected.items()}
    return [_filled(item, words) for item in expected] if isinstance(expected, list) else expected


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
        # What has no turn is read all the same.
        if silent := {message["id"] for message in messages if message["status"] == "ignored"}:
            unread = silent & {message["id"] for message in await crm.call("omnicrm_unheard", p_limit=MANY)}
            owed += [f"{len(unread)} unread"] if unread else []
        if not owed or time.monotonic() > deadline:
            return held, owed
        await asyncio.sleep(POLL_SECONDS)
