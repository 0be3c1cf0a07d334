"""One simulator and one loaded stand-in bot for all fault tests, with a database and customers of its own for each.

The real bot, with its action server and a simulator of its own, is one for all that need it; they bring their own customers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crm.connect import open_crm
from crm.port import Crm
from omnicrm.settings import Settings
from simulator.bot import ForBot
from simulator.client import SimulatorClient
from tests.support.customer import Customer
from tests.support.postgres import Database, PostgresServer
from tests.support.real_bot import RealBot, real_bot
from tests.support.scene import Scene
from tests.support.stack import Nursery, know_mailbox, simulated

# Seconds between deliveries of a webhook that was not taken: the bot is down for a moment only.
RETRIES = [0.2] * 100


@pytest.fixture(scope="session")
def fault_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes write."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def platforms(fault_logs: Path) -> Iterator[ForBot]:
    """The simulator, and where its webhooks expect the bot."""
    with simulated(fault_logs) as started:
        yield started


@pytest.fixture(scope="session")
def second_platforms(fault_logs: Path) -> Iterator[ForBot]:
    """Another one, for what can go on at the same time."""
    with simulated(fault_logs / "second") as started:
        yield started


@pytest.fixture(scope="session")
def nursery(fault_logs: Path) -> Iterator[Nursery]:
    """What forks bots."""
    opened = Nursery(fault_logs / "bots.log")
    yield opened
    opened.close()


@asynccontextmanager
async def playing(platforms: ForBot, database: Database, nursery: Nursery) -> AsyncIterator[Scene]:
    """A scene with the simulator as new; its bots end with it."""
    async with SimulatorClient(platforms.address) as simulator:
        await simulator.reset()
        # Receipts come when they come: how far they carry a message is another test.
        await simulator.settings(retries=RETRIES, statuses="off")
        crm = await open_crm(Settings(database_url=database.url))
        await know_mailbox(crm)
        made = Scene(simulator, platforms, database, crm, nursery)
        try:
            yield made
        finally:
            made.close()
            await crm.close()


@pytest.fixture
async def scene(platforms: ForBot, database: Database, nursery: Nursery) -> AsyncIterator[Scene]:
    """What a test with stand-in bots plays in."""
    async with playing(platforms, database, nursery) as made:
        yield made


@pytest.fixture
async def second_scene(
    second_platforms: ForBot, postgres_server: PostgresServer, template: Database, nursery: Nursery
) -> AsyncIterator[Scene]:
    """Another one beside it, with nothing in common but the machine."""
    database = postgres_server.create_database(template)
    async with playing(second_platforms, database, nursery) as made:
        yield made
    postgres_server.drop_database(database)


# --- the real bot ----------------------------------------------------------------------------------------------------------

ACTION_SECONDS = 3.0
ARA_SECONDS = 0.8
ARA_KEY = "sk-key-of-the-fault-tests"


@pytest.fixture(scope="session")
def real_database(postgres_server: PostgresServer, template: Database) -> Database:
    """The database that the real bot lives on."""
    return postgres_server.create_database(template)


@pytest.fixture(scope="session")
def real(real_database: Database, fault_logs: Path) -> Iterator[RealBot]:
    """Rasa, the action server with a language model, and the simulator; all of little patience."""
    with real_bot(
        real_database.url,
        fault_logs / "real",
        ACTION_TIMEOUT_SECONDS=str(ACTION_SECONDS),
        ARA_API_KEY=ARA_KEY,
        ARA_BASE_URL="{simulator}/llm/v1",
        ARA_TIMEOUT_SECONDS=str(ARA_SECONDS),
        LEASE_SECONDS="8",
        POLL_SECONDS="0.2",
    ) as started:
        yield started


@pytest.fixture
async def real_simulator(real: RealBot) -> AsyncIterator[SimulatorClient]:
    """The real bot's simulator, as new."""
    async with SimulatorClient(real.simulator) as client:
        await client.reset()
        await client.settings(retries=RETRIES)
        yield client


@pytest.fixture
async def real_crm(real_database: Database) -> AsyncIterator[Crm]:
    """The real bot's database."""
    opened = await open_crm(Settings(database_url=real_database.url))
    yield opened
    await opened.close()


@pytest.fixture
def new_customer(real_simulator: SimulatorClient, real_crm: Crm) -> Callable[..., Customer]:
    """Makes customers of the real bot: ``new_customer("messenger")``."""

    def make(channel: str = "instagram") -> Customer:
        return Customer.new(real_simulator, real_crm, channel)

    return make
