"""Requests that break the schema name each place; what is right comes through as it is."""

from __future__ import annotations

import json

import pytest

from connectors.message import Json
from router.problem import Problem
from router.routes import IDEMPOTENCY_KEY, ROUTES, Route
from router.validation import read_body, read_header, read_query

SEND = next(route for route in ROUTES if route.name == "send_to_conversation")
LIST = next(route for route in ROUTES if route.name == "conversations")
TAKE_OVER = next(route for route in ROUTES if route.name == "take_over")
JSON = "application/json"


def refused(route: Route, body: Json, content_type: str | None = JSON) -> Problem:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Problem) as told:
        read_body(route, content_type, data)
    return told.value


def pointers(problem: Problem) -> list[str]:
    return [error["pointer"] for error in problem.members["errors"]]


def test_a_right_body_comes_through_as_it_is() -> None:
    body = {"author": "agent", "text": "hola ñ 🌿\nlínea\t2", "buttons": [{"title": "Sí", "payload": "si"}]}
    assert read_body(SEND, "application/json; charset=utf-8", json.dumps(body).encode()) == body


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], ""),
        ({}, ""),
        ({"author": "agent"}, ""),
        ({"author": "bot", "text": "a"}, "/author"),
        ({"author": "agent", "text": " \n"}, "/text"),
        ({"author": "agent", "text": ""}, "/text"),
        ({"author": "agent", "text": "a" * 20_001}, "/text"),
        ({"author": "agent", "text": 7}, "/text"),
        ({"author": "agent", "text": "a\x00"}, "/text"),
        ({"author": "agent", "text": "\ud800"}, "/text"),
        ({"author": "agent", "text": "a", "person": "\x1b[31m"}, "/person"),
        ({"author": "agent", "text": "a", "color": "red"}, ""),
        ({"author": "agent", "buttons": []}, "/buttons"),
        ({"author": "agent", "buttons": [{"title": "a"}] * 14}, "/buttons"),
        ({"author": "agent", "buttons": [{"title": "a", "payload": "b", "url": "https://a.mx"}]}, "/buttons/0"),
        ({"author": "agent", "buttons": [{"title": "a"}, {"title": "b", "url": "javascript:alert(1)"}]}, "/buttons/1/url"),
        ({"author": "agent", "media": {"kind": "image", "url": "http://a.mx/x.png"}}, "/media/url"),
        ({"author": "agent", "media": {"kind": "image", "url": "https://a.mx/x.png\n"}}, "/media/url"),
        ({"author": "agent", "media": {"kind": "image", "url": "https:///etc/passwd"}}, "/media/url"),
        ({"author": "agent", "cards": [{"title": "a", "buttons": [{"title": " "}]}]}, "/cards/0/buttons/0/title"),
        ({"author": "agent", "text": "a", "a/b~c": 1}, ""),
    ],
)
def test_a_wrong_body_names_the_place(body: Json, where: str) -> None:
    problem = refused(SEND, body)
    assert problem.kind == "invalid"
    assert where in pointers(problem)


def test_every_wrong_place_is_named_at_once() -> None:
    problem = refused(SEND, {"author": "x", "text": " ", "media": {"kind": "gif", "url": "ftp://a"}})
    assert set(pointers(problem)) == {"/author", "/text", "/media/kind", "/media/url"}


def test_a_thousand_faults_are_not_a_thousand_errors() -> None:
    problem = refused(SEND, {"author": "agent", "cards": [{"title": " "}] * 1000})
    assert len(problem.members["errors"]) <= 20


def test_a_long_value_is_not_repeated() -> None:
    problem = refused(SEND, {"author": "x" * 10_000, "text": "y" * 30_000})
    assert len(json.dumps(problem.document("/"))) < 2_000


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_what_is_not_called_json_is_415(content_type: str | None) -> None:
    assert refused(SEND, {"author": "agent", "text": "a"}, content_type).kind == "unsupported-media-type"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"nope", b'{"a": NaN}', b"[" * 5000 + b"]" * 5000, b"[" * 40 + b"]" * 40, b'{"a": 1, "a": 2}',
             b'{"author": "agent", "text": "\xed\xa0\x80"}'],
)  # fmt: skip
def test_what_is_not_json_is_400(body: bytes) -> None:
    assert refused(SEND, body).status == 400


def test_a_body_may_be_left_out_where_nothing_in_it_is_needed() -> None:
    assert read_body(TAKE_OVER, None, b"") == {}
    assert refused(SEND, b"", JSON).kind == "malformed"


def test_a_query_becomes_what_its_schema_says() -> None:
    assert read_query(LIST, "limit=7&attention=true&state=waiting&tag=a%20b+c") == {
        "limit": 7, "attention": True, "state": "waiting", "tag": "a b c",
    }  # fmt: skip
    assert read_query(LIST, "") == {"limit": 50}


@pytest.mark.parametrize(
    ("query", "name"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=1e1", "limit"), ("limit=", "limit"), ("attention=yes", "attention"),
     ("state=gone", "state"), ("tag=+", "tag"), ("tag=%00", "tag"), ("limit=1&limit=2", "limit"), ("phome=1", "phome"),
     ("client=a/b", "client")],
)  # fmt: skip
def test_a_wrong_query_names_the_parameter(query: str, name: str) -> None:
    with pytest.raises(Problem) as told:
        read_query(LIST, query)
    assert [error["parameter"] for error in told.value.members["errors"]] == [name]


def test_a_query_that_is_no_text_is_400() -> None:
    with pytest.raises(Problem) as told:
        read_query(LIST, "tag=%ff")
    assert told.value.kind == "malformed"


def test_an_idempotency_key_is_a_word() -> None:
    assert read_header("Idempotency-Key", IDEMPOTENCY_KEY, None) is None
    assert read_header("Idempotency-Key", IDEMPOTENCY_KEY, "order-1001") == "order-1001"
    for wrong in ("", "a b", "ñ", "a" * 129):
        with pytest.raises(Problem):
            read_header("Idempotency-Key", IDEMPOTENCY_KEY, wrong)
