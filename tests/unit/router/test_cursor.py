"""Cursors: opaque, for one list and its filters, and nothing else gets through."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import cursor
from router.problem import Problem


@given(st.lists(st.text(max_size=40), min_size=1, max_size=2))
def test_what_is_written_is_read_again(after: list[str]) -> None:
    made = cursor.write("clients", {"stage": "lead"}, after)
    assert made.isascii()
    if len(made) <= 400:
        assert cursor.read(made, "clients", {"stage": "lead"}) == after


def test_the_number_of_items_may_change_between_pages() -> None:
    made = cursor.write("clients", {"stage": "lead", "limit": 10}, ["7"])
    assert cursor.read(made, "clients", {"stage": "lead", "limit": 20, "cursor": made}) == ["7"]


@pytest.mark.parametrize(
    ("operation", "filters"), [("orders", {"stage": "lead"}), ("clients", {"stage": "customer"}), ("clients", {})]
)
def test_another_list_or_other_filters_are_refused(operation: str, filters: dict[str, str]) -> None:
    made = cursor.write("clients", {"stage": "lead"}, ["7"])
    with pytest.raises(Problem) as told:
        cursor.read(made, operation, filters)
    assert told.value.kind == "invalid-cursor"


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


BELONGS = cursor.write("clients", {}, ["7"])


@pytest.mark.parametrize(
    "given_cursor",
    ["", "x", "ñ", "====", "a" * 401, _encoded("{}"), _encoded("7"), _encoded("null"), _encoded('"a"'), _encoded("[" * 90),
     _encoded("[]"), _encoded('["a"]'), "!!!!", BELONGS[:-3]],
)  # fmt: skip
def test_what_nobody_wrote_is_refused(given_cursor: str) -> None:
    with pytest.raises(Problem) as told:
        cursor.read(given_cursor, "clients", {})
    assert told.value.status == 400


@given(st.text(max_size=60))
def test_nothing_else_comes_out_of_any_text(text: str) -> None:
    try:
        assert cursor.read(text, "clients", {}) is not None
    except Problem as problem:
        assert problem.kind == "invalid-cursor"  # noqa: PT017 - either way is right
