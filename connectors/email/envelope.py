"""What is known beside a mail's bytes: how it came, and which mailbox is ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Trust = Literal["verified", "unverified", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the receiver of a mail knows beside its bytes.

    ``mail_from``: the envelope's sender; "" is the null path of bounces, None unknown. ``rcpt_to``: the envelope's
    recipients; what a provider cut out of one (Postmark's MailboxHash) may stand here, too. ``verdict``: the provider's own
    on the From domain, where it gives one.
    """

    source: str
    folder: Literal["inbox", "sent"] = "inbox"
    mail_from: str | None = None
    rcpt_to: tuple[str, ...] = ()
    received_at: datetime | None = None
    verdict: Trust | None = None
    spam: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Our side. ``address`` is the mailbox, and the account of all its conversations.

    ``domain``: the right side of our Message-IDs. ``separator``: stands between local part and token. ``authserv_ids``:
    whose Authentication-Results we believe; "microsoft" stands for Microsoft 365, which writes none. ``secret`` signs
    tokens. What is older than ``stale`` gets no answer; of a mail above ``max_bytes`` only its beginning is read.
    """

    address: str
    aliases: tuple[str, ...] = ()
    domain: str
    separator: str = "+"
    authserv_ids: tuple[str, ...] = ()
    secret: bytes = field(repr=False)
    stale: timedelta
    max_bytes: int = 25 * 1024 * 1024

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError("without a secret anyone could sign reply tokens")
