"""What the adapters make of arguments, addresses, keys and error states, without a database."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.connections import read_dsn
from crm.port import CrmMisconfigured, CrmRejected, CrmUnavailable
from crm.wire import encode, error_for

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(anything)
def test_any_json_is_encoded_or_rejected(value: Any) -> None:
    try:
        text = encode({"p_x": value})["p_x"]
    except CrmRejected as rejected:
        assert len(rejected.sqlstate) == 5
        return
    if text is None or isinstance(value, str):
        assert text == value
    else:
        assert json.loads(text) == value
        text.encode()


def test_arguments_become_what_postgresql_reads() -> None:
    values = {"p_a": None, "p_b": True, "p_c": 5, "p_d": 0.5, "p_e": "x", "p_f": {"ñ": [1]}, "p_g": []}
    assert encode(values) == {"p_a": None, "p_b": "true", "p_c": "5", "p_d": "0.5", "p_e": "x", "p_f": '{"ñ":[1]}', "p_g": "[]"}


@pytest.mark.parametrize("value", ["\0", "a\0", "\udfff", {"x": "\ud800"}, math.nan, [math.inf]])
def test_what_no_database_holds_is_rejected(value: Any) -> None:
    with pytest.raises(CrmRejected):
        encode({"p_x": value})


@pytest.mark.parametrize("state", ["08006", "40001", "40P01", "53300", "55P03", "57P01", "57014", "58030", "XX001", "25006"])
def test_trouble_of_the_moment_is_tried_later(state: str) -> None:
    assert type(error_for(state, "x")) is CrmUnavailable


@pytest.mark.parametrize("state", ["28P01", "3D000", "3F000", "42501", "42883", "42P01", "26000", "0A000"])
def test_what_data_cannot_cause_is_for_the_operator(state: str) -> None:
    assert type(error_for(state, "x")) is CrmMisconfigured


@pytest.mark.parametrize("state", ["22P02", "22P05", "23505", "23514", "54001", "P0001", "OM001"])
def test_bad_data_is_rejected(state: str) -> None:
    assert type(error_for(state, "x")) is CrmRejected


@pytest.mark.parametrize(
    ("url", "pooler"),
    [
        ("postgresql://u:p@db.abc.supabase.co:5432/postgres", False),
        ("postgresql://u:p@aws-0-us-east-1.pooler.supabase.com:5432/postgres", False),
        ("postgresql://u:p@aws-0-us-east-1.pooler.supabase.com:6543/postgres", True),
        ("postgresql://u:p@localhost/shop?pgbouncer=true", True),
        ("postgresql://u:p@localhost/shop?sslmode=require&pgbouncer=true", True),
        ("postgresql://u:p@localhost/shop?pgbouncer=true&sslmode=require", True),
        ("host=localhost dbname=shop", False),
    ],
)
def test_a_transaction_pooler_is_known_by_its_address(url: str, pooler: bool) -> None:
    target = read_dsn(url)
    assert target.transaction_pooler is pooler
    assert "pgbouncer" not in target.conninfo
    assert ("sslmode=require" in target.conninfo) is ("sslmode" in url)


@pytest.mark.parametrize(
    "url",
    ["https://abc.supabase.co", "postgresql://me:[YOUR-PASSWORD]@h/db", "postgresql://h:port/x?what=1", "postgresql://me:x@y@h/db",
     "postgresql://me:/x@h/db", "postgresql://me:x/y@h:5432/db"],
)  # fmt: skip
def test_an_address_that_cannot_work_is_told_without_its_password(url: str) -> None:
    with pytest.raises(CrmMisconfigured) as caught:
        read_dsn(url.replace("me:", "me:hush"))
    assert "hush" not in str(caught.value)
