"""Inbound webhooks of Mailgun, SendGrid and Postmark: the forms, signed as each provider signs.

Mailgun routes and their signature: documentation.mailgun.com, "Receiving, forwarding and storing messages". SendGrid
Inbound Parse and its security policy: docs.sendgrid.com; the names of its signature headers are documented for the Event
Webhook alone. Postmark: postmarkapp.com/developer/webhooks/inbound-webhook.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, urlencode

from simulator.config import Config, Json
from simulator.mail.reading import Letter, decoded_text, is_attachment, parts, read
from simulator.webhooks import Door

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_WORDS = {"pass": "Pass", "fail": "Fail", "none": "Neutral", "missing": "Neutral"}
Field: TypeAlias = "tuple[str, bytes, str | None, str | None]"  # name, content, file name, type


@dataclass(frozen=True, slots=True)
class Form:
    """Body and headers of one POST."""

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Mail:
    raw: bytes
    message: Message
    letter: Letter
    sender: str
    recipient: str
    verdict: str
    now: float

    @property
    def files(self) -> list[Message]:
        return [part for part in parts(self.message) if is_attachment(part)]

    def text(self, kind: str) -> str:
        return self.letter.text if kind == "text/plain" else self.letter.html


def form(route: str, config: Config, raw: bytes, sender: str, recipient: str, verdict: str, now: float) -> Form:
    """The POST by which a provider hands this mail over."""
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    mail = _Mail(raw, message, read(raw, now), sender, recipient, verdict, now)
    provider, _, variant = route.partition("_")
    if provider == "mailgun":
        return _mailgun(mail, config.mailgun_key, mime=variant == "mime")
    if provider == "sendgrid":
        return _sendgrid(mail, raw_mode=variant == "raw")
    return _postmark(mail, with_raw=variant == "raw")


def door(config: Config, route: str) -> Door:
    """Where a provider posts, and which answers end its repeating: Mailgun's 406 and Postmark's 403 mean "never again"."""
    provider = route.partition("_")[0]
    url = config.mail_webhook.replace("{provider}", provider)
    if route == "mailgun_mime" and not url.endswith("mime"):
        url = url.rstrip("/") + "/mime"
    refused = {"mailgun": 406, "postmark": 403}.get(provider)
    taken = {"mailgun": (200,), "postmark": (200,)}.get(provider, range(200, 300))
    if provider == "postmark" and "@" not in url:
        url = url.replace("://", f"://postmark:{quote(config.postmark_token, safe='')}@", 1)
    return Door(url=lambda: url, taken=lambda status: status in taken, final=lambda status: status == refused)


# --- Mailgun ---------------------------------------------------------------------------------------------------------------


def mailgun_signature(key: str, timestamp: str, token: str) -> str:
    """HMAC-SHA256 over timestamp and token, in hex."""
    return hmac.new(key.encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()


def _mailgun(mail: _Mail, key: str, *, mime: bool) -> Form:
    timestamp, token = str(int(mail.now)), secrets.token_hex(25)
    letter, word = mail.letter, _WORDS[mail.verdict]
    headers = [
        ["X-Mailgun-Incoming", "Yes"],
        ["X-Mailgun-Dkim-Check-Result", word],
        ["X-Mailgun-Spf", word],
        ["X-Mailgun-Sflag", "No"],
        ["X-Mailgun-Sscore", "0.1"],
        *([name, value] for name, value in letter.headers),
    ]
    values = {
        "timestamp": timestamp,
        "token": token,
        "signature": mailgun_signature(key, timestamp, token),
        "recipient": mail.recipient,
        "sender": mail.sender,
        "from": _sender(mail),
        "subject": letter.subject,
        "Message-Id": letter.message_id,
        "message-headers": json.dumps(headers),
    }
    if mime:
        return _multipart([*_text_fields(values), ("body-mime", mail.raw, None, None)])
    plain, html = mail.text("text/plain"), mail.text("text/html")
    values.update({"body-plain": plain, "stripped-text": _before_quote(plain), "stripped-signature": ""})
    if html:
        values.update({"body-html": html, "stripped-html": html})
    if not mail.files:
        content_type = "application/x-www-form-urlencoded"
        return Form(urlencode(values).encode(), {"Content-Type": content_type, "User-Agent": "Go-http-client/2.0"})
    values["attachment-count"] = str(len(mail.files))
    named = [(f"attachment-{number}", part) for number, part in enumerate(mail.files, 1)]
    cids = {str(part["Content-ID"]): name for name, part in named if part["Content-ID"]}
    if cids:
        values["content-id-map"] = json.dumps(cids)
    return _multipart([*_text_fields(values), *(_file_field(name, part) for name, part in named)])


def _before_quote(text: str) -> str:
    """As weak for Spanish as the real one: it only knows quote marks."""
    lines = text.split("\n")
    quoted = next((number for number, line in enumerate(lines) if line.startswith(">")), len(lines))
    return "\n".join(lines[:quoted]).strip()


# --- SendGrid --------------------------------------------------------------------------------------------------------------


def sendgrid_key() -> EllipticCurvePrivateKey:
    """The key that signs: always the same, so that a bot can be configured before the simulator starts."""
    from cryptography.hazmat.primitives.asymmetric import ec

    number = int.from_bytes(hashlib.sha256(b"the simulator's key for Inbound Parse").digest(), "big")
    return ec.derive_private_key(number >> 1, ec.SECP256R1())


def sendgrid_public_key() -> str:
    """Its public part as SendGrid shows it: base64 of the DER form."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = sendgrid_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def _sendgrid(mail: _Mail, *, raw_mode: bool) -> Form:
    domain = mail.letter.from_address.rpartition("@")[2]
    values = {
        "from": _sender(mail),
        "to": ", ".join(mail.letter.to),
        "subject": mail.letter.subject,
        "sender_ip": "198.51.100.7",
        "envelope": json.dumps({"to": [mail.recipient], "from": mail.sender}),
        "SPF": {"missing": "none"}.get(mail.verdict, mail.verdict),
        "dkim": "{" + f"@{domain} : {'pass' if mail.verdict == 'pass' else 'none'}" + "}",  # not JSON
        "spam_score": "0.1",
    }
    if raw_mode:
        charsets = dict.fromkeys(("to", "from", "subject"), "UTF-8")
        fields = [*_text_fields({**values, "charsets": json.dumps(charsets)}), ("email", mail.raw, None, None)]
    else:
        fields = _parsed_fields(mail, values)
    made = _multipart(fields)
    return Form(made.body, {**made.headers, **_sendgrid_signature(made.body, str(int(mail.now)))})


def _parsed_fields(mail: _Mail, values: dict[str, str]) -> list[Field]:
    """Text and HTML go out in their own charset: ``charsets`` names it."""
    charsets = dict.fromkeys(("to", "from", "subject"), "UTF-8")
    bodies: list[Field] = []
    for name, kind in (("text", "text/plain"), ("html", "text/html")):
        found = [part for part in parts(mail.message) if part.get_content_type() == kind and not is_attachment(part)]
        if found:
            text = "\n".join(decoded_text(part) for part in found)
            charsets[name], content = _encoded(text, found[0].get_content_charset() or "us-ascii")
            bodies.append((name, content, None, None))
    named = [(f"attachment{number}", part) for number, part in enumerate(mail.files, 1)]
    values["attachments"] = str(len(named))
    if named:
        values["attachment-info"] = json.dumps({name: _info(part) for name, part in named})
    head = mail.raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace")
    values.update(headers=head + "\n", charsets=json.dumps(charsets))
    return [*_text_fields(values), *bodies, *(_file_field(name, part) for name, part in named)]


def _encoded(text: str, charset: str) -> tuple[str, bytes]:
    try:
        return charset, text.encode(charset, "replace")
    except LookupError:
        return "UTF-8", text.encode("utf-8", "replace")


def _info(part: Message) -> dict[str, str]:
    name = part.get_filename() or ""
    info = {"filename": name, "name": name, "type": part.get_content_type()}
    return {**info, "content-id": str(part["Content-ID"]).strip("<>")} if part["Content-ID"] else info


def _sendgrid_signature(body: bytes, timestamp: str) -> dict[str, str]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    signature = sendgrid_key().sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }


# --- Postmark --------------------------------------------------------------------------------------------------------------


def _postmark(mail: _Mail, *, with_raw: bool) -> Form:
    letter = mail.letter
    word = _WORDS[mail.verdict]
    document: dict[str, Json] = {
        "MessageStream": "inbound",
        "From": letter.from_address,
        "FromName": letter.from_name,
        "FromFull": _person(letter.from_name, letter.from_address),
        "To": ", ".join(letter.to),
        "ToFull": [_person("", address) for address in letter.to],
        "CcFull": [],
        "BccFull": [],
        "OriginalRecipient": mail.recipient,
        "MailboxHash": _hash_of(mail.recipient),
        "ReplyTo": letter.reply_to,
        "Subject": letter.subject,
        "MessageID": _postmark_id(letter.message_id),
        "Date": dict(letter.headers).get("Date", ""),
        "TextBody": letter.text,
        "HtmlBody": letter.html,
        "StrippedTextReply": _before_quote(letter.text),
        "Headers": [
            {"Name": "Return-Path", "Value": f"<{mail.sender}>"},
            {"Name": "X-Spam-Status", "Value": "No"},
            {"Name": "Received-SPF", "Value": f"{word} (sender SPF)"},
            *({"Name": name, "Value": value} for name, value in letter.headers if name != "Return-Path"),
        ],
        "Attachments": [_postmark_file(part) for part in mail.files],
    }
    if with_raw:
        document["RawEmail"] = mail.raw.decode("utf-8", "replace")
    headers = {"Content-Type": "application/json", "User-Agent": "Postmark"}
    return Form(json.dumps(document).encode(), headers)


def _postmark_id(message_id: str) -> str:
    """Postmark's own id, which is not the mail's."""
    digits = hashlib.sha256(message_id.encode("utf-8", "replace")).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _person(name: str, address: str) -> dict[str, str]:
    return {"Email": address, "Name": name, "MailboxHash": _hash_of(address)}


def _hash_of(address: str) -> str:
    return address.partition("@")[0].partition("+")[2]


def _postmark_file(part: Message) -> dict[str, Json]:
    content = _bytes(part)
    return {
        "Name": part.get_filename() or "",
        "Content": base64.b64encode(content).decode(),
        "ContentType": part.get_content_type(),
        "ContentLength": len(content),
        "ContentID": str(part["Content-ID"] or "").strip("<>"),
    }


# --- forms -----------------------------------------------------------------------------------------------------------------


def _sender(mail: _Mail) -> str:
    letter = mail.letter
    return f"{letter.from_name} <{letter.from_address}>" if letter.from_name else letter.from_address


def _bytes(part: Message) -> bytes:
    if part.get_content_type() == "message/rfc822":
        return b"".join(inner.as_bytes() for inner in part.get_payload() if isinstance(inner, Message))
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text_fields(values: dict[str, str]) -> list[Field]:
    return [(name, value.encode("utf-8", "replace"), None, None) for name, value in values.items()]


def _file_field(name: str, part: Message) -> Field:
    return name, _bytes(part), part.get_filename() or name, part.get_content_type()


def _multipart(fields: Sequence[Field]) -> Form:
    boundary = f"xYzZY{secrets.token_hex(12)}"
    body = b""
    for name, content, file_name, content_type in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if file_name is not None:
            escaped = file_name.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "")
            head += f'; filename="{escaped}"\r\nContent-Type: {content_type}'
        body += head.encode() + b"\r\n\r\n" + content + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return Form(body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
