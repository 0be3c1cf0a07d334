"""One server of the API over one database for all tests of a module; each brings its own customers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from crm.connect import open_crm
from crm.port import Crm
from omnicrm.settings import Settings
from tests.support.api import Api, api_server, new_api_key
from tests.support.postgres import Database, PostgresServer


@pytest.fixture(scope="module")
def api_database(postgres_server: PostgresServer, template: Database) -> Iterator[Database]:
    """The database of the server."""
    made = postgres_server.create_database(template)
    yield made
    postgres_server.drop_database(made)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server writes."""
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def address(api_database: Database, logs: Path) -> Iterator[str]:
    """Where the API answers."""
    with api_server(api_database.url, logs, API_REQUESTS_PER_MINUTE="100000") as started:
        yield started


@pytest.fixture
def strict_address(api_database: Database, tmp_path: Path) -> Iterator[str]:
    """A server that lets a key ask three times a minute."""
    with api_server(api_database.url, tmp_path, API_REQUESTS_PER_MINUTE="3") as started:
        yield started


@pytest.fixture
def lost_address(tmp_path: Path) -> Iterator[str]:
    """A server whose database is not there."""
    with api_server("postgresql://nobody:x@127.0.0.1:9/none", tmp_path) as started:
        yield started


@pytest.fixture
async def crm(api_database: Database) -> AsyncIterator[Crm]:
    """The server's database."""
    opened = await open_crm(Settings(database_url=api_database.url))
    yield opened
    await opened.close()


@pytest.fixture
async def api(address: str, crm: Crm) -> AsyncIterator[Api]:
    """A caller who may do everything."""
    headers = {"Authorization": f"Bearer {await new_api_key(crm)}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=20, trust_env=False) as http:
        yield Api(http)
