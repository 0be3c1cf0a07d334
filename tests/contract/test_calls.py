"""Calling functions gives the same results and the same errors over every way to the database."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from crm.port import Crm, CrmMisconfigured, CrmRejected, CrmUnavailable
from omnicrm.migrate import read_migrations
from tests.support.backends import Backend

VALUES: list[Any] = [
    {},
    [],
    {"text": "¿Cuánto cuesta la árnica? 🌿", "quote": "it's \"quoted\" \\ %s %(x)s {}"},
    [1, 2.5, -0.125, 2**53, 10**30, True, False, None, "", "\u2028", "\x7f", "\x01"],
    {"deep": [[[{"a": [{}]}]]]},
    "a plain string",
    7,
    True,
    {"message": "looks like an error", "code": "42501"},
    [{"message": "so does this"}],
]

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
).map(lambda value: {"value": value})


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
async def test_json_comes_back_as_it_went(crm: Crm, value: Any) -> None:
    wrapped = {"value": value}
    assert await crm.call("omnicrm_contract_echo", p_value=wrapped) == wrapped


@given(document=documents)
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_json_comes_back_as_it_went(crm: Crm, document: Any) -> None:
    assert await crm.call("omnicrm_contract_echo", p_value=document) == document


async def test_a_list_and_nothing_come_back(crm: Crm) -> None:
    assert await crm.call("omnicrm_contract_echo", p_value=[{"a": 1}, 2]) == [{"a": 1}, 2]
    assert await crm.call("omnicrm_contract_echo", p_value=None) is None


async def test_scalars_take_the_types_of_the_function(crm: Crm) -> None:
    got = await crm.call(
        "omnicrm_contract_types", p_text="5", p_integer=5, p_bigint=2**60, p_float=0.1, p_numeric=12.5, p_flag=True,
        p_time="2026-11-23T10:00:00Z",
    )
    assert got == {
        "text": "5", "integer": 5, "bigint": 2**60, "float": 0.1, "numeric": 12.5, "flag": True, "time": "2026-11-23T10:00:00",
    }


async def test_arguments_with_a_default_may_be_left_out(crm: Crm) -> None:
    assert (await crm.call("omnicrm_contract_types", p_flag=False))["flag"] is False
    assert (await crm.call("omnicrm_contract_types"))["text"] is None


async def test_scalar_and_missing_results(crm: Crm) -> None:
    assert await crm.call("omnicrm_contract_integer") == 42
    assert await crm.call("omnicrm_contract_void") is None


async def test_the_schema_says_its_version(crm: Crm) -> None:
    assert await crm.call("omnicrm_schema_version") == int(read_migrations()[-1].version)


@pytest.mark.parametrize(
    ("value", "sqlstate"),
    [
        ({"text": "a\0b"}, "22P05"),
        ({"a\0": 1}, "22P05"),
        ({"text": "\ud83c"}, "22P02"),
        ({"n": math.nan}, "22P02"),
        ({"n": math.inf}, "22P02"),
    ],
    ids=["nul", "nul-in-key", "half-a-pair", "nan", "infinity"],
)
async def test_json_that_a_database_cannot_hold_is_rejected(crm: Crm, value: Any, sqlstate: str) -> None:
    with pytest.raises(CrmRejected) as caught:
        await crm.call("omnicrm_contract_echo", p_value=value)
    assert caught.value.sqlstate == sqlstate


async def test_text_that_a_database_cannot_hold_is_rejected(crm: Crm) -> None:
    for text in ("a\0b", "\ud83c"):
        with pytest.raises(CrmRejected):
            await crm.call("omnicrm_contract_types", p_text=text)


async def test_bottomless_nesting_is_rejected(crm: Crm) -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(CrmRejected):
        await crm.call("omnicrm_contract_echo", p_value=value)


async def test_a_broken_rule_is_rejected_with_its_state_and_changes_nothing(crm: Crm) -> None:
    before = await crm.call("omnicrm_contract_add", p_name="rule", p_by=5)
    with pytest.raises(CrmRejected) as caught:
        await crm.call("omnicrm_contract_add", p_name="rule", p_by=-1000)
    assert (caught.value.sqlstate, caught.value.message) == ("23514", "below zero")
    assert await crm.call("omnicrm_contract_add", p_name="rule", p_by=0) == before


@pytest.mark.parametrize("state", ["P0001", "22023", "23505", "OM001"])
async def test_states_of_bad_data_are_rejections(crm: Crm, state: str) -> None:
    with pytest.raises(CrmRejected) as caught:
        await crm.call("omnicrm_contract_raise", p_state=state, p_message="así no")
    assert (caught.value.sqlstate, caught.value.message) == (state, "así no")


@pytest.mark.parametrize("state", ["53100", "57014", "55P03", "58030", "XX000", "25006", "40P01"])
async def test_states_of_trouble_mean_try_later(crm: Crm, state: str) -> None:
    with pytest.raises(CrmUnavailable) as caught:
        await crm.call("omnicrm_contract_raise", p_state=state, p_message="ahora no")
    assert not isinstance(caught.value, CrmMisconfigured)


async def test_bad_text_for_a_type_is_rejected(crm: Crm) -> None:
    with pytest.raises(CrmRejected) as caught:
        await crm.call("omnicrm_contract_types", p_integer="cinco")
    assert caught.value.sqlstate == "22P02"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("omnicrm_contract_missing", {}), ("omnicrm_contract_echo", {"p_other": 1}), ("omnicrm_contract_echo", {})],
    ids=["no-such-function", "unknown-argument", "missing-argument"],
)
async def test_a_function_that_is_missing_is_for_the_operator_and_loses_no_data(
    crm: Crm, function: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(CrmMisconfigured):
        await crm.call(function, **arguments)


@pytest.mark.parametrize(
    "name", ["pg_sleep", "omnicrm_", "omnicrm_x; drop table clients", "omnicrm_X", "public.omnicrm_x", "omnicrm__x"]
)
async def test_only_our_functions_can_be_named(crm: Crm, name: str) -> None:
    with pytest.raises(ValueError, match="not a function"):
        await crm.call(name)


@pytest.mark.parametrize("name", ["value", "p_", "p_a => 1) --", "P_A"])
async def test_only_our_arguments_can_be_named(crm: Crm, name: str) -> None:
    with pytest.raises(ValueError, match="not an argument"):
        await crm.call("omnicrm_contract_echo", **{name: 1})


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_call_that_lost_against_another_runs_once_more(crm: Crm, backend: Backend, state: str) -> None:
    _forget_attempts(backend)
    assert await crm.call("omnicrm_contract_lose", p_state=state, p_times=1) == 2


async def test_a_call_that_loses_twice_is_for_later(crm: Crm, backend: Backend) -> None:
    _forget_attempts(backend)
    with pytest.raises(CrmUnavailable):
        await crm.call("omnicrm_contract_lose", p_state="40P01", p_times=9)
    assert await crm.call("omnicrm_contract_lose", p_state="40P01", p_times=2) == 3


def _forget_attempts(backend: Backend) -> None:
    import psycopg

    with psycopg.connect(backend.admin_dsn, autocommit=True) as connection:
        connection.execute("alter sequence public.contract_attempts restart")


async def test_many_calls_at_once_all_count(crm: Crm) -> None:
    before = await crm.call("omnicrm_contract_add", p_name="many", p_by=0)
    results = await asyncio.gather(*(crm.call("omnicrm_contract_add", p_name="many", p_by=1) for _ in range(100)))
    assert sorted(results) == list(range(before + 1, before + 101))


async def test_slow_calls_do_not_hold_up_others(crm: Crm) -> None:
    slow = asyncio.create_task(crm.call("omnicrm_contract_sleep", p_seconds=2.5))
    assert await asyncio.wait_for(crm.call("omnicrm_contract_integer"), 2) == 42
    assert not slow.done()
    assert await slow == 2.5


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 4, 8, 16, 32, 100])
async def test_a_call_that_is_given_up_at_any_moment_harms_no_other(crm: Crm, milliseconds: int) -> None:
    tasks = [asyncio.create_task(crm.call("omnicrm_contract_sleep", p_seconds=0.5)) for _ in range(12)]
    await asyncio.sleep(milliseconds / 1000)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    results = await asyncio.gather(*(crm.call("omnicrm_contract_echo", p_value={"n": n}) for n in range(30)))
    assert [result["n"] for result in results] == list(range(30))


async def test_a_large_document_passes(crm: Crm) -> None:
    document = {"text": "x" * 2_000_000}
    assert await crm.call("omnicrm_contract_echo", p_value=document) == document


async def test_after_close_calls_fail_and_close_may_be_repeated(crm: Crm) -> None:
    await crm.call("omnicrm_contract_integer")
    await crm.close()
    await crm.close()
    with pytest.raises(CrmUnavailable):
        await crm.call("omnicrm_contract_integer")
