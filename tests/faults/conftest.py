"""One simulator and one loaded stand-in bot for all fault tests; a database and customers of its own for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from crm.port import Crm
from simulator.client import SimulatorClient
from tests.support.postgres import Database
from tests.support.scene import Scene
from tests.support.stack import Nursery, simulated

# Seconds between deliveries of a webhook that was not taken: the bot is down for a moment only.
RETRIES = [0.2] * 100


@pytest.fixture(scope="session")
def fault_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes write."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def simulator_and_port(fault_logs: Path) -> Iterator[tuple[str, int]]:
    """The simulator's address, and the port on which its webhooks expect the bot."""
    with simulated(fault_logs) as started:
        yield started


@pytest.fixture(scope="session")
def nursery(fault_logs: Path) -> Iterator[Nursery]:
    """What forks bots."""
    opened = Nursery(fault_logs / "bots.log")
    yield opened
    opened.close()


@pytest.fixture
async def simulator(simulator_and_port: tuple[str, int]) -> AsyncIterator[SimulatorClient]:
    """The simulator, as new."""
    async with SimulatorClient(simulator_and_port[0]) as client:
        await client.reset()
        await client.settings(retries=RETRIES)
        yield client


@pytest.fixture
async def scene(
    simulator: SimulatorClient, simulator_and_port: tuple[str, int], database: Database, crm: Crm, nursery: Nursery
) -> AsyncIterator[Scene]:
    """What a test with stand-in bots plays in."""
    made = Scene(simulator, *simulator_and_port, database, crm, nursery)
    yield made
    made.close()
