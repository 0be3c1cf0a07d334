"""Each error of Meta's table comes to the right thing to do."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from connectors.message import (
    BadPayload,
    NeedsOperator,
    NotOurThread,
    OutcomeUnknown,
    Retry,
    SendError,
    Unreachable,
    WindowClosed,
)
from connectors.meta.errors import MEANINGS, document_of, rest_of, transport_error

BUC = "X-Business-Use-Case-Usage"
TOKEN = "EAAGm0PX4ZCpsBAsecretsecret"


def error_of(response: httpx.Response, *secrets_and_id: Any, **more: Any) -> SendError | None:
    try:
        document_of(response, *secrets_and_id, **more)
    except SendError as error:
        return error
    return None


def answer(code: Any, subcode: int | None = None, status: int = 400, message: str = "nope", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A7Oj", **more}
    if subcode is not None:
        error["error_subcode"] = subcode
    return httpx.Response(status, json={"error": error}, headers=headers)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ([(2, None), (2, 1545133), (1, None), (4, None), (17, None), (32, None), (341, None), (613, None)], Retry),
        ([(613, 2534040), (1200, None), (80001, None), (80002, None), (80006, None), (80007, None)], Retry),
        ([(613, 2018338), (4, 2018354), (9, 2018352), (100, 2018321)], Retry),
        ([(1, 1357046)], OutcomeUnknown),
        ([(10, 2018278), (10, 2018065), (10, 2534022), (1545041, None), (2018278, None)], WindowClosed),
        ([(551, None), (551, 1545041), (200, 1545041), (10, 2018108), (100, 2018001)], Unreachable),
        ([(100, 2534014), (100, 33)], Unreachable),
        ([(2018300, None), (10, 2018300), (100, 2534037), (10, 2018171)], NotOurThread),
        ([(100, None), (100, 2018014), (100, 2018008), (100, 2018047), (100, 2018109), (100, 2018294)], BadPayload),
        ([(100, 2018074), (100, 2534015), (100, 2534025), (2534068, None), (100, 2534068), (987654, None)], BadPayload),
        ([(190, None), (190, 463), (190, 460), (190, 467), (190, 492), (102, None)], NeedsOperator),
        ([(10, None), (200, None), (200, 2018028), (200, 2018027), (200, 2534041), (10, 2534077)], NeedsOperator),
        ([(100, 2534013), (36103, None), (1, 99), (3, None), (299, None), (230, None)], NeedsOperator),
        ([(10, 1893063), (100, 2534029), (2534122, None), (368, None), (2022, None)], NeedsOperator),
    ],
)
def test_codes_come_to_their_class(codes: list[tuple[int, int | None]], kind: type[SendError]) -> None:
    for code, subcode in codes:
        for status in (200, 400, 403):
            assert type(error_of(answer(code, subcode, status))) is kind, (code, subcode)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer(987654, is_transient=True), Retry),
        (answer(100, is_transient=True), Retry),
        (answer(1, 1357046, is_transient=True), OutcomeUnknown),
        (answer(987654, status=500), Retry),
        (answer(987654, status=429), Retry),
        (answer("613"), Retry),
        (answer(None), BadPayload),
        (answer([]), BadPayload),
        (httpx.Response(429, text="slow down"), Retry),
        (httpx.Response(502, text="<html>bad gateway</html>"), OutcomeUnknown),
        (httpx.Response(500, json={"detail": "x"}), OutcomeUnknown),
        (httpx.Response(408, text=""), OutcomeUnknown),
        (httpx.Response(200, text="<html>"), OutcomeUnknown),
        (httpx.Response(200, json=["x"]), OutcomeUnknown),
        (httpx.Response(404, text="<html>not found</html>"), NeedsOperator),
        (httpx.Response(302, headers={"location": "https://login.example"}), NeedsOperator),
    ],
)
def test_answers_without_a_known_code(response: httpx.Response, kind: type[SendError]) -> None:
    assert type(error_of(response)) is kind


def test_success_is_no_error() -> None:
    assert error_of(httpx.Response(200, json={"message_id": "m_1"})) is None


def test_a_missing_object_is_the_customer_unless_it_is_our_own_page() -> None:
    told = "Unsupported post request. Object with ID '{}' does not exist"
    assert type(error_of(answer(100, 33, message=told.format("53")), own_id="104")) is Unreachable
    assert type(error_of(answer(100, 33, message=told.format("104")), own_id="104")) is NeedsOperator


@pytest.mark.parametrize(
    "told",
    [
        "Invalid appsecret_proof provided in the API argument",
        "API calls from the server require an appsecret_proof argument",
        "this call requires either app secret proof or an app token",
    ],
)
def test_a_proof_that_is_refused_is_the_operators_and_loses_no_message(told: str) -> None:
    error = error_of(answer(100, message=told))
    assert type(error) is NeedsOperator
    assert "META_APP_SECRET" in error.detail


def test_detail_names_code_and_trace_and_never_the_token() -> None:
    error = error_of(answer(100, message=f"bad {TOKEN} and EAAother1234567890"), (TOKEN,))
    assert error and error.code == "100" and "A7Oj" in str(error)
    assert TOKEN not in str(error) and "EAAother" not in str(error)
    dead = error_of(answer(190, 463, message=f"Malformed access token {TOKEN[:12]}"), (TOKEN,))
    assert dead and dead.code == "190/463" and TOKEN[:12] not in str(dead) and "META_ACCESS_TOKEN" in str(dead)


def test_detail_can_be_stored() -> None:
    error = error_of(httpx.Response(400, content=b'{"error":{"code":100,"message":"a\\u0000b\\ud800"}}'))
    assert error and "\x00" not in error.detail
    error.detail.encode()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"X-App-Usage": '{"call_count":28,"total_time":25,"total_cputime":25}'}, None),
        ({"X-App-Usage": '{"call_count":100,"total_time":25,"total_cputime":25}'}, 10.0),
        ({BUC: '{"1":[{"type":"messenger","call_count":95,"estimated_time_to_regain_access":0}]}'}, None),
        ({BUC: '{"1":[{"type":"messenger","call_count":100,"estimated_time_to_regain_access":7}]}'}, 420.0),
        ({BUC: '{"1":[{"type":"messenger","call_count":120}]}'}, 10.0),
        ({BUC: '{"1":[{"type":"ads_insights","call_count":120}]}'}, None),
        ({BUC: '{"1":[{"type":[],"call_count":120}]}'}, None),
        ({BUC: '{"1":[{"type":"pages","estimated_time_to_regain_access":999999}]}'}, 86400.0),
        ({"X-App-Usage": "nonsense", "X-Business-Use-Case-Usage": '{"1":7}'}, None),
        ({"X-App-Usage": "[" * 5000}, None),
    ],
)
def test_usage_headers_say_how_long_to_rest(headers: dict[str, str], seconds: float | None) -> None:
    assert rest_of(httpx.Headers(headers)) == seconds


def test_a_throttle_takes_its_time_from_the_headers() -> None:
    usage = json.dumps({"104": [{"type": "messenger", "call_count": 100, "estimated_time_to_regain_access": 3}]})
    error = error_of(answer(613, headers={"X-Business-Use-Case-Usage": usage}))
    assert isinstance(error, Retry) and error.after == 180.0
    other = error_of(answer(613))
    assert isinstance(other, Retry) and other.after == 5.0
    tired = error_of(answer(613, 2018338))
    assert isinstance(tired, Retry) and tired.after == 60.0
    brief = error_of(answer(2))
    assert isinstance(brief, Retry) and brief.after is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("x"), Retry),
        (httpx.ConnectTimeout("x"), Retry),
        (httpx.PoolTimeout("x"), Retry),
        (httpx.ProxyError("x"), Retry),
        (httpx.ReadTimeout("x"), OutcomeUnknown),
        (httpx.WriteTimeout("x"), OutcomeUnknown),
        (httpx.ReadError("x"), OutcomeUnknown),
        (httpx.WriteError("x"), OutcomeUnknown),
        (httpx.RemoteProtocolError("x"), OutcomeUnknown),
        (httpx.DecodingError("x"), OutcomeUnknown),
        (TimeoutError(), OutcomeUnknown),
        (httpx.UnsupportedProtocol("x"), NeedsOperator),
        (httpx.InvalidURL("x"), NeedsOperator),
    ],
)
def test_only_what_surely_never_left_is_tried_again(error: Exception, kind: type[SendError]) -> None:
    assert type(transport_error(error)) is kind


def test_every_meaning_tells_the_staff_something() -> None:
    assert all(len(meaning.text) > 20 and not meaning.text.endswith(".") for meaning in MEANINGS.values())
