"""What Mailgun, SendGrid and Postmark post: who may, what becomes of it, and whom it makes us trust."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from connectors.email.envelope import Envelope, Ours
from connectors.email.form import read_form
from connectors.email.parse import parse
from connectors.email.providers import MAX_BODY, PATH, Webhook, providers
from connectors.email.rebuild import File, rebuild
from connectors.message import AnyEvent, Inbound
from connectors.platform import Answer, Request
from omnicrm.settings import Settings

NOW = datetime(2026, 11, 22, 15, 20, tzinfo=timezone.utc)
OURS = Ours(address="hola@acme.mx", domain="acme.mx", secret=b"0123456789abcdef", stale=timedelta(hours=6))
MAILGUN_KEY, POSTMARK_TOKEN = "key-de-prueba", "palabra-de-postmark"
SENDGRID = ec.generate_private_key(ec.SECP256R1())
SENDGRID_KEY = base64.b64encode(
    SENDGRID.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
SETTINGS = Settings(
    email_mailgun_signing_key=MAILGUN_KEY, email_sendgrid_public_key=SENDGRID_KEY, email_postmark_token=POSTMARK_TOKEN
)
BOUNDARY = "xYzZY"
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "email" / "posted"


def scenarios(provider: str) -> list[Any]:
    cases = json.loads((FIXTURES / f"{provider}.json").read_text())
    return [pytest.param(provider, case, id=f"{provider}: {name}") for name, case in cases.items()]


def multipart(fields: dict[str, str], case: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    parts = []
    for name, value in fields.items():
        data = value.encode(case.get("charset", {}).get(name, "utf-8"))
        parts.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data)
    for name, file in case.get("files", {}).items():
        data = base64.b64decode(file["base64"]) if "base64" in file else file["text"].encode()
        head = f'Content-Disposition: form-data; name="{name}"; filename="{file["filename"]}"\r\n'
        parts.append(f"{head}Content-Type: {file['type']}\r\n\r\n".encode() + data)
    body = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts) + f"--{BOUNDARY}--\r\n".encode()
    return {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, body


def mailgun_request(case: dict[str, Any]) -> Request:
    timestamp = case.get("timestamp", str(int(NOW.timestamp()) - case.get("age", 10)))
    token = "0123456789abcdef0123456789abcdef0123456789abcdef01"
    good = hmac.new(MAILGUN_KEY.encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()
    signature = case.get("signature", good)
    fields = {**case["fields"], "timestamp": timestamp, "token": token, **({"signature": signature} if signature else {})}
    headers, body = multipart(fields, case)
    if case.get("encoding") == "urlencoded":
        headers, body = {"content-type": "application/x-www-form-urlencoded"}, urlencode(fields).encode()
    return Request(method="POST", path=PATH + case.get("path", "/mailgun"), headers=headers, body=body)


def sendgrid_request(case: dict[str, Any]) -> Request:
    headers, body = multipart(case["fields"], case)
    timestamp = "1763800001"
    good = base64.b64encode(SENDGRID.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))).decode()
    signature = case.get("signature", good)
    signed = {"x-twilio-email-event-webhook-signature": signature, "x-twilio-email-event-webhook-timestamp": timestamp}
    if case.get("tampered"):
        body = body.replace(b"Pedido", b"Pagado")
    return Request(method="POST", path=f"{PATH}/sendgrid", headers={**headers, **(signed if signature else {})}, body=body)


def postmark_request(case: dict[str, Any]) -> Request:
    token = case.get("token", POSTMARK_TOKEN)
    headers = {"authorization": "Basic " + base64.b64encode(f"postmark:{token}".encode()).decode()} if token else {}
    if case.get("auth") == "header":
        headers = {"x-postmark-token": token}
    body = json.dumps(case["json"]) if "json" in case else case.get("body", "")
    if "repeat" in case:
        body = case["repeat"][0] * case["repeat"][1]
    return Request(method="POST", path=f"{PATH}/postmark", headers=headers, body=body.encode())


REQUESTS = {"mailgun": mailgun_request, "sendgrid": sendgrid_request, "postmark": postmark_request}


def post(request: Request, settings: Settings = SETTINGS, now: datetime = NOW) -> tuple[Answer, list[Envelope]]:
    """The answer, and the envelopes of the mails that were parsed."""
    seen: list[Envelope] = []

    def noting(raw: bytes, envelope: Envelope, ours: Ours, now: datetime) -> list[AnyEvent]:
        seen.append(envelope)
        return parse(raw, envelope, ours, now)

    return Webhook(OURS, providers(settings), noting).answer(request, now), seen


@pytest.mark.parametrize(("provider", "case"), [case for provider in REQUESTS for case in scenarios(provider)])
def test_a_posted_mail(provider: str, case: dict[str, Any]) -> None:
    expected = case["expected"]
    answer, envelopes = post(REQUESTS[provider](case))
    assert answer.status == expected["status"]
    if expected["status"] != 200:
        assert answer.events == ()
        assert envelopes == []
        return
    [envelope], [event] = envelopes, answer.events
    assert envelope.source == provider
    assert envelope.mail_from == expected["mail_from"]
    assert list(envelope.rcpt_to) == expected["rcpt_to"]
    assert envelope.verdict == expected["verdict"]
    assert envelope.spam == expected["spam"]
    assert type(event).__name__ == expected["type"]
    if not isinstance(event, Inbound):
        return
    assert event.text == expected["text"]
    assert event.address is not None
    if expected["user"]:
        assert event.address.user == expected["user"]
    else:
        assert event.address.user.startswith("unverified:")
    assert bool(event.silent) == (expected.get("silent", False) or expected["spam"])
    assert event.contact is not None
    assert event.contact.name == expected.get("name", event.contact.name)
    assert [attachment.title for attachment in event.attachments] == expected.get("files", [])
    assert event.platform_id == expected.get("platform_id", event.platform_id)
    if "references" in expected:
        assert event.address.context["references"][: len(expected["references"])] == expected["references"]


@pytest.mark.parametrize("provider", REQUESTS)
def test_the_same_post_again_has_the_same_key(provider: str) -> None:
    [case] = [case for case in scenarios(provider) if "parsed fields" in str(case.id)]
    provided, scenario = case.values
    request = REQUESTS[str(provided)](scenario)
    first, again = post(request)[0], post(request, now=NOW + timedelta(hours=3))[0]
    assert [event.key for event in first.events] == [event.key for event in again.events]


@pytest.mark.parametrize("provider", REQUESTS)
def test_a_provider_without_a_key_is_not_there(provider: str) -> None:
    [case] = [case for case in scenarios(provider) if "parsed fields" in str(case.id)]
    provided, scenario = case.values
    answer, _ = post(REQUESTS[str(provided)](scenario), Settings())
    assert answer.status == 404


@pytest.mark.parametrize(
    ("method", "path", "size", "status"),
    [
        ("GET", "/mailgun", 0, 405),
        ("POST", "", 0, 404),
        ("POST", "/otro", 0, 404),
        ("POST", "/mailgun/otro", 0, 404),
        ("POST", "/mailgun", MAX_BODY + 1, 413),
        ("POST", "/mailgun", 0, 406),
        ("POST", "/sendgrid", 0, 401),
        ("POST", "/postmark", 0, 403),
    ],
)
def test_what_is_no_mail_is_refused(method: str, path: str, size: int, status: int) -> None:
    assert post(Request(method=method, path=PATH + path, body=b"x" * size))[0].status == status


def test_mailguns_own_example_of_a_signature_holds() -> None:
    # Computed with openssl: printf '%s' "$timestamp$token" | openssl dgst -sha256 -hmac key-test
    settings = Settings(email_mailgun_signing_key="key-test")
    fields = {
        "timestamp": "1763800001", "token": "0123456789abcdef0123456789abcdef0123456789abcdef01",
        "signature": "e4ff8ac035b8fccdf368bb2dfd9cf9abf1ef63887edf268698c54a5641670713",
        "recipient": "hola@acme.mx", "sender": "ana@example.com",
        "body-mime": "From: ana@example.com\r\nMessage-ID: <a@b>\r\n\r\nhola",
    }  # fmt: skip
    request = Request(
        method="POST", path=f"{PATH}/mailgun", headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(fields).encode(),
    )
    moment = datetime.fromtimestamp(1763800001, timezone.utc)
    assert post(request, settings, moment)[0].status == 200
    assert post(request, settings, moment + timedelta(days=2))[0].status == 406


def test_a_key_that_is_none_is_found_out_at_the_start() -> None:
    for wrong in ("no es base64", base64.b64encode(b"no es una llave").decode()):
        with pytest.raises(ValueError, match=r".+"):
            providers(Settings(email_sendgrid_public_key=wrong))


# --- forms and rebuilt mails -------------------------------------------------------------------------------------------

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)


contents = st.one_of(st.binary(max_size=200), st.sampled_from([b"--xYzZY", b"a\r\n--xYzZYb\r\n"]))


@given(st.dictionaries(names, contents, max_size=8))
def test_a_form_comes_back_byte_by_byte(fields: dict[str, bytes]) -> None:
    fields = {name: data for name, data in fields.items() if f"\r\n--{BOUNDARY}\r\n".encode() not in b"\r\n" + data + b"\r\n"}
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data for name, data in fields.items()]
    body = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts) + f"--{BOUNDARY}--\r\n".encode()
    found = read_form(f'multipart/form-data; boundary="{BOUNDARY}"', body)
    assert {name: field.data for name, field in found.items()} == fields


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b""),
        ("text/plain", b"a=b"),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nno headers\r\n--x--"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ncut off'),
        ("multipart/form-data; boundary=x", b"--x\r\n" * 5000),
        ("application/x-www-form-urlencoded", b"a=b&" * 5000),
    ],
)
def test_what_is_no_form_says_so(content_type: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_form(content_type, body)


header_lists = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=60)), max_size=10)


@given(header_lists, st.text(max_size=200), st.text(max_size=200))
def test_a_rebuilt_mail_holds_no_header_and_no_body_that_was_not_given(
    headers: list[tuple[str, str]], text: str, page: str
) -> None:
    files = [File(name=page[:30], content_type=text, data=text.encode("utf-8", "replace"), content_id=page)]
    parsed = message_from_bytes(rebuild(headers, text, page, files))
    assert {name.lower() for name in parsed} <= {name.lower() for name, _ in headers} | {"mime-version", "content-type"}
    kinds = [part.get_content_type() for part in parsed.walk() if not part.is_multipart()]
    assert len(kinds) == 1 + max(1, bool(text) + bool(page))
    written = {part.get_content_type(): part.get_payload(decode=True) for part in parsed.walk() if not part.is_multipart()}
    if text:
        assert written["text/plain"] == text.encode("utf-8", "replace")


def test_thirty_megabytes_are_read_in_no_time() -> None:
    data = os.urandom(30 * 1024 * 1024)
    body = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.bin"\r\n\r\n' + data + b"\r\n--x--\r\n"
    began = datetime.now(timezone.utc)
    assert read_form("multipart/form-data; boundary=x", body)["a"].data == data
    assert datetime.now(timezone.utc) - began < timedelta(seconds=2)
