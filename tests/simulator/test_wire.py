"""What reaches the bot is signed over its own bytes, unless a test wants it otherwise."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from simulator.client import SimulatorClient
from simulator.wire import signature

from .conftest import SECRET, Recorder
from .test_signature import VECTOR, VECTOR_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("channel", ["instagram", "messenger"])
async def test_every_delivery_is_signed_over_its_own_bytes(sim: SimulatorClient, bot: Recorder, channel: str):
    said = await sim.say(channel, "1001", "¿Cuánto cuesta el árnica? 👍 http://x.y/z")
    assert said.status == 200
    call = bot.calls[0]
    assert call.headers["x-hub-signature-256"] == "sha256=" + hmac.new(SECRET.encode(), call.body, hashlib.sha256).hexdigest()
    assert call.headers["x-hub-signature"] == "sha1=" + hmac.new(SECRET.encode(), call.body, hashlib.sha1).hexdigest()
    assert call.headers["content-type"] == "application/json"
    assert rb"\u00bfCu\u00e1nto" in call.body
    assert rb"http:\/\/x.y\/z" in call.body
    assert call.body.isascii()


async def test_a_raw_body_is_delivered_byte_by_byte(sim: SimulatorClient, bot: Recorder):
    body = b'{"object": "page",   "entry": [\xff]}'
    delivered = await sim.deliver(body)
    assert (delivered["status"], bot.calls[0].body) == (200, body)
    assert bot.calls[0].headers["x-hub-signature-256"] == signature(SECRET, body)


async def test_a_document_is_delivered_as_meta_writes_it(sim: SimulatorClient, bot: Recorder):
    await sim.deliver(VECTOR)
    assert bot.calls[0].body == VECTOR_BYTES


@pytest.mark.parametrize(
    ("kind", "present", "right"), [("wrong", True, False), ("missing", False, False), ("sha1", False, False)]
)
async def test_a_raw_body_can_carry_a_bad_signature(sim: SimulatorClient, bot: Recorder, kind: str, present: bool, right: bool):
    await sim.deliver(b"{}", signature=kind)
    headers = bot.calls[0].headers
    assert ("x-hub-signature-256" in headers) is present
    assert (headers.get("x-hub-signature-256") == signature(SECRET, b"{}")) is right
    assert ("x-hub-signature" in headers) is (kind != "missing")


async def test_the_handshake_asks_as_the_dashboard_does(sim: SimulatorClient, bot: Recorder):
    answer = await sim.call("POST", "verify", {})
    assert answer["status"] == 200
    assert answer["echoed"]
    assert bot.calls[0].method == "GET"
    assert "hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=" in bot.calls[0].path


async def test_the_test_button_sends_ids_that_belong_to_nobody(sim: SimulatorClient, bot: Recorder):
    await sim.call("POST", "test-event", {"channel": "instagram"})
    document = json.loads(bot.calls[0].body)
    assert document["entry"][0]["id"] == "0"
    assert document["entry"][0]["changes"][0]["value"]["message"]["mid"] == "random_mid"
