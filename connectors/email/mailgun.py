"""Mailgun's routes: ``forward()`` to an address that ends in ``mime`` posts the whole mail, to another one its fields. Pure.

Source: Mailgun's documentation, "Receive, forward and store messages".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from connectors.email.envelope import Envelope, Trust
from connectors.email.form import Field
from connectors.email.mime import Headers
from connectors.email.posted import (
    Posted,
    Rejected,
    above_received,
    domain_of,
    file_of,
    form_of,
    headers_in,
    json_of,
    sender_domain,
    text_of,
    verdict,
)
from connectors.email.rebuild import File, rebuild
from connectors.message import Json
from connectors.platform import Request

# Ends its tries; anything else is posted again for eight hours.
REFUSED = 406
# Whether it signs anew each time is not documented. A mail that is posted again is known.
MAX_AGE = timedelta(hours=24)
_DKIM_DOMAIN = re.compile(r"(?:^|;)\s*d\s*=\s*([\w.-]+)\s*(?:;|$)")


def read(request: Request, key: str, now: datetime) -> Posted:
    """One posted mail, if Mailgun signed the call. Raises ``Rejected``."""
    fields = form_of(request, REFUSED)
    received_at = _signed(fields, key, now)
    if "body-mime" in fields:
        raw = fields["body-mime"].data
    else:
        listed = [(str(pair[0]), str(pair[1])) for pair in json_of(fields, "message-headers", list) if _is_pair(pair)]
        if not listed:
            raise Rejected(REFUSED, "no mail in it")
        raw = rebuild(listed, text_of(fields, "body-plain"), text_of(fields, "body-html"), _files(fields))
    headers = headers_in(raw)
    # Mailgun writes its findings above its own Received, and everything of the sender's stands below.
    findings = above_received(headers, 1)
    return Posted(
        raw=raw,
        envelope=Envelope(
            source="mailgun",
            mail_from=text_of(fields, "sender") if "sender" in fields else None,
            rcpt_to=tuple(filter(None, text_of(fields, "recipient").replace(" ", "").split(","))),
            received_at=received_at,
            verdict=_verdict(headers, findings, domain_of(text_of(fields, "sender"))),
            spam=findings.first("x-mailgun-sflag").lower() == "yes",
        ),
    )


def _signed(fields: Mapping[str, Field], key: str, now: datetime) -> datetime:
    """When Mailgun signed the call; the signature covers timestamp and token alone."""
    timestamp, token, signature = (text_of(fields, name) for name in ("timestamp", "token", "signature"))
    expected = hmac.new(key.encode(), (timestamp + token).encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode("utf-8", "replace")):
        raise Rejected(REFUSED, "bad signature")
    try:
        signed_at = datetime.fromtimestamp(int(timestamp), timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise Rejected(REFUSED, "no timestamp") from None
    if abs(now - signed_at) > MAX_AGE:
        raise Rejected(REFUSED, "too old")
    return signed_at


def _verdict(headers: Headers, findings: Headers, mail_from: str) -> Trust:
    sender = sender_domain(headers)
    signatures = headers.all("dkim-signature")
    # It does not say which signature is good: with two, one may be the good one of a stranger.
    signed = findings.first("x-mailgun-dkim-check-result").lower() == "pass" and len(signatures) == 1
    found = _DKIM_DOMAIN.search(signatures[0]) if signed else None
    domains = [found[1]] if found else []
    if findings.first("x-mailgun-spf").lower() == "pass":
        domains.append(mail_from)
    return verdict(sender, domains)


def _files(fields: Mapping[str, Field]) -> list[File]:
    shown = {str(name): str(cid) for cid, name in json_of(fields, "content-id-map", dict).items()}
    names = sorted((name for name in fields if re.fullmatch(r"attachment-\d{1,4}", name)), key=lambda name: int(name[11:]))
    return [file_of(fields[name], shown.get(name, "")) for name in names]


def _is_pair(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2
