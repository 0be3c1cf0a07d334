"""The one table of the API: every address with its scope, its parameters, what it takes and what it answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote

from connectors.message import Json
from router.keys import Scope
from router.schemas import CHANNEL, ID, NUMBER, STAGES, STATES, text

PREFIX = "/api/v1"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One operation. ``name`` is its operationId and the name of its handler; ``scope`` None: no key is needed.

    ``path``: ``{conversation}``, ``{client}`` and so on stand for ids. ``query`` and ``takes`` are schemas; ``gives`` is the
    component of a success. ``problems``: what it may answer beside what every operation may.
    """

    method: str
    path: str
    name: str
    summary: str
    gives: str
    scope: Scope | None = "read"
    status: int = 200
    query: Mapping[str, Json] = field(default_factory=dict)
    takes: str | None = None
    takes_nothing_too: bool = False
    idempotent: bool = False
    problems: Sequence[str] = ()

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The names of the ids in the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a path below the prefix must match."""
        return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path))


# How each id in a path looks.
PLACES: Mapping[str, Json] = {
    "conversation": ID, "client": ID, "message": NUMBER, "proposal": NUMBER, "merge": NUMBER, "order": NUMBER,
}  # fmt: skip
IDEMPOTENCY_KEY = {
    "type": "string", "pattern": r"^[\x21-\x7e]{1,128}$",
    "description": "A word of yours for this message. The same word again sends nothing and gets the same answer.",
    "examples": ["order-1001-shipped"],
}  # fmt: skip

_LIMIT = {"type": "integer", "minimum": 1, "maximum": 100, "default": 50, "description": "How many at most."}
_CURSOR = text(400, description="The `next` of the page before.")
_PAGE: Mapping[str, Json] = {"limit": _LIMIT, "cursor": _CURSOR}
_TAG = text(50)
_SEND = ("not-found", "window-closed", "opted-out", "channel-not-running", "too-long", "key-reused", "conflict")


def _act(path: str, name: str, summary: str, gives: str, takes: str = "By", **more: Json) -> Route:
    nothing_too = takes in ("By", "TakeOver")
    settings = {"scope": "manage", "takes_nothing_too": nothing_too, "problems": ("not-found", "conflict"), **more}
    return Route(method="POST", path=path, name=name, summary=summary, gives=gives, takes=takes, **settings)


ROUTES: Sequence[Route] = (
    Route(method="GET", path="/openapi.json", name="openapi", summary="This document", gives="OpenApi", scope=None),
    # --- send
    Route(
        method="POST", path="/conversations/{conversation}/messages", name="send_to_conversation", scope="send", status=202,
        summary="Send a message to a conversation", takes="NewMessage", gives="Accepted", idempotent=True, problems=_SEND,
    ),
    Route(
        method="POST", path="/clients/{client}/messages", name="send_to_client", scope="send", status=202,
        summary="Send a message to a client on a channel", takes="NewMessageOnChannel", gives="Accepted", idempotent=True,
        problems=(*_SEND, "no-conversation"),
    ),
    # --- read
    Route(
        method="GET", path="/messages/{message}", name="message", summary="One message and its status", gives="Message",
        problems=["not-found"],
    ),
    Route(
        method="GET", path="/conversations", name="conversations", gives="ConversationPage",
        summary="Conversations, the one with the newest message first",
        query={
            "state": {"type": "string", "enum": STATES}, "channel": CHANNEL, "client": ID,
            "attention": {"type": "boolean", "description": "true: only those that somebody should look at."},
            "tag": _TAG, **_PAGE,
        },
    ),
    Route(
        method="GET", path="/conversations/{conversation}", name="conversation", summary="One conversation",
        gives="Conversation", problems=["not-found"],
    ),
    Route(
        method="GET", path="/conversations/{conversation}/messages", name="messages", gives="MessagePage",
        summary="A conversation's messages, newest first", query=_PAGE, problems=["not-found"],
    ),
    Route(
        method="GET", path="/clients", name="clients", gives="ClientSummaryPage", summary="Clients, in the order of their ids",
        query={
            "phone": text(40, description="With country code, or 10 digits for Mexico."),
            "email": text(254), "tag": _TAG, "stage": {"type": "string", "enum": STAGES},
            "q": text(100, description="How the name begins; without regard to capitals and accents."),
            **_PAGE,
        },
    ),
    Route(
        method="GET", path="/clients/{client}", name="client", summary="One client with all that is known", gives="Client",
        problems=["not-found"],
    ),
    Route(
        method="GET", path="/proposals", name="proposals", gives="ProposalPage", summary="Proposed merges, newest first",
        query={"status": {"type": "string", "enum": ["open", "accepted", "refused"]}, **_PAGE},
    ),
    Route(
        method="GET", path="/merges", name="merges", gives="MergePage", summary="Merges, newest first",
        query={"client": ID, **_PAGE},
    ),
    Route(
        method="GET", path="/orders", name="orders", gives="OrderPage", summary="Orders, newest first",
        query={
            "status": {"type": "string", "enum": ["requested", "confirmed", "cancelled"]}, "client": ID, "conversation": ID,
            **_PAGE,
        },
    ),
    # --- act
    _act("/conversations/{conversation}/takeover", "take_over", "Take a conversation over: the bot goes quiet",
         "Conversation", "TakeOver"),
    _act("/conversations/{conversation}/handback", "hand_back", "Give a conversation back to the bot", "Conversation"),
    _act("/conversations/{conversation}/close", "close", "Close a conversation", "Conversation"),
    _act("/clients/{client}/tags", "tag", "Add and remove a client's tags", "Client", "Tags"),
    _act("/clients/{client}/stage", "set_stage", "Make a client a customer, or a lead again", "Client", "StageChange"),
    Route(
        method="PATCH", path="/clients/{client}", name="edit_client", scope="manage", takes="ClientEdit", gives="Client",
        summary="Change a client's name, phone or email", problems=("not-found", "conflict"),
    ),
    _act("/proposals/{proposal}/accept", "accept_proposal", "Join the two clients of a proposal", "Proposal"),
    _act("/proposals/{proposal}/refuse", "refuse_proposal", "Keep the two clients of a proposal apart", "Proposal"),
    _act("/merges", "merge", "Join two clients", "Merge", "MergeOrder", status=201),
    _act("/merges/{merge}/undo", "unmerge", "Take a merge back", "Merge"),
    _act("/orders/{order}/confirm", "confirm_order", "Confirm an order", "Order"),
    _act("/orders/{order}/cancel", "cancel_order", "Cancel an order", "Order"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """The routes of a path by method, and the ids in it; no routes: there is nothing there."""

    routes: Mapping[str, Route]
    ids: Mapping[str, str]

    @property
    def allowed(self) -> str:
        """The header ``Allow``. Whatever can be got has a head."""
        return ", ".join(sorted({*self.routes, *(["HEAD"] if "GET" in self.routes else [])}))


def find(path: str) -> Found:
    """Look up a raw path below the prefix. An id that cannot be one leads nowhere."""
    routes: dict[str, Route] = {}
    ids: dict[str, str] = {}
    for route in ROUTES:
        match = route.pattern.fullmatch(path)
        if match:
            found = {name: unquote(given, errors="replace") for name, given in match.groupdict().items()}
            if all(re.fullmatch(PLACES[name]["pattern"].strip("^$"), given) for name, given in found.items()):
                routes[route.method], ids = route, found
    return Found(routes, ids)
