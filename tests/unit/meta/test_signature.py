"""Only Meta, with a secret of ours, gets a webhook in."""

from __future__ import annotations

import hmac
import json
from datetime import datetime, timezone

import pytest

from connectors.meta.item import Ours
from connectors.meta.signature import appsecret_proof, is_signed, same_word, sign
from connectors.meta.webhook import Webhook
from connectors.platform import Request

SECRET = "test_app_secret"
BODY = (
    rb'{"object":"page","entry":[{"id":"1","time":1760000000000,"messaging":[{"sender":{"id":"2"},"recipient":{"id":"1"},'
    rb'"timestamp":1760000000000,"message":{"mid":"m_1","text":"\u00e4\u00f6\u00e5 \u2764\ufe0f http:\/\/x.y\/z"}}]}]}'
)
DIGEST = "80ce60531c31423caca4546ab3a9a3cd565dae64ee5c97a616ab201112e6bd5c"


def test_known_vectors() -> None:
    assert sign(b"hello world", "sesame") == "f39034b29165ec6a5104d9aef27266484ab26c8caa7bca8bcb2dd02e8be61b17"
    assert sign(BODY, SECRET) == DIGEST
    assert is_signed(BODY, f"sha256={DIGEST}", [SECRET])
    assert appsecret_proof("EAAtoken", SECRET) == "d6c4deea04dad311877a7fc71b2040fadb5f611475eeec72bb3c0bfad16d5e04"


def test_the_same_json_written_otherwise_is_not_signed() -> None:
    again = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
    assert sign(again, SECRET).startswith("37413a69") and sign(again, SECRET).endswith("fa998b")
    assert not is_signed(again, f"sha256={DIGEST}", [SECRET])


def test_any_of_several_secrets_will_do_during_a_rotation() -> None:
    assert is_signed(BODY, f"sha256={DIGEST}", ["new_secret", SECRET])
    assert is_signed(BODY, f"sha256={DIGEST}", [SECRET, "new_secret"])
    assert not is_signed(BODY, f"sha256={DIGEST}", ["new_secret", ""])
    assert not is_signed(BODY, f"sha256={DIGEST}", [])


@pytest.mark.parametrize(
    "header",
    [None, "", "sha256=", DIGEST, f"sha1={DIGEST}", f"sha256={DIGEST[:-1]}", f"sha256={DIGEST[:-1]}0", "sha256=ñ", "sha256"],
)
def test_any_other_header_is_refused(header: str | None) -> None:
    assert not is_signed(BODY, header, [SECRET])


def test_an_empty_secret_signs_nothing() -> None:
    assert not is_signed(BODY, f"sha256={sign(BODY, '')}", [""])


def test_words_are_the_same_only_when_they_are_set_and_equal() -> None:
    assert same_word("palabra", "palabra")
    assert same_word("contraseña", "contraseña")
    assert not same_word("palabra", "otra")
    assert not same_word("", "")
    assert not same_word("\ud800", "palabra")


# --- in constant time ----------------------------------------------------------------------------------------------------


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[set[bytes]]:
    """What the standard library compared in constant time; everything else may stop at the first difference."""
    pairs: list[set[bytes]] = []
    compare = hmac.compare_digest

    def remembering(one: bytes, other: bytes) -> bool:
        pairs.append({one, other})
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", remembering)
    return pairs


@pytest.mark.parametrize("matching", [0, 1, 2, None])
def test_every_secret_is_compared_in_constant_time_whichever_matches(matching: int | None, compared: list[set[bytes]]) -> None:
    secrets = ["first", "second", "third"]
    given = sign(BODY, "stranger" if matching is None else secrets[matching])
    assert is_signed(BODY, f"sha256={given}", secrets) == (matching is not None)
    assert compared == [{sign(BODY, secret).encode(), given.encode()} for secret in secrets]


@pytest.mark.parametrize(("word", "status"), [("palabra", 200), ("otra", 403)])
def test_the_verify_token_is_compared_in_constant_time(word: str, status: int, compared: list[set[bytes]]) -> None:
    webhook = Webhook(ours=Ours(page="2"), secrets=(SECRET,), verify_token="palabra")
    query = {"hub.mode": "subscribe", "hub.verify_token": word, "hub.challenge": "1158201444"}
    request = Request(method="GET", path="/api/webhooks/meta", query=query)
    assert webhook.answer(request, datetime.now(timezone.utc)).status == status
    assert compared == [{word.encode(), b"palabra"}]
