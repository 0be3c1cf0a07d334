"""Every written conversation, over every channel: from the signed webhook to the phone, with the actions really executed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from crm.port import Crm
from omnicrm.conversation import load, responses_of
from omnicrm.player import Customer, play, play_across
from simulator.client import SimulatorClient
from tests.support.scene import CHANNELS
from tests.support.stack import PROJECT, address_of, user_on

# One database for all: no two customers may have one id, and no telephone that one of them tells may be another's.
NUMBERS = itertools.count(3_000_001)
FILES = sorted((PROJECT / "tests" / "conversations").glob("*.yml"))


@pytest.mark.parametrize(
    ("file", "channel"),
    [
        pytest.param(file, channel, id=f"{file.stem}-{channel}")
        for file in FILES
        for channel in CHANNELS
        if load(file).on(channel) and not load(file).across
    ],
)
async def test_a_written_conversation_goes_as_written(file: Path, channel: str, simulator: SimulatorClient, crm: Crm) -> None:
    conversation = load(file)
    user = user_on(channel, next(NUMBERS))
    customer = Customer(channel=channel, name="Lucía Ramos", user=user, address=address_of(channel, user))
    played = await play(conversation, customer, simulator, crm, responses_of(PROJECT), words_of(next(NUMBERS)))
    assert not played.problems, "\n".join(played.problems)


@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in FILES if load(file).across])
async def test_one_person_on_several_channels_goes_as_written(file: Path, simulator: SimulatorClient, crm: Crm) -> None:
    number = next(NUMBERS)
    # The platforms never give two customers one id.
    users = {channel: user_on(channel, number + (channel == "messenger") * 10**8) for channel in CHANNELS}
    person = [Customer(channel=c, name="Lucía Ramos", user=user, address=address_of(c, user)) for c, user in users.items()]
    played = await play_across(load(file), person, simulator, crm, responses_of(PROJECT), words_of(number))
    assert {c: p.problems for c, p in played.items() if p.problems} == {}
    assert len(played) == len(CHANNELS)


def words_of(number: int) -> dict[str, str]:
    """What stands for the placeholders of a person whose ids are made of this number."""
    return {"telefono": user_on("whatsapp", number)[3:], "correo": user_on("email", number), "usuario": f"lucia{number}"}


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 25
