"""A mailbox of ours, its customer Ana, and the mails that the tests of reading are made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from connectors.email.parse import Envelope, Ours, parse
from connectors.message import AnyEvent, Inbound

NOW = datetime(2026, 11, 22, 15, 20, tzinfo=timezone.utc)
SECRET = b"corpus-secret"
OURS = Ours(
    address="bot@acme.mx",
    aliases=("ventas@acme.mx",),
    domain="acme.mx",
    secret=SECRET,
    stale=timedelta(hours=6),
    authserv_ids=("mx.acme.mx",),
)
ANA = "ana@example.com"
RECEIVED = "Received: from mail-out.example.com by mx.acme.mx with ESMTPS; Sun, 22 Nov 2026 15:15:03 +0000"
VERIFIED = f"Authentication-Results: mx.acme.mx; dmarc=pass header.from={ANA.partition('@')[2]}"


def mail(
    *headers: str, body: str | bytes = "Hola", sender: str = f"Ana <{ANA}>", content: str = "text/plain; charset=utf-8",
    above: Sequence[str] = (RECEIVED, VERIFIED),
) -> bytes:
    """A mail of Ana's. ``above``: what servers put on top of it; ``headers``: what it brings along itself."""
    given = {header.partition(":")[0].lower() for header in headers}
    own = {
        "From": sender, "To": "ACME <bot@acme.mx>", "Subject": "Consulta", "Message-ID": "<a1@mail.example.com>",
        "Content-Type": content,
    }  # fmt: skip
    lines = [*above, *(f"{name}: {value}" for name, value in own.items() if name.lower() not in given), *headers]
    return "\n".join(lines).encode() + b"\n\n" + (body if isinstance(body, bytes) else body.encode())


def read(raw: bytes, *, ours: Ours = OURS, now: datetime = NOW, **envelope: Any) -> list[AnyEvent]:
    return parse(raw, Envelope(**{"source": "imap", **envelope}), ours, now)


def inbound(raw: bytes, **given: Any) -> Inbound:
    """The one event of a customer's mail."""
    [event] = read(raw, **given)
    assert isinstance(event, Inbound), event
    return event
