"""The same promises over every way to the database."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from crm.cluster import Cluster
from crm.connect import open_crm
from crm.embedded import EmbeddedServer
from crm.port import Crm
from omnicrm.migrate import migrate
from omnicrm.settings import Settings
from tests.support.backends import Backend
from tests.support.postgres import Database, PostgresServer
from tests.support.supabase import SupabaseProject

WAYS = ("embedded", "database_url", "supabase_secret_key", "supabase_jwt")


@pytest.fixture(scope="module", params=WAYS)
def backend(request: pytest.FixtureRequest, postgres_server: PostgresServer, template: Database) -> Iterator[Backend]:
    """One way to a migrated database of this module's own."""
    made = _embedded() if request.param == "embedded" else _on_server(request, postgres_server, template)
    made.prepare()
    yield made
    made.close()


@pytest.fixture
async def crm(backend: Backend) -> AsyncIterator[Crm]:
    """The port over ``backend``."""
    opened = await open_crm(backend.settings)
    yield opened
    await opened.close()


def _embedded() -> Backend:
    folder = Path(tempfile.mkdtemp(prefix="omnicrm-data-"))
    # The test holds a share of its own, so that the server is not stopped and started with each port.
    server = EmbeddedServer(folder)
    migrate(server.dsn)

    def close() -> None:
        server.close()
        shutil.rmtree(folder)

    return Backend("embedded", Settings(data_dir=folder), server.dsn, Cluster(folder.resolve() / "postgres"), close)


def _on_server(request: pytest.FixtureRequest, server: PostgresServer, template: Database) -> Backend:
    database = server.create_database(template)
    if request.param == "database_url":
        return Backend(
            request.param, Settings(database_url=database.url), database.admin_dsn, server.cluster,
            lambda: server.drop_database(database),
        )
    program: Path = request.getfixturevalue("postgrest_program")
    Backend("", Settings(), database.admin_dsn, server.cluster).prepare()
    project = SupabaseProject(program, database)
    key = project.keys.secret if request.param == "supabase_secret_key" else project.keys.service_jwt

    def close() -> None:
        project.close()
        server.drop_database(database)

    return Backend(request.param, project.settings(key), database.admin_dsn, server.cluster, close)
