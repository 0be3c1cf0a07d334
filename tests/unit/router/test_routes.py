"""The table of routes, its document and its handlers are one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import jsonschema  # type: ignore[import-untyped]
import pytest

from connectors.message import Json
from router import openapi
from router.handlers import HANDLERS
from router.problem import KINDS, TYPE_PREFIX, Problem
from router.routes import PLACES, ROUTES, Route, find
from router.schemas import COMPONENTS, TAKEN, TOLD


def test_every_route_has_a_handler_and_every_handler_a_route() -> None:
    assert {route.name for route in ROUTES if route.scope} == set(HANDLERS)


def test_names_and_addresses_are_unique() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_route_names_only_what_there_is(route: Route) -> None:
    assert set(route.places) <= set(PLACES)
    assert route.gives in COMPONENTS
    assert route.takes is None or route.takes in TAKEN
    assert set(route.problems) <= set(KINDS)
    assert set(openapi.kinds_of(route)) <= set(KINDS)
    assert route.method in ("GET", "POST", "PATCH")
    assert (route.scope == "read") == (route.method == "GET" and route.scope is not None)


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(COMPONENTS[name])


@pytest.mark.parametrize("name", TAKEN)
def test_what_we_take_is_bounded(name: str) -> None:
    """No text without a longest, no list without a most, no object that takes anything."""
    assert [where for where, schema in _inside(TAKEN[name], name) if not _is_bounded(schema)] == []


def _inside(schema: Json, where: str) -> Iterator[tuple[str, Json]]:
    yield where, schema
    for name, below in schema.get("properties", {}).items():
        yield from _inside(below, f"{where}/{name}")
    for below in (schema.get("items"), *schema.get("anyOf", ())):
        if below is not None:
            yield from _inside(below, f"{where}/…")


def _is_bounded(schema: Json) -> bool:
    if schema.get("type") == "string":
        return "maxLength" in schema or "enum" in schema or bool(re.search(r"\{1,\d+\}\$$", schema.get("pattern", "")))
    if schema.get("type") == "array":
        return "maxItems" in schema
    return schema.get("type") != "object" or schema.get("additionalProperties") is False


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document()
    named = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert named == set(document["components"]["schemas"])


def test_the_document_tells_all_routes_their_scopes_and_their_problems() -> None:
    document = openapi.document()
    assert document["openapi"] == "3.1.0"
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert operation["operationId"] == route.name
        assert str(route.status) in operation["responses"]
        if route.scope:
            assert f"`{route.scope}`" in operation["description"]
            assert {"401", "403", "429", "503"} <= set(operation["responses"])


def test_the_document_is_the_same_each_time_and_nobody_can_change_the_next() -> None:
    made = openapi.document()
    made["components"]["schemas"].clear()
    assert openapi.document()["components"]["schemas"]


def test_an_id_that_cannot_be_one_leads_nowhere() -> None:
    ids = ("/clients/", "/clients/a b", "/clients/a%2Fb", "/clients/%00", "/messages/abc", "/messages/0", "/clients//messages")
    for path in (*ids, "/messages/" + "9" * 40, "/clients/" + "a" * 65, "/clients/x/", "/nothing", "", "/"):
        assert not find(path).routes, path


def test_what_may_be_encoded_is_the_same_plain() -> None:
    assert dict(find("/clients/%61bc").ids) == {"client": "abc"}


def test_allow_names_what_the_address_takes() -> None:
    assert find("/clients/abc").allowed == "GET, HEAD, PATCH"
    assert find("/clients/abc/messages").allowed == "POST"


@pytest.mark.parametrize("kind", KINDS)
def test_a_problem_is_the_rfcs_five_members(kind: str) -> None:
    document = Problem(kind, "Something.").document("/api/v1/x")
    assert document["type"] == TYPE_PREFIX + kind
    assert set(document) == {"type", "title", "status", "detail", "instance"}
    jsonschema.validate(document, TOLD["Problem"])
    assert (KINDS[kind].title, KINDS[kind].cure) > ("", "")
