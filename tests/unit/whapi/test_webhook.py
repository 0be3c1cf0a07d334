"""The address that Whapi calls: the secret, the three modes, and what it answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

from connectors.message import AccountState, Inbound, Unsend, Unsupported
from connectors.platform import Request
from connectors.whapi.platform import Whatsapp
from tests.unit.whapi.server import CHANNEL, SECRET, settings

PATH = "/api/webhooks/whapi"
NOW = datetime(2025, 11, 22, 8, 30, tzinfo=timezone.utc)
OFFLINE = httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: httpx.Response(500)))
MESSAGE = {
    "id": "m_1-aaaa", "from_me": False, "type": "text", "chat_id": "5215512345678@s.whatsapp.net", "timestamp": 1763800000,
    "source": "mobile", "text": {"body": "hola"}, "from": "5215512345678", "from_name": "Ana",
}  # fmt: skip


def platform(**changes: Any) -> Whatsapp:
    return Whatsapp(settings(**changes), OFFLINE, clock=lambda: NOW)


def call(document: Any, *, method: str = "POST", below: str = "", secret: str = SECRET) -> Request:
    headers = {"x-webhook-secret": secret, "content-type": "application/json"}
    return Request(method=method, path=PATH + below, headers=headers, body=json.dumps(document).encode())


def told(**arrays: Any) -> dict[str, Any]:
    return {**arrays, "channel_id": CHANNEL}


def test_the_address_and_methods_are_whapis() -> None:
    whatsapp = platform()
    assert (whatsapp.webhook_path, whatsapp.webhook_below) == (PATH, True)
    assert whatsapp.webhook_methods == ("GET", "POST", "PUT", "PATCH", "DELETE")
    assert (whatsapp.name, whatsapp.channel, whatsapp.account) == ("whatsapp", "WA", CHANNEL)


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("POST", ""), ("POST", "/"), ("POST", "/messages/post"), ("POST", "/messages/put"), ("POST", "/messages"),
        ("PUT", "/messages"), ("PUT", ""), ("PATCH", ""),
    ],
)  # fmt: skip
def test_a_message_is_taken_in_every_mode(method: str, below: str) -> None:
    answer = platform().webhook(call(told(messages=[MESSAGE]), method=method, below=below))
    [event] = answer.events
    assert answer.status == 200
    assert isinstance(event, Inbound) and event.text == "hola"
    assert event.key == f"whapi:{CHANNEL}:message:m_1-aaaa"


@pytest.mark.parametrize(
    ("method", "below"), [("DELETE", "/messages"), ("POST", "/messages/delete"), ("POST", "/messages/DELETE")]
)
def test_where_the_body_does_not_tell_the_verb_the_address_or_method_does(method: str, below: str) -> None:
    [event] = platform().webhook(call(told(messages=[MESSAGE]), method=method, below=below)).events
    assert isinstance(event, Unsend) and event.platform_id == "m_1-aaaa"
    [user] = platform().webhook(call(told(user={"id": "1"}), method="DELETE", below="/users")).events
    assert isinstance(user, AccountState) and not user.ok


def test_the_bodys_own_verb_goes_first() -> None:
    body = told(messages=[MESSAGE], event={"type": "messages", "event": "post"})
    [event] = platform().webhook(call(body, method="DELETE", below="/messages")).events
    assert isinstance(event, Inbound)


@pytest.mark.parametrize("secret", [SECRET, "the-secret-of-yesterday"])
def test_every_secret_of_a_rotation_is_accepted(secret: str) -> None:
    assert platform().webhook(call(told(messages=[MESSAGE]), secret=secret)).status == 200


@pytest.mark.parametrize(
    "request_",
    [
        call(told(messages=[MESSAGE]), secret="another-long-secret"),
        call(told(messages=[MESSAGE]), secret=""),
        call(told(messages=[MESSAGE]), secret=SECRET + "x"),
        call(told(messages=[MESSAGE]), secret="sécret\ud800"),
        replace(call(told(messages=[MESSAGE])), headers={}),
        replace(call(told(messages=[MESSAGE])), headers={"authorization": SECRET}, query={"secret": SECRET}),
        replace(call(None, secret=""), body=b""),
        replace(call(None, secret=""), body=b"not json"),
        call(None, method="GET", secret=""),
    ],
    ids=["other", "empty", "longer", "odd", "no header", "elsewhere", "empty body", "no JSON", "GET"],
)
def test_who_does_not_know_the_secret_is_refused_with_nothing_in_it(request_: Request) -> None:
    answer = platform().webhook(request_)
    assert (answer.status, answer.events) == (401, ())


@pytest.mark.parametrize("body", [b"", b"  \n"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_panels_test_call_without_a_body_is_fine(method: str, body: bytes) -> None:
    answer = platform().webhook(replace(call(None, method=method), body=body))
    assert (answer.status, answer.events) == (200, ())


@pytest.mark.parametrize("body", [b"not json", b"{", b"\xff", b"NaN"])
def test_what_is_not_json_is_400(body: bytes) -> None:
    answer = platform().webhook(replace(call(None), body=body))
    assert (answer.status, answer.events) == (400, ())


@pytest.mark.parametrize("document", [{}, [], {"test": True}, 7, "hola", None])
def test_json_that_says_nothing_known_is_200(document: Any) -> None:
    answer = platform().webhook(call(document))
    assert answer.status == 200
    assert all(isinstance(event, Unsupported) for event in answer.events)


def test_a_call_for_another_channel_is_kept_and_not_answered() -> None:
    answer = platform().webhook(call({"messages": [MESSAGE], "channel_id": "OTHER-AAAAA"}))
    [event] = answer.events
    assert answer.status == 200
    assert isinstance(event, Unsupported) and event.reason == "another channel"


def test_over_five_megabytes_is_413() -> None:
    limit = platform().max_body
    assert limit == 5 * 1024 * 1024
    assert platform().webhook(replace(call(None), body=b" " * (limit + 1))).status == 413
    assert platform().webhook(replace(call(None), body=b" " * limit)).status == 200


def test_other_methods_are_not_allowed() -> None:
    assert platform().webhook(call(None, method="TRACE")).status == 405


def test_secrets_are_in_no_repr() -> None:
    whatsapp = platform()
    assert SECRET not in f"{vars(whatsapp)!r}"
