"""Every written conversation, over every channel: from the signed webhook to the phone, with the actions really executed."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from crm.port import Crm
from omnicrm.conversation import load, responses_of
from omnicrm.player import Customer, play
from simulator.client import SimulatorClient
from tests.support.scene import CHANNELS
from tests.support.stack import PROJECT, address_of, user_on

FILES = sorted((PROJECT / "tests" / "conversations").glob("*.yml"))


@pytest.mark.parametrize(
    ("file", "channel"),
    [
        pytest.param(file, channel, id=f"{file.stem}-{channel}")
        for file in FILES
        for channel in CHANNELS
        if load(file).on(channel)
    ],
)
async def test_a_written_conversation_goes_as_written(file: Path, channel: str, simulator: SimulatorClient, crm: Crm) -> None:
    conversation = load(file)
    user = user_on(channel, secrets.randbelow(10**7))
    customer = Customer(channel=channel, name="Lucía Ramos", user=user, address=address_of(channel, user))
    played = await play(conversation, customer, simulator, crm, responses_of(PROJECT))
    assert not played.problems, "\n".join(played.problems)


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 25
