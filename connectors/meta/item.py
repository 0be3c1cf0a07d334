"""One item of a webhook, with what its envelope tells about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connectors.message import Address, Json, Unsupported
from connectors.values import as_id, as_object, digest, make_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Our side: the ids by which Meta's webhooks name us, empty where we have none."""

    instagram: str = ""
    page: str = ""
    app: str = ""

    def account(self, webhook_object: str) -> str:
        """Our id in webhooks of this ``object``."""
        return {"instagram": self.instagram, "page": self.page}.get(webhook_object, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item: who (``address`` None where no customer is named), when, and on which side of the conversation.

    ``stamp``: the item's own time in milliseconds, where it has one; keys use it and never the time of arrival.
    """

    ours: Ours
    webhook_object: str
    account: str
    address: Address | None
    from_us: bool
    to_us: bool
    moment: datetime
    stamp: int | None
    standby: bool
    value: dict[str, Json]
    raw: Json

    @property
    def sender(self) -> str:
        """The sender as text, for keys."""
        sender = as_object(self.value.get("sender"))
        return as_id(sender.get("id")) or as_id(sender.get("user_ref")) or "-"

    def key(self, kind: str, *parts: object) -> str:
        """The deduplication key. The kind is essential: one message id recurs as message, edit, unsend, reaction, receipt."""
        return make_key(self.webhook_object, self.account, kind, *parts)

    def occasion(self, kind: str, value: Json) -> str:
        """The key of an event that has no id of its own."""
        recipient = as_id(as_object(self.value.get("recipient")).get("id")) or "-"
        return self.key(kind, self.sender, recipient, self.stamp or "-", digest(value))

    def unsupported(self, reason: str) -> Unsupported:
        """This item as something that we keep and do not understand."""
        key = self.key("unsupported", digest(self.raw))
        return Unsupported(key=key, address=self.address, timestamp=self.moment, raw=self.raw, reason=reason)
