"""Each status of Whapi's comes to the right thing to do."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connectors.message import BadPayload, NeedsOperator, OutcomeUnknown, Retry, SendError, Unreachable
from connectors.whapi.errors import MEANINGS, document_of, transport_error


def error_of(response: httpx.Response, *secrets: tuple[str, ...]) -> SendError | None:
    try:
        document_of(response, *secrets)
    except SendError as error:
        return error
    return None


def answer(status: int, message: str = "nope", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    return httpx.Response(status, json={"error": {"code": status, "message": message, **more}}, headers=headers)


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((400, 404, 406, 409, 413, 415, 418, 422), BadPayload),
        ((401, 402), NeedsOperator),
        ((403,), Unreachable),
        ((429, 502, 503), Retry),
        ((408, 500, 501, 504, 599), OutcomeUnknown),
    ],
)
def test_statuses_come_to_their_class(statuses: tuple[int, ...], kind: type[SendError]) -> None:
    for status in statuses:
        assert type(error_of(answer(status))) is kind, status


@pytest.mark.parametrize("message", ["Channel not found", "channel not found"])
def test_an_unknown_channel_is_a_wrong_token_and_not_a_wrong_message(message: str) -> None:
    error = error_of(answer(404, message))
    assert isinstance(error, NeedsOperator) and "WHAPI_TOKEN" in error.detail


@pytest.mark.parametrize("status", [301, 302, 307, 404])
def test_another_server_is_known_by_its_answer(status: int) -> None:
    error = error_of(httpx.Response(status, text="<html>"))
    assert isinstance(error, NeedsOperator) and "WHAPI_URL" in error.detail


@pytest.mark.parametrize(
    ("response", "document"),
    [
        (httpx.Response(200, json={"sent": True}), {"sent": True}), (httpx.Response(204), {}),
        (httpx.Response(200, text="x"), {}), (httpx.Response(200, json=["x"]), {}),
    ],
)  # fmt: skip
def test_success_is_its_object_or_nothing(response: httpx.Response, document: dict[str, Any]) -> None:
    assert document_of(response) == document


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0), ("0", 0.0), ("99999", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("٣", None),
        ("", None),
    ],
)  # fmt: skip
def test_only_seconds_are_read_from_retry_after(header: str, seconds: float | None) -> None:
    error = error_of(answer(429, headers={"Retry-After": header.encode()}))
    assert isinstance(error, Retry) and error.after == seconds


def test_detail_tells_whapis_words_without_secrets_and_can_be_stored() -> None:
    error = error_of(answer(400, "bad token s3cr3t\x00\ud800", details="to is wrong"), ("s3cr3t",))
    assert error and error.code == "HTTP 400" and "to is wrong" in str(error)
    assert "s3cr3t" not in str(error) and "\x00" not in error.detail
    error.detail.encode()


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
