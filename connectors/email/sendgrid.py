"""SendGrid's Inbound Parse: the whole mail (``send_raw``) or its fields, signed with the key of a security policy. Pure.

Source: Twilio's documentation, "Setting up the Inbound Parse webhook" and "Securing your Inbound Parse webhooks".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from connectors.email.envelope import Envelope
from connectors.email.form import Field
from connectors.email.posted import (
    Posted,
    Rejected,
    domain_of,
    file_of,
    form_of,
    headers_in,
    json_of,
    sender_domain,
    text_of,
    verdict,
)
from connectors.email.rebuild import File, rebuild, split_headers
from connectors.platform import Request

# SpamAssassin's own threshold.
SPAM_SCORE = 5.0
_DKIM_PASSED = re.compile(r"@([\w.-]+)\s*:\s*pass\b", re.IGNORECASE)


def read_key(text: str) -> EllipticCurvePublicKey:
    """The public key (base64 of DER). Raises ``ValueError``."""
    key = load_der_public_key(base64.b64decode(text, validate=True))
    if not isinstance(key, EllipticCurvePublicKey):
        raise ValueError("not an elliptic-curve key")
    return key


def read(request: Request, key: EllipticCurvePublicKey, now: datetime) -> Posted:
    """One posted mail, if SendGrid signed the call. Raises ``Rejected``."""
    _signed(request, key)
    fields = form_of(request, 400)
    if "email" in fields:
        raw = fields["email"].data
    elif "headers" in fields:
        charsets = json_of(fields, "charsets", dict)
        text, page = (text_of(fields, name, charsets.get(name)) for name in ("text", "html"))
        raw = rebuild(split_headers(text_of(fields, "headers")), text, page, _files(fields))
    else:
        raise Rejected(400, "no mail in it")
    envelope = json_of(fields, "envelope", dict)
    mail_from = envelope.get("from")
    recipients = envelope.get("to")
    signed = _DKIM_PASSED.findall(text_of(fields, "dkim"))
    spf = [domain_of(mail_from)] if isinstance(mail_from, str) and text_of(fields, "SPF").lower() == "pass" else []
    return Posted(
        raw=raw,
        envelope=Envelope(
            source="sendgrid",
            mail_from=mail_from if isinstance(mail_from, str) else None,
            rcpt_to=tuple(one for one in recipients if isinstance(one, str)) if isinstance(recipients, list) else (),
            received_at=now,
            verdict=verdict(sender_domain(headers_in(raw)), [*signed, *spf]),
            spam=_number(text_of(fields, "spam_score")) >= SPAM_SCORE,
        ),
    )


def _signed(request: Request, key: EllipticCurvePublicKey) -> None:
    # Named as those of the Event Webhook; Inbound Parse's documentation gives no others.
    given = request.headers.get("x-twilio-email-event-webhook-signature", "")
    timestamp = request.headers.get("x-twilio-email-event-webhook-timestamp", "")
    try:
        signature = base64.b64decode(given, validate=True)
        key.verify(signature, timestamp.encode("utf-8", "replace") + request.body, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        raise Rejected(401, "bad signature") from None


def _files(fields: Mapping[str, Field]) -> list[File]:
    info = json_of(fields, "attachment-info", dict)
    names = sorted((name for name in fields if re.fullmatch(r"attachment\d{1,4}", name)), key=lambda name: int(name[10:]))
    told = (info.get(name) if isinstance(info.get(name), dict) else {} for name in names)
    return [file_of(fields[name], str(one.get("content-id") or "")) for name, one in zip(names, told, strict=True)]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
