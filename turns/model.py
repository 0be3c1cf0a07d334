"""What travels between the database, the dialogue and the sender."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from connectors.message import Address, Json, Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One stored message of the customer that waits for its turn. ``issued``: its payload is one that we sent them."""

    id: int
    kind: str
    text: str | None = None
    payload: str | None = None
    title: str | None = None
    issued: bool = False
    attachments: tuple[Json, ...] = ()
    reply_to: str | None = None

    @staticmethod
    def from_json(row: Json) -> Received:
        """Read one of ``omnicrm_claim``'s inbound rows."""
        content = row["content"]
        return Received(
            id=row["id"], kind=row["kind"], text=row["text"], payload=content.get("payload"), title=content.get("title"),
            issued=bool(content.get("issued")), attachments=tuple(content.get("attachments") or ()),
            reply_to=content.get("reply_to"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """One conversation that this worker holds until its lease ends; ``token`` fences everything it changes.

    ``client``: {"name": str or None, "new": bool}.
    """

    thread: int
    token: int
    key: str
    address: Address
    inbound: tuple[Received, ...]
    dialogue: Json
    attempts: int
    opted_out: bool
    needs_profile: bool
    choices: tuple[Json, ...]
    client: dict[str, Json] = field(default_factory=dict)

    @staticmethod
    def from_json(row: Json) -> Claimed:
        """Read one item of ``omnicrm_claim``'s work."""
        return Claimed(
            thread=row["thread"], token=row["token"], key=row["key"],
            address=Address(channel=row["channel"], account=row["account"], user=row["user"], context=row["context"] or {}),
            inbound=tuple(Received.from_json(m) for m in row["inbound"]), dialogue=row["dialogue"], attempts=row["attempts"],
            opted_out=row["opted_out"], needs_profile=row["needs_profile"], choices=tuple(row["choices"] or ()),
            client=row["client"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnInput:
    """What the customer says in this turn, as Rasa gets it. ``text`` starts with ``/`` only where we decided so."""

    message_ids: tuple[int, ...]
    text: str
    metadata: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """What the dialogue decided. ``silent``: it was decided to say nothing, and why."""

    dialogue: Json
    replies: tuple[Outgoing, ...] = ()
    effects: tuple[dict[str, Any], ...] = ()
    silent: str | None = None


class Dialogue(Protocol):
    """What the worker needs of a dialogue; tests of the machinery bring their own."""

    async def run(self, work: Claimed, turn: TurnInput, channel_name: str) -> TurnResult:
        """Decide one turn. Sends nothing and writes nothing."""

    async def consent(self, turn: TurnInput) -> str | None:
        """What words that get no answer say about being written to: "out", "in", or None."""

    def stumbled(self, work: Claimed) -> TurnResult:
        """The honest answer when a turn cannot be decided: an apology, and a person."""
