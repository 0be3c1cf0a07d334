"""One real bot for all end-to-end tests; every test brings customers of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from crm.connect import open_crm
from crm.port import Crm
from omnicrm.settings import Settings
from simulator.client import SimulatorClient
from tests.support.postgres import Database, PostgresServer
from tests.support.real_bot import RealBot, real_bot

# Who of the staff is told when a customer asks for a person.
STAFF_MAIL = "equipo@tienda.example"
# As WhatsApp writes the Mexican number +52 55 9999 0001.
STAFF_WHATSAPP = "5215599990001"


@pytest.fixture(scope="session")
def bot_database(postgres_server: PostgresServer, template: Database) -> Database:
    """The database that the real bot lives on."""
    return postgres_server.create_database(template)


@pytest.fixture(scope="session")
def bot(bot_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBot]:
    """The real bot, its action server and the simulator."""
    staff = {
        "NOTIFY_HANDOVER": f"email:{STAFF_MAIL}, whatsapp:+525599990001",
        "NOTIFY_LINK": "https://crm.example/c/{{conversation}}",
    }
    with real_bot(bot_database.url, tmp_path_factory.mktemp("bot"), **staff) as started:
        yield started


@pytest.fixture
async def crm(bot_database: Database) -> AsyncIterator[Crm]:
    """The bot's database."""
    opened = await open_crm(Settings(database_url=bot_database.url))
    yield opened
    await opened.close()


@pytest.fixture
async def simulator(bot: RealBot) -> AsyncIterator[SimulatorClient]:
    """The customers' side."""
    async with SimulatorClient(bot.simulator) as client:
        yield client
