"""Fixtures that any test may ask for: real PostgreSQL, real PostgREST."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from crm.connect import open_crm
from crm.port import Crm
from omnicrm.migrate import migrate
from omnicrm.settings import Settings
from tests.support.postgres import Database, PostgresServer, give_away_by_default
from tests.support.postgrest import MISSING, find_postgrest, require_postgrest
from tests.support.supabase import SupabaseProject


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server that the whole run shares. Who stops it starts it again."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def template(postgres_server: PostgresServer) -> Database:
    """A migrated database that is only copied; an older Supabase project, whose default privileges give most away."""
    database = postgres_server.create_database(name="template_classic")
    give_away_by_default(database)
    migrate(database.url)
    return database


@pytest.fixture
def database(postgres_server: PostgresServer, template: Database) -> Iterator[Database]:
    """A fresh, migrated database for one test."""
    made = postgres_server.create_database(template)
    yield made
    postgres_server.drop_database(made)


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A fresh database without anything of ours."""
    made = postgres_server.create_database()
    yield made
    postgres_server.drop_database(made)


@pytest.fixture
def settings(database: Database) -> Settings:
    """Settings that lead to ``database``."""
    return Settings(database_url=database.url)


@pytest.fixture
async def crm(settings: Settings) -> AsyncIterator[Crm]:
    """The port over ``settings``."""
    opened = await open_crm(settings)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def postgrest_program() -> Path:
    """The program; where it is missing the test is skipped, loudly, and fails in CI."""
    return require_postgrest(find_postgrest(), ci=bool(os.environ.get("CI")))


@pytest.fixture
def supabase_project(database: Database, postgrest_program: Path) -> Iterator[SupabaseProject]:
    """A Supabase project over ``database``."""
    project = SupabaseProject(postgrest_program, database)
    yield project
    project.close()


@pytest.fixture(scope="module")
def make_supabase_project(postgrest_program: Path) -> Iterator[Callable[[Database], SupabaseProject]]:
    """Make Supabase projects over databases of one's own, for a whole module."""
    made: list[SupabaseProject] = []

    def make(database: Database) -> SupabaseProject:
        made.append(SupabaseProject(postgrest_program, database))
        return made[-1]

    yield make
    for project in made:
        project.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the very end that a part of the promise was not tested."""
    if find_postgrest() is None:
        terminalreporter.section("NOT TESTED: Supabase", sep="!", red=True, bold=True)
        terminalreporter.line(MISSING, red=True)
