"""One customer's phone: what it shows, what can be tapped, and who is waiting to see more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from simulator.config import Channel, Json
from simulator.errors import ControlError

Author = Literal["customer", "bot", "agent"]
TYPING_SECONDS = 20.0  # typing_on goes out by itself after about 20 s


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something to tap. ``card`` counts from 1 inside a carousel.

    ``quick`` ones vanish with the next message, ``once`` ones when they are tapped. ``kind`` tells apart what one channel
    answers in several ways: on WhatsApp a button, a row of a list, an option of a poll.
    """

    title: str
    payload: str | None = None
    url: str | None = None
    quick: bool = False
    card: int | None = None
    once: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a message shows."""

    text: str | None = None
    subject: str | None = None
    choices: tuple[Choice, ...] = ()
    cards: tuple[dict[str, Json], ...] = ()
    attachments: tuple[dict[str, Json], ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Only what is there; ``buttons`` holds every title that can be tapped, ``quick_replies`` those that will vanish."""
        shown = {
            "subject": self.subject,
            "text": self.text,
            "buttons": [choice.title for choice in self.choices],
            "quick_replies": [choice.title for choice in self.choices if choice.quick],
            "links": [{"title": choice.title, "url": choice.url} for choice in self.choices if choice.url],
            "cards": list(self.cards),
            "attachments": list(self.attachments),
        }
        return {name: value for name, value in shown.items() if value or name in ("text", "buttons")}


@dataclass(slots=True, kw_only=True)
class Bubble:
    """One message in the chat."""

    mid: str
    author: Author
    time: int
    content: Content
    metadata: str | None = None
    edits: int = 0
    unsent: bool = False
    status: str | None = None  # how far WhatsApp says that the shop's message got
    tapped: set[str] = field(default_factory=set)
    reactions: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """As ``GET /sim/phone`` shows it."""
        shown: dict[str, Json] = {
            "from": "customer" if self.author == "customer" else "shop",
            "author": self.author,
            "mid": self.mid,
            "time": self.time,
            **self.content.as_json(),
        }
        if self.metadata is not None:
            shown["metadata"] = self.metadata
        if self.status is not None:
            shown["status"] = self.status
        if self.reactions:
            shown["reactions"] = self.reactions
        if self.unsent:
            shown["unsent"] = True
        if self.edits:
            shown["edits"] = self.edits
        return shown


@dataclass(slots=True, kw_only=True)
class Phone:
    """One customer on one channel, with the chat as this customer sees it."""

    channel: Channel
    user: str
    name: str | None = None
    username: str | None = None
    chat_id: str | None = None  # what WhatsApp calls the chat, where it is not <user>@s.whatsapp.net
    profile: dict[str, Json] = field(default_factory=dict)
    profile_error: str | None = None
    stranger: bool = True  # until the first message or other act between customer and shop
    blocked: bool = False
    gone: bool = False
    owner_app: str | None = None  # another app that holds the thread; None is ours
    last_action: int | None = None  # what opens the window, in Meta's milliseconds
    typing_until: float = 0.0
    seen: bool = False
    forgotten: bool = False  # by a reset: nothing will ever come again
    bubbles: list[Bubble] = field(default_factory=list)
    shop_messages: int = 0
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def show(self, bubble: Bubble) -> None:
        """Add a message; a message of the shop ends its typing, one of the customer is unread again."""
        self.bubbles.append(bubble)
        if bubble.author == "customer":
            self.seen = False
        else:
            self.shop_messages += 1
            self.typing_until = 0.0
        self.changed()

    def changed(self) -> None:
        """Wake everyone who waits for something new."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait_for_more_than(self, count: int, seconds: float) -> None:
        """Return when the shop has written more than ``count`` messages, or the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not self.forgotten and self.shop_messages <= count and (left := deadline - loop.time()) > 0:
            future: asyncio.Future[None] = loop.create_future()
            self._waiting.append(future)
            await asyncio.wait([future], timeout=left)

    def find(self, mid: str) -> Bubble | None:
        """The message of this id."""
        return next((bubble for bubble in reversed(self.bubbles) if bubble.mid == mid), None)

    def last(self, *authors: Author) -> Bubble | None:
        """The newest message of these authors that was not taken back."""
        return next((b for b in reversed(self.bubbles) if b.author in authors and not b.unsent), None)

    def choice(self, title: str, card: int | None = None) -> Choice:
        """What a tap on these words hits: the newest button, or a quick reply of the very last message.

        Raises ``ControlError`` when the phone shows nothing of that name.
        """
        return self.find_choice(title, card)[1]

    def find_choice(self, title: str, card: int | None = None) -> tuple[Bubble, Choice]:
        """The same, with the message that offers it."""
        for bubble, choice in self._choices():
            if choice.title == title and card in (None, choice.card):
                return bubble, choice
        shown = [choice.title for _, choice in self._choices()]
        raise ControlError(f"nothing called {title!r} can be tapped; the phone shows {shown}")

    def _choices(self) -> Iterator[tuple[Bubble, Choice]]:
        for bubble in reversed(self.bubbles):
            for choice in bubble.content.choices:
                spent = (choice.quick and bubble is not self.bubbles[-1]) or (choice.once and choice.title in bubble.tapped)
                if not bubble.unsent and not spent:
                    yield bubble, choice

    def as_json(self, now: float, last: int | None = None) -> dict[str, Json]:
        """As ``GET /sim/phone`` shows it: all messages, or the ``last`` ones."""
        return {
            "channel": self.channel,
            "user": self.user,
            "name": self.name,
            "messages": [bubble.as_json() for bubble in (self.bubbles if last is None else self.bubbles[-last:])],
            "shop_messages": self.shop_messages,
            "typing": now < self.typing_until,
            "seen": self.seen,
        }
