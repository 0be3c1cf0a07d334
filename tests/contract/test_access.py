"""Through the Data API the public reads nothing and calls nothing; only the secret key does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from omnicrm.migrate import migrate
from tests.support.gateway import Keys
from tests.support.postgres import Database, PostgresServer, give_away_by_default
from tests.support.postgrest import key_of_role
from tests.support.supabase import SupabaseProject

FUNCTIONS = """
    select p.proname, coalesce(p.proargnames[:p.pronargs], '{}'), n.nspname
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'omnicrm' or (n.nspname = 'public' and p.proname like 'omnicrm%%') order by 1
"""
TABLES = """
    select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'omnicrm') and c.relkind in ('r', 'p', 'v', 'm', 'f') order by 1, 2
"""


@pytest.fixture(scope="module", params=["gives-away", "gives-nothing"])
def project(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    make_supabase_project: Callable[[Database], SupabaseProject],
) -> SupabaseProject:
    """A project with a customer in it: an older one, whose default privileges give most away, and one of today."""
    database = postgres_server.create_database()
    if request.param == "gives-away":
        give_away_by_default(database)
    else:
        database.run("grant usage on schema public to anon, authenticated, service_role")
    migrate(database.url)
    made = make_supabase_project(database)
    event = {
        "key": "IG:1:m1", "type": "inbound", "timestamp": "2026-11-23T10:00:00Z", "kind": "text", "text": "hola",
        "platform_id": "m1",
        "address": {"channel": "IG", "account": "1", "user": "2", "key": "ig:1:2"},
    }
    with _client(made, made.keys.secret) as client:
        answer = client.post("/rpc/omnicrm_receive", json={"p_events": [event]})
    assert answer.status_code == 200, answer.text
    assert database.run("select count(*) from omnicrm.messages") == [(1,)]
    return made


@pytest.fixture(params=["publishable", "anon_jwt", "authenticated_jwt"])
def public(request: pytest.FixtureRequest, project: SupabaseProject) -> Iterator[httpx.Client]:
    """A client as anybody may have it: the key that is in every browser, or a signed-in user's token."""
    keys: Keys = project.keys
    if request.param == "authenticated_jwt":
        client = _client(project, keys.anon_jwt, authorization=key_of_role("authenticated"))
    else:
        client = _client(project, getattr(keys, request.param))
    with client:
        yield client


def _client(project: SupabaseProject, key: str, *, authorization: str = "") -> httpx.Client:
    headers = {"apikey": key} | ({"Authorization": f"Bearer {authorization}"} if authorization else {})
    return httpx.Client(base_url=project.url + "/rest/v1", headers=headers, timeout=20)


def _rows(project: SupabaseProject, query: str) -> list[Any]:
    rows = project.database.run(query)
    assert len(rows) > 5
    return rows


def test_the_public_reads_no_row_of_any_table(project: SupabaseProject, public: httpx.Client) -> None:
    for schema, table in _rows(project, TABLES):
        answer = public.get(f"/{table}", headers={"Accept-Profile": schema})
        seen = answer.json() if answer.status_code == 200 else []
        assert seen == [], f"{schema}.{table} shows {seen}"


def test_the_public_writes_no_row_of_any_table(project: SupabaseProject, public: httpx.Client) -> None:
    counts = {(s, t): project.database.run(f'select count(*) from "{s}"."{t}"') for s, t in _rows(project, TABLES)}
    for schema, table in counts:
        profile = {"Content-Profile": schema}
        for answer in (
            public.post(f"/{table}", json={}, headers=profile),
            public.patch(f"/{table}", json={"platform_metadata": {}}, headers=profile),
            public.delete(f"/{table}", headers=profile),
        ):
            assert answer.status_code in (204, 400, 401, 403, 404, 405, 406, 415), f"{schema}.{table}: {answer.text}"
    assert counts == {(s, t): project.database.run(f'select count(*) from "{s}"."{t}"') for s, t in counts}


def test_the_public_calls_no_function(project: SupabaseProject, public: httpx.Client) -> None:
    for name, arguments, schema in _rows(project, FUNCTIONS):
        answer = public.post(f"/rpc/{name}", json=dict.fromkeys(arguments), headers={"Content-Profile": schema})
        assert answer.status_code in (401, 403, 404, 406), f"{schema}.{name}: {answer.status_code} {answer.text}"


def test_no_right_is_left_to_the_public_in_the_catalogue(project: SupabaseProject) -> None:
    for role in ("anon", "authenticated"):
        assert project.database.run(f"select has_schema_privilege('{role}', 'omnicrm', 'usage, create')") == [(False,)]
        functions = f"""
            select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where (n.nspname = 'omnicrm' or (n.nspname = 'public' and p.proname like 'omnicrm%%'))
                and has_function_privilege('{role}', p.oid, 'execute')
        """
        assert project.database.run(functions) == []
        every = "select, insert, update, delete, truncate, references, trigger"
        tables = f"""
            select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = 'omnicrm' and c.relkind in ('r', 'p', 'v', 'm', 'S')
                and case c.relkind when 'S' then has_sequence_privilege('{role}', c.oid, 'usage, select, update')
                    else has_table_privilege('{role}', c.oid, '{every}') end
        """
        assert project.database.run(tables) == []


def test_the_secret_key_of_either_kind_calls_every_function(project: SupabaseProject) -> None:
    for key in (project.keys.secret, project.keys.service_jwt):
        with _client(project, key) as client:
            for name, arguments, schema in _rows(project, FUNCTIONS):
                if schema != "public":
                    continue
                answer = client.post(f"/rpc/{name}", json=dict.fromkeys(arguments))
                # Nothing but nulls: a function may refuse them, but nobody may refuse the caller.
                assert answer.status_code not in (401, 403, 404), f"{name}: {answer.text}"
                assert answer.json() is None or "permission denied" not in answer.text, f"{name}: {answer.text}"


def test_the_new_key_is_refused_where_a_token_belongs(project: SupabaseProject) -> None:
    with _client(project, project.keys.secret, authorization=project.keys.secret) as client:
        answer = client.post("/rpc/omnicrm_schema_version", json={})
    assert answer.status_code == 401
    assert answer.json()["code"] == "PGRST301"


FORGED = key_of_role("service_role")[:-4] + "abcd"


@pytest.mark.parametrize("key", ["", "sb_secret_wrong", FORGED], ids=["none", "unknown", "forged"])
def test_wrong_keys_are_refused(project: SupabaseProject, key: str) -> None:
    with _client(project, key) as client:
        assert client.post("/rpc/omnicrm_schema_version", json={}).status_code == 401


def test_the_private_schema_is_not_exposed_even_to_the_secret_key(project: SupabaseProject) -> None:
    with _client(project, project.keys.secret) as client:
        answer = client.get("/messages", headers={"Accept-Profile": "omnicrm"})
    assert answer.status_code == 406, answer.text
    assert answer.json()["code"] == "PGRST106"
