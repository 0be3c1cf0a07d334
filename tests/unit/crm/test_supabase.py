"""Keys, headers and odd answers of the Data API, at the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from crm.port import CrmMisconfigured, CrmRejected, CrmUnavailable
from crm.supabase import SupabaseCrm, check_key, open_supabase
from tests.support.postgrest import key_of_role

SECRET = "sb_secret_abc123"
Handler = Callable[[httpx.Request], httpx.Response]


async def _open(handler: Handler, key: str = SECRET) -> SupabaseCrm:
    crm = await open_supabase("https://abc.supabase.co", key)
    session = crm._client.postgrest.session
    await session._transport.aclose()
    session._transport = httpx.MockTransport(handler)
    session._mounts = {}
    return crm


async def _call(handler: Handler, key: str = SECRET) -> Any:
    crm = await _open(handler, key)
    try:
        return await crm.call("omnicrm_overview", p_a={"x": 1})
    finally:
        await crm.close()


OLD = key_of_role("service_role")


@pytest.mark.parametrize(("key", "authorization"), [(SECRET, None), (OLD, f"Bearer {OLD}")], ids=["new", "old"])
async def test_each_kind_of_key_goes_where_it_belongs(key: str, authorization: str | None) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"ok": True})

    assert await _call(answer, key) == {"ok": True}
    assert str(seen[0].url) == "https://abc.supabase.co/rest/v1/rpc/omnicrm_overview"
    assert (seen[0].method, seen[0].content) == ("POST", b'{"p_a": {"x": 1}}')
    assert seen[0].headers["apikey"] == key
    assert seen[0].headers.get("authorization") == authorization
    assert "placeholder" not in str(seen[0].headers)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"code": "P0001", "message": "no"}, CrmRejected),
        (409, {"code": "23505", "message": "twice"}, CrmRejected),
        (413, "too large", CrmRejected),
        (500, {"code": "57014", "message": "timeout"}, CrmUnavailable),
        (503, {"code": "PGRST000", "message": "no database"}, CrmUnavailable),
        (504, {"code": "PGRST003", "message": "pool"}, CrmUnavailable),
        (502, "<html>bad gateway</html>", CrmUnavailable),
        (520, "<html>cloudflare</html>", CrmUnavailable),
        (429, {"message": "slow down"}, CrmUnavailable),
        (500, ["odd"], CrmUnavailable),
        (401, {"message": "Invalid API key"}, CrmMisconfigured),
        (401, {"code": "PGRST301", "message": "JWT"}, CrmMisconfigured),
        (403, {"code": "42501", "message": "permission denied"}, CrmMisconfigured),
        (404, {"code": "PGRST202", "message": "no function"}, CrmMisconfigured),
        (404, "<html>not supabase</html>", CrmMisconfigured),
        (301, "moved", CrmMisconfigured),
        (200, "<html>captive portal</html>", CrmUnavailable),
    ],
)
async def test_every_answer_has_its_meaning(status: int, body: Any, error: type[Exception]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(body, str):
            return httpx.Response(status, text=body, headers={"location": "https://elsewhere.example/"})
        return httpx.Response(status, json=body)

    with pytest.raises(error) as caught:
        await _call(answer)
    assert type(caught.value) is error


BREAKS = [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError]


@pytest.mark.parametrize("failure", [*BREAKS, httpx.PoolTimeout])
async def test_a_line_that_breaks_is_told_once_and_never_repeated(failure: type[httpx.TransportError]) -> None:
    calls = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        raise failure("", request=request)  # httpx's time-outs have no words

    with pytest.raises(CrmUnavailable, match=failure.__name__):
        await _call(answer)
    assert calls == 1


async def test_only_a_call_that_was_rolled_back_is_repeated_and_only_once() -> None:
    answers = [httpx.Response(500, json={"code": "40P01", "message": "deadlock"}), httpx.Response(200, json=7)]
    assert await _call(lambda request: answers.pop(0)) == 7
    again = [httpx.Response(500, json={"code": "40001", "message": "x"}) for _ in range(3)]
    with pytest.raises(CrmUnavailable):
        await _call(lambda request: again.pop(0))
    assert len(again) == 1


@pytest.mark.parametrize("body", [None, 0, False, "", [], {}, "text", [1], {"message": "a column of ours"}])
async def test_any_json_is_a_result(body: Any) -> None:
    assert await _call(lambda request: httpx.Response(200, json=body)) == body


async def test_no_content_is_nothing() -> None:
    assert await _call(lambda request: httpx.Response(204)) is None


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("sb_publishable_x", "publishable"),
        (key_of_role("anon"), "'anon'"),
        ("whatever", "neither"),
        ("a.b.c", "neither"),
        ("a.bnVsbA.c", "neither"),
    ],
)
def test_a_key_that_can_call_nothing_is_explained_and_not_repeated(key: str, told: str) -> None:
    with pytest.raises(CrmMisconfigured, match=told) as caught:
        check_key(key)
    assert key not in str(caught.value)
