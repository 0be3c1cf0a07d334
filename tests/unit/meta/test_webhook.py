"""The one address that Meta calls: handshake, signature, and what it answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

from connectors.message import Inbound
from connectors.meta.platform import Instagram as instagram
from connectors.meta.platform import Messenger as messenger
from connectors.meta.platform import MetaPlatform
from connectors.meta.signature import sign
from connectors.platform import Request
from omnicrm.settings import Settings, SettingsError

SETTINGS = Settings(
    meta_access_token="EAAtoken",
    meta_page_id="104098558513421",
    meta_ig_account_id="17841470026191358",
    meta_app_secret=("new_secret", "test_app_secret"),
    meta_verify_token="palabra",
)
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
OFFLINE = httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: httpx.Response(500)))


def platforms() -> list[MetaPlatform]:
    return [instagram(SETTINGS, OFFLINE, clock=lambda: NOW), messenger(SETTINGS, OFFLINE, clock=lambda: NOW)]


def get(**query: str) -> Request:
    return Request(method="GET", path="/api/webhooks/meta", query={f"hub.{name}": value for name, value in query.items()})


def post(body: bytes, secret: str = "test_app_secret", **headers: str) -> Request:
    signed = {"x-hub-signature-256": f"sha256={sign(body, secret)}", **headers}
    return Request(method="POST", path="/api/webhooks/meta", headers=signed, body=body)


def delivery(webhook_object: str, account: str) -> bytes:
    message = {"mid": "m", "text": "á/"}
    said = {"sender": {"id": "53"}, "recipient": {"id": account}, "timestamp": 1760000000123, "message": message}
    document = {"object": webhook_object, "entry": [{"id": account, "time": 1760000000500, "messaging": [said]}]}
    # As Meta writes it: ASCII with lower-case escapes, and escaped slashes.
    return json.dumps(document, separators=(",", ":")).replace("/", "\\/").encode()


@pytest.mark.parametrize("platform", platforms(), ids=lambda p: p.name)
@pytest.mark.parametrize(
    ("webhook_object", "account", "key"),
    [("page", "104098558513421", "fb:104098558513421:53"), ("instagram", "17841470026191358", "ig:17841470026191358:53")],
)
def test_either_channel_takes_signed_deliveries_for_both(
    platform: MetaPlatform, webhook_object: str, account: str, key: str
) -> None:
    answer = platform.webhook(post(delivery(webhook_object, account)))
    [event] = answer.events
    assert answer.status == 200
    assert isinstance(event, Inbound) and event.text == "á/" and event.address and event.address.key == key


def test_the_address_and_methods_are_the_plans() -> None:
    for platform in platforms():
        assert (platform.webhook_path, platform.webhook_methods) == ("/api/webhooks/meta", ("GET", "POST"))


@pytest.mark.parametrize("secret", ["new_secret", "test_app_secret"])
def test_all_secrets_are_accepted(secret: str) -> None:
    assert platforms()[0].webhook(post(b"[]", secret)).status == 200


@pytest.mark.parametrize(
    "request_",
    [
        post(b"[]", "other_secret"),
        Request(method="POST", path="/", body=b"[]"),
        replace(post(b"[]"), body=b"[ ]"),
        Request(method="POST", path="/", body=b"[]", headers={"x-hub-signature": "sha1=00"}),
    ],
    ids=["other secret", "no header", "changed body", "old header alone"],
)
def test_unsigned_calls_are_refused_with_nothing_in_them(request_: Request) -> None:
    answer = platforms()[0].webhook(request_)
    assert (answer.status, answer.events) == (401, ())


@pytest.mark.parametrize("body", [b"", b"not json", b"{", b"\xff"])
def test_what_is_not_json_is_400(body: bytes) -> None:
    answer = platforms()[0].webhook(post(body))
    assert (answer.status, answer.events) == (400, ())


def test_signed_nonsense_is_200_and_kept() -> None:
    answer = platforms()[0].webhook(post(b'{"object":"page","entry":[{"id":"104098558513421","messaging":[7]}]}'))
    assert answer.status == 200 and len(answer.events) == 1


def test_over_one_megabyte_is_413() -> None:
    limit = platforms()[0].max_body
    assert limit == 1024 * 1024
    assert platforms()[0].webhook(post(b" " * limit + b"1")).status == 413
    assert platforms()[0].webhook(post(b" " * (limit - 1) + b"1")).status == 200


def test_handshake_echoes_the_challenge() -> None:
    answer = platforms()[0].webhook(get(mode="subscribe", verify_token="palabra", challenge="1158201444"))
    assert (answer.status, answer.text, answer.events) == (200, "1158201444", ())


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"mode": "subscribe", "verify_token": "otra", "challenge": "1"}, 403),
        ({"mode": "unsubscribe", "verify_token": "palabra", "challenge": "1"}, 403),
        ({"mode": "subscribe", "verify_token": "palabr\ud800", "challenge": "1"}, 403),
        ({"mode": "subscribe", "verify_token": "palabra"}, 400),
        ({"mode": "subscribe", "challenge": "1"}, 400),
        ({"verify_token": "palabra", "challenge": "1"}, 400),
        ({}, 400),
    ],
)
def test_handshake_refuses_all_else(query: dict[str, str], status: int) -> None:
    answer = platforms()[0].webhook(get(**query))
    assert answer.status == status and "palabra" not in answer.text


def test_other_methods_are_not_allowed() -> None:
    assert platforms()[0].webhook(Request(method="PUT", path="/")).status == 405


@pytest.mark.parametrize("build", [instagram, messenger])
@pytest.mark.parametrize("missing", ["meta_app_secret", "meta_verify_token", "meta_access_token", "meta_page_id"])
def test_no_channel_without_its_settings(build: Any, missing: str) -> None:
    with pytest.raises(SettingsError, match=f"^{missing.upper()}: missing"):
        build(replace(SETTINGS, **{missing: () if missing == "meta_app_secret" else ""}), OFFLINE)


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        instagram(Settings(), OFFLINE)
    names = [line.split(":")[0] for line in str(raised.value).splitlines()]
    assert names == ["META_ACCESS_TOKEN", "META_PAGE_ID", "META_APP_SECRET", "META_VERIFY_TOKEN", "META_IG_ACCOUNT_ID"]


def test_messenger_needs_no_instagram_account() -> None:
    assert messenger(replace(SETTINGS, meta_ig_account_id=""), OFFLINE).account == "104098558513421"


def test_a_token_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError, match="META_ACCESS_TOKEN") as raised:
        messenger(replace(SETTINGS, meta_access_token="EAAG…"), OFFLINE)
    assert "EAAG…" not in str(raised.value)
