"""What we sign, the library that receivers use takes."""

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from notify.signing import new_secret, signed

BODY = '{"type":"message.received","data":{"text":"¿Tienen árnica? 🌿"}}'


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_a_secret_is_one_of_the_specification() -> None:
    secret = new_secret(os.urandom)
    assert secret.startswith("whsec_") and len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert new_secret(os.urandom) != secret


def test_the_librarys_verifier_takes_what_we_sign() -> None:
    secret = new_secret(os.urandom)
    assert Webhook(secret).verify(BODY, signed("msg_1", BODY, [secret], now()))["type"] == "message.received"


def test_while_a_secret_is_exchanged_both_are_taken() -> None:
    old, new = new_secret(os.urandom), new_secret(os.urandom)
    headers = signed("msg_1", BODY, [new, old], now())
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)


def test_the_zone_of_the_clock_does_not_matter() -> None:
    secret = new_secret(os.urandom)
    Webhook(secret).verify(BODY, signed("msg_1", BODY, [secret], now().astimezone(ZoneInfo("America/Mexico_City"))))


@pytest.mark.parametrize("change", ["body", "id", "time", "secret"])
def test_whatever_is_changed_is_noticed(change: str) -> None:
    secret = new_secret(os.urandom)
    headers = signed("msg_1", BODY, [secret], now() - timedelta(minutes=6 if change == "time" else 0))
    if change == "id":
        headers["webhook-id"] = "msg_2"
    key = new_secret(os.urandom) if change == "secret" else secret
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(BODY + " " if change == "body" else BODY, headers)
