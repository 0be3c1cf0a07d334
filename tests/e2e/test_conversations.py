"""Every written conversation, over every channel: from the signed webhook to the phone, with the actions really executed."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from connectors.message import Address
from crm.port import Crm
from omnicrm.conversation import load, responses_of
from omnicrm.player import Customer, play
from simulator.client import SimulatorClient
from tests.support.stack import KEYS, PROJECT

FILES = sorted((PROJECT / "tests" / "conversations").glob("*.yml"))
CHANNELS = {"instagram": ("IG", KEYS.ig_id), "messenger": ("FB", KEYS.page_id)}


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
    code, account = CHANNELS[channel]
    user = str(10**15 + secrets.randbelow(10**15))
    customer = Customer(channel=channel, name="Lucía Ramos", address=Address(channel=code, account=account, user=user))  # type: ignore[arg-type]
    played = await play(conversation, customer, simulator, crm, responses_of(PROJECT))
    assert not played.problems, "\n".join(played.problems)


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 25
