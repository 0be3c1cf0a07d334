"""How webhooks are written and signed."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from simulator.client import SimulatorClient
from simulator.wire import app_secret_proof, meta_json, signature

from .conftest import SECRET, Recorder

VECTOR = {
    "object": "page",
    "entry": [
        {
            "id": "1",
            "time": 1760000000000,
            "messaging": [
                {
                    "sender": {"id": "2"},
                    "recipient": {"id": "1"},
                    "timestamp": 1760000000000,
                    "message": {"mid": "m_1", "text": "äöå ❤️ http://x.y/z"},
                }
            ],
        }
    ],
}
VECTOR_BYTES = (
    rb'{"object":"page","entry":[{"id":"1","time":1760000000000,"messaging":[{"sender":{"id":"2"},"recipient":{"id":"1"},'
    rb'"timestamp":1760000000000,"message":{"mid":"m_1","text":"\u00e4\u00f6\u00e5 \u2764\ufe0f http:\/\/x.y\/z"}}]}]}'
)


def test_a_webhook_is_written_exactly_as_meta_writes_it():
    assert meta_json(VECTOR) == VECTOR_BYTES


def test_the_signature_of_the_known_vector_is_right():
    assert signature(SECRET, VECTOR_BYTES) == "sha256=80ce60531c31423caca4546ab3a9a3cd565dae64ee5c97a616ab201112e6bd5c"
    assert signature(SECRET, VECTOR_BYTES, "sha1") == "sha1=7a606f45d60e82e1fb14096383a9d28a2265869f"


def test_the_signature_of_an_independent_vector_is_right():
    assert signature("sesame", b"hello world") == "sha256=f39034b29165ec6a5104d9aef27266484ab26c8caa7bca8bcb2dd02e8be61b17"


def test_the_proof_of_the_known_vector_is_right():
    assert app_secret_proof(SECRET, "EAAtoken") == "d6c4deea04dad311877a7fc71b2040fadb5f611475eeec72bb3c0bfad16d5e04"


def test_characters_beyond_the_basic_plane_are_lower_case_surrogates():
    assert meta_json({"text": "👍🏽"}) == rb'{"text":"\ud83d\udc4d\ud83c\udffd"}'


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
