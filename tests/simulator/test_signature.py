"""The bytes of a webhook and their signature, against vectors that others computed."""

from __future__ import annotations

from simulator.wire import app_secret_proof, meta_json, signature

from .conftest import SECRET

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
