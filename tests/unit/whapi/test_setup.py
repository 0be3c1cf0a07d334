"""Pointing Whapi's webhook at us: what changes, what stays, and that no secret is shown."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http import http_client
from connectors.message import NeedsOperator
from connectors.whapi.setup import EVENTS, SetupError, plan, setup, webhook_address
from omnicrm.settings import SettingsError
from tests.unit.whapi.server import SECRET, TOKEN, Reply, Whapi, settings, whapi

URL = "https://bot.example.com/api/webhooks/whapi"
OURS = {
    "url": URL,
    "mode": "body",
    "headers": {"X-Webhook-Secret": SECRET},
    "events": [{"type": kind, "method": method} for kind, method in EVENTS],
    "webhook_max_age_seconds": 3600,
}
OTHER = {"url": "https://crm.example/hook", "mode": "path", "headers": {"Authorization": "their-secret"}, "events": []}
SET_UP = {"webhooks": [OURS], "callback_persist": True}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(settings()) as opened:
        yield opened


# --- the plan ------------------------------------------------------------------------------------------------------------


def test_a_channel_without_webhooks_gets_ours() -> None:
    new, lines = plan({}, URL, SECRET)
    assert new == SET_UP
    assert lines[0] == f"+ webhook {URL}"
    assert "  header X-Webhook-Secret: ***" in lines and "  event: messages.post" in lines
    assert lines[-1] == "~ callback_persist: true"


def test_what_is_set_up_needs_nothing() -> None:
    assert plan(SET_UP, URL, SECRET) == (SET_UP, [])
    assert plan({**SET_UP, "webhooks": [{**OURS, "url": URL + "/"}]}, URL, SECRET)[1] == []


def test_other_webhooks_and_settings_stay_as_they_are() -> None:
    current = {
        "webhooks": [
            OTHER,
            {"url": URL, "mode": "path", "events": [{"type": "presences", "method": "post"}]},
            {**OTHER, "url": "x"},
        ],
        "media": {"auto_download": ["image"]}, "offline_mode": True, "proxy": "socks5://a:b@c:1",
    }  # fmt: skip
    before = copy.deepcopy(current)
    new, lines = plan(current, URL, SECRET)
    assert current == before
    assert {name: value for name, value in new.items() if name not in ("webhooks", "callback_persist")} == {
        name: value for name, value in current.items() if name != "webhooks"
    }
    assert (new["webhooks"][0], new["webhooks"][2]) == (OTHER, {**OTHER, "url": "x"})
    # What somebody asked for beside ours goes on coming.
    assert new["webhooks"][1]["events"][0] == {"type": "presences", "method": "post"}
    assert new["webhooks"][1]["mode"] == "body"
    assert lines[:2] == [f"~ webhook {URL}", "  mode: body"]


def test_a_new_secret_replaces_the_old_one_however_its_header_is_written() -> None:
    old = {**OURS, "headers": {"x-webhook-secret": "the-secret-of-yesterday", "X-Other": "1"}}
    new, lines = plan({**SET_UP, "webhooks": [old]}, URL, SECRET)
    assert new["webhooks"][0]["headers"] == {"X-Other": "1", "X-Webhook-Secret": SECRET}
    assert lines == [f"~ webhook {URL}", "  header X-Webhook-Secret: *** -> ***"]


def test_a_webhook_without_room_for_our_header_is_refused() -> None:
    full = {**OURS, "headers": {f"X-{n}": "1" for n in range(5)}}
    with pytest.raises(SetupError, match="5 headers"):
        plan({"webhooks": [full]}, URL, SECRET)


_words = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.sampled_from([URL, SECRET, "body", "post", "messages"]))
_anything = st.recursive(
    _words,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["url", "mode", "headers", "events", "type", "method", "x"]), inner, max_size=4),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["webhooks", "callback_persist", "media"]), _anything))
def test_any_settings_end_as_set_up_after_one_change(current: dict[str, Any]) -> None:
    new, _ = plan(current, URL, SECRET)
    again, lines = plan(new, URL, SECRET)
    assert (again, lines) == (new, [])


@given(st.dictionaries(st.sampled_from(["webhooks", "callback_persist"]), _anything))
def test_the_difference_never_shows_a_secret(current: dict[str, Any]) -> None:
    _, lines = plan(current, URL, SECRET)
    assert SECRET not in "\n".join(lines)


# --- the address ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "address"),
    [
        ("https://bot.example.com", URL),
        ("https://bot.example.com/", URL),
        (URL, URL),
        (URL + "/", URL),
        (URL + "?a=1#b", URL),
        ("https://bot.example.com:8443/crm", "https://bot.example.com:8443/crm/api/webhooks/whapi"),
        ("http://localhost:5005", "http://localhost:5005/api/webhooks/whapi"),
    ],
)
def test_our_address_with_or_without_its_path(given_: str, address: str) -> None:
    assert webhook_address(given_) == address


@pytest.mark.parametrize("given_", ["", "bot.example.com", "http://bot.example.com", "ftp://bot.example.com", "https://", "https://[x"])
def test_what_whapi_could_not_call_is_refused(given_: str) -> None:
    with pytest.raises(SettingsError, match="--url"):
        webhook_address(given_)


# --- doing it ------------------------------------------------------------------------------------------------------------


async def run(server: Whapi, http: httpx.AsyncClient, *, apply: bool, **changes: Any) -> str:
    lines: list[str] = []
    try:
        await setup(settings(whapi_url=server.address, **changes), http, "https://bot.example.com", apply, lines.append)
    finally:
        assert SECRET not in "\n".join(lines) and TOKEN not in "\n".join(lines) and "their-secret" not in "\n".join(lines)
    return "\n".join(lines)


async def test_without_apply_nothing_is_changed(http: httpx.AsyncClient) -> None:
    async with whapi(Reply({"webhooks": [OTHER]})) as server:
        told = await run(server, http, apply=False)
        assert [request.method for request in server.heard] == ["GET"]
    assert f"+ webhook {URL}" in told and "--apply" in told


async def test_with_apply_only_what_differs_is_written_and_looked_at_again(http: httpx.AsyncClient) -> None:
    before = {"webhooks": [OTHER], "callback_persist": True, "media": {"auto_download": []}}
    after = {**before, "webhooks": [OTHER, OURS]}
    async with whapi(Reply(before), Reply({}), Reply(after)) as server:
        told = await run(server, http, apply=True)
        assert [(request.method, request.path) for request in server.heard] == [
            ("GET", "/settings"), ("PATCH", "/settings"), ("GET", "/settings"),
        ]  # fmt: skip
        assert server.heard[1].json == {"webhooks": [OTHER, OURS]}
    assert told.endswith(f"Done: Whapi calls {URL}.")


async def test_what_is_set_up_is_not_written(http: httpx.AsyncClient) -> None:
    async with whapi(Reply(SET_UP)) as server:
        assert "Nothing to change" in await run(server, http, apply=True)
        assert len(server.heard) == 1


async def test_a_change_that_whapi_did_not_keep_is_told(http: httpx.AsyncClient) -> None:
    async with whapi(Reply({}), Reply({}), Reply({"webhooks": [OURS]})) as server:
        with pytest.raises(SetupError, match="callback_persist"):
            await run(server, http, apply=True)


async def test_the_newest_secret_of_a_rotation_is_the_one_that_is_set(http: httpx.AsyncClient) -> None:
    async with whapi(Reply({}), Reply({}), Reply(SET_UP)) as server:
        await run(server, http, apply=True, whapi_webhook_secret=(SECRET, "the-secret-of-yesterday"))
        assert server.heard[1].json["webhooks"][0]["headers"] == {"X-Webhook-Secret": SECRET}


async def test_a_wrong_token_is_told_in_its_own_words(http: httpx.AsyncClient) -> None:
    async with whapi(Reply({"error": {"code": 404, "message": "Channel not found"}}, 404)) as server:
        with pytest.raises(NeedsOperator, match="WHAPI_TOKEN"):
            await run(server, http, apply=True)


async def test_nothing_is_called_without_token_and_secret(http: httpx.AsyncClient) -> None:
    async with whapi() as server:
        with pytest.raises(SettingsError, match="WHAPI_TOKEN"):
            await run(server, http, apply=True, whapi_token="", whapi_webhook_secret=())
        assert server.heard == []
