"""What the items of one webhook call share, and how their events are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from connectors.message import Address, Fact, Json, Unsupported
from connectors.values import as_moment, as_object, digest, make_key
from connectors.whapi.identity import Chat, read_chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Our side: the channel (the account), our number's canonical user ("" where it is not set), and what we answer.

    ``staff``: canonical users and groups that notices go to.
    """

    channel: str
    number: str = ""
    groups: Literal["off", "mentioned"] = "off"
    stale_seconds: float = 3600.0
    staff: frozenset[str] = frozenset()

    def is_us(self, value: Json) -> bool:
        """Whether an id names our own number, in any of its spellings."""
        chat = read_chat(value)
        return bool(self.number) and chat is not None and chat.user == self.number

    def talks_in(self, chat: Chat) -> bool:
        """Whether we hold conversations in such a chat at all."""
        return chat.kind == "person" or (chat.kind == "group" and self.groups == "mentioned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One webhook call. ``method``: the event's verb (post, put, patch, delete), empty where nothing tells it."""

    ours: Ours
    method: str
    now: datetime

    def key(self, kind: str, *parts: object) -> str:
        """The deduplication key. The kind is essential: one message id recurs as message, edit, unsend, status."""
        return make_key("whapi", self.ours.channel, kind, *parts)

    def moment(self, item: Json) -> datetime:
        """The item's own time, else that of arrival."""
        return as_moment(as_object(item).get("timestamp")) or self.now

    def address(self, chat: Chat | None, **context: Json) -> Address | None:
        """The customer's address, None where we talk to nobody. What is answered goes to the chat exactly as it came."""
        if chat is None or not self.ours.talks_in(chat):
            return None
        known = {name: value for name, value in context.items() if value is not None}
        return Address(channel="WA", account=self.ours.channel, user=chat.user, context={"chat_id": chat.id, **known})

    def fact(self, name: str, raw: Json, *, chat: Chat | None = None, occasion: str = "", **data: Json) -> Fact:
        """Something worth keeping. ``occasion`` makes its key; without one, the whole item does."""
        return Fact(
            key=self.key(name, occasion or digest(raw)),
            address=self.address(chat),
            timestamp=self.moment(raw),
            raw=raw,
            name=name,
            data={key: value for key, value in data.items() if value is not None},
        )

    def unsupported(self, raw: Any, reason: str, chat: Chat | None = None) -> Unsupported:
        """Something that we keep and do not understand."""
        return Unsupported(
            key=self.key("unsupported", digest(raw)),
            address=self.address(chat),
            timestamp=self.moment(raw),
            raw=raw,
            reason=reason[:200],
        )
