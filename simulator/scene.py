"""What all channels' acts have in common: who acts, when, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from simulator.config import Json
from simulator.errors import ControlError
from simulator.phone import Bubble, Phone
from simulator.state import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing to tell the bot, in the shape that its channel packs, and the message that it is about."""

    phone: Phone
    item: Any
    mid: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Who acts, when (milliseconds), and with which extra details (``reply_to``, ``extra``, ``title``…)."""

    world: World
    phone: Phone
    time: int
    details: dict[str, Json]

    @property
    def chat(self) -> Phone:
        """The chat in which it happens."""
        return self.phone

    @property
    def extra(self) -> dict[str, Json]:
        """What shall be merged into the message. Raises ``ControlError``."""
        extra = self.details.get("extra", {})
        if not isinstance(extra, dict):
            raise ControlError("extra must be an object: it is merged into the message")
        return extra

    @property
    def card(self) -> int | None:
        """The card that a tap means. Raises ``ControlError``."""
        card = self.details.get("card")
        if card is not None and not isinstance(card, int):
            raise ControlError("card must be a number, counted from 1")
        return card

    def target(self, given: Json, *authors: str) -> Bubble:
        """The message meant by a mid, by ``{"mid": …}``, or the newest of these authors. Raises ``ControlError``."""
        mid = given if isinstance(given, str) else given.get("mid") if isinstance(given, dict) else None
        if mid is not None:
            found = self.phone.find(str(mid))
        else:
            found = next((b for b in reversed(self.phone.bubbles) if b.author in authors and not b.unsent), None)
        if found is None:
            raise ControlError("the phone shows no such message")
        return found


Act: TypeAlias = Callable[[Any, Json], list[Happening]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What customers of a channel can do: its acts, and the details that may stand beside one."""

    scene: type[Scene]
    acts: Mapping[str, Act]
    details: tuple[str, ...]
