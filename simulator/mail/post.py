"""What the mail server knows: the mailbox, every mail that went through, and the threads as customers see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.config import Config, Json
from simulator.mail.folders import Mailbox
from simulator.mail.reading import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One mail that went through: ``in`` to the shop or ``out`` of it."""

    direction: str
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    letter: Letter


@dataclass(slots=True)
class Post:
    """The state of the mail server. The mailbox outlives a reset: clients are connected to it."""

    config: Config
    now: Callable[[], float]  # the world's clock
    mailbox: Mailbox = field(init=False)
    passed: list[Passed] = field(default_factory=list)
    letters: dict[str, Letter] = field(default_factory=dict)  # by Message-ID

    def __post_init__(self) -> None:
        self.mailbox = Mailbox(self.now)

    def forget(self) -> None:
        """Empty the mailbox and forget every mail."""
        self.mailbox.forget()
        self.passed.clear()
        self.letters.clear()

    def note(self, direction: str, sender: str, recipients: tuple[str, ...], raw: bytes, letter: Letter) -> None:
        """Remember a mail that went through."""
        self.passed.append(Passed(direction=direction, sender=sender, recipients=recipients, raw=raw, letter=letter))
        if letter.message_id:
            self.letters[letter.message_id] = letter

    def is_ours(self, address: str) -> bool:
        """Whether an address belongs to the shop: its own, or any other at its domain."""
        return address.lower().rpartition("@")[2] == self.config.mail_domain

    def as_json(self) -> list[dict[str, Json]]:
        """As ``GET /sim/mails`` lists them, oldest first."""
        return [
            {
                "n": number,
                "direction": one.direction,
                "envelope_from": one.sender,
                "envelope_to": list(one.recipients),
                **one.letter.as_json(),
                "size": len(one.raw),
            }
            for number, one in enumerate(self.passed)
        ]
