"""Postmark's inbound webhook: JSON, with the whole mail where "Include raw email content" is on. Pure.

Source: Postmark's documentation, "Inbound webhook".
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime

from connectors.email.charset import decode
from connectors.email.compose import mailbox
from connectors.email.envelope import Envelope, Trust
from connectors.email.mime import Headers
from connectors.email.posted import Posted, Rejected, above_received, headers_in, sender_domain, string_of, verdict
from connectors.email.rebuild import File, decode_base64, rebuild
from connectors.message import Json
from connectors.platform import Request

# Ends its tries; anything else is posted again ten times.
REFUSED = 403
_SPF_DOMAIN = re.compile(r"pass\s+\(([\w.-]+):", re.IGNORECASE)


def read(request: Request, token: str, now: datetime) -> Posted:
    """One posted mail, if the call carries our word. Raises ``Rejected``."""
    if not _knows(request.headers, token):
        raise Rejected(REFUSED, "wrong password")
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Rejected(400, "not JSON") from None
    if not isinstance(document, dict) or not ({"RawEmail", "Headers"} & set(document)):
        raise Rejected(400, "no inbound mail")
    headers = _headers(document)
    given = document.get("RawEmail")
    if isinstance(given, str) and given:
        raw = given.encode("utf-8", "replace")
    else:
        raw = rebuild(headers, string_of(document, "TextBody"), string_of(document, "HtmlBody"), _files(document))
    written = Headers(headers)
    # Between its two Received stand its findings; below the second one everything of the sender's.
    trusted = "inbound.postmarkapp.com" in written.first("received")
    findings = above_received(written, 2) if trusted else Headers([])
    recipients = [string_of(document, "OriginalRecipient"), string_of(document, "MailboxHash")]
    return Posted(
        raw=raw,
        envelope=Envelope(
            source="postmark",
            mail_from=written.first("return-path").strip("<> ") if "return-path" in written else None,
            rcpt_to=tuple(filter(None, recipients)),
            received_at=now,
            verdict=_verdict(sender_domain(headers_in(raw)), findings),
            spam=findings.first("x-spam-status").lower().startswith("yes"),
        ),
    )


def _knows(headers: Mapping[str, str], token: str) -> bool:
    """Whether the call carries our word: as password of basic authentication, or in a header of its own."""
    given = headers.get("x-postmark-token", "")
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        given = decode(decode_base64(encoded)).partition(":")[2]
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _headers(document: Mapping[str, Json]) -> list[tuple[str, str]]:
    """The headers of the mail: those that Postmark lists, and below them those that it took out of the list."""
    listed = document.get("Headers")
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    pairs = [(string_of(one, "Name"), string_of(one, "Value")) for one in found]
    there = {name.lower() for name, _ in pairs}
    sender = document.get("FromFull")
    named = mailbox(string_of(sender, "Name"), string_of(sender, "Email")) if isinstance(sender, dict) else ""
    own = {"From": named or string_of(document, "From"), "Reply-To": string_of(document, "ReplyTo")}
    own |= {name: string_of(document, name) for name in ("To", "Cc", "Subject", "Date")}
    return pairs + [(name, value) for name, value in own.items() if value and name.lower() not in there]


def _verdict(sender: str, findings: Headers) -> Trust:
    # SpamAssassin's word for a good signature of the From domain.
    signed = "DKIM_VALID_AU" in re.split(r"[\s,]+", findings.first("x-spam-tests"))
    found = _SPF_DOMAIN.match(findings.first("received-spf"))
    return verdict(sender, [sender] if signed else [found[1]] if found else [])


def _files(document: Mapping[str, Json]) -> list[File]:
    listed = document.get("Attachments")
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [
        File(
            name=string_of(one, "Name"),
            content_type=string_of(one, "ContentType"),
            # The example that its panel sends says Data.
            data=decode_base64(string_of(one, "Content") or string_of(one, "Data")),
            content_id=string_of(one, "ContentID").removeprefix("cid:"),
        )
        for one in found
    ]
