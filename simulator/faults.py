"""Faults on request: what goes wrong, where, how many times, for whom."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.config import CHANNELS, META_CHANNELS, Channel, Config, Json, channel_of, seconds
from simulator.errors import (
    ControlError,
    GraphError,
    bad_token,
    blocked,
    not_thread_owner,
    throttled,
    unknown_recipient,
    window_closed,
)

# What a fault can strike: calls of Graph and Whapi, stages of SMTP, commands of IMAP. `send` is a message in all of them.
HTTP_WHERE = ("send", "sender_action", "profile", "attachment", "debug_token", "subscribed_apps", "settings", "health", "other")
SMTP_WHERE = ("smtp_connect", "smtp_auth", "smtp_mail", "smtp_rcpt")
IMAP_WHERE = (
    "imap_connect",
    "imap_login",
    "imap_select",
    "imap_search",
    "imap_fetch",
    "imap_store",
    "imap_append",
    "imap_idle",
    "imap_other",
)
WHERE: tuple[str, ...] = (*HTTP_WHERE, *SMTP_WHERE, *IMAP_WHERE, "any")

# Nothing happens, and the caller is told so, or told nothing.
REFUSING = (
    "timeout_before_accept",
    "reset_before_accept",
    "500",
    "502",
    "503",
    "429",
    "190",
    "613",
    "4",
    "17",
    "32",
    "80002",
    "80006",
    "transient",
    "window",
    "blocked",
    "unknown_recipient",
    "thread_owner",
    "error",
)
# The call is carried out, and the caller learns of it late, wrongly or never.
ACCEPTING = ("timeout_after_accept", "reset", "slow", "garbage", "no_message_id", "1357046")
# How the fault behaves when no time is given: a caller gives up long before a minute, and notices two seconds.
DEFAULT_SECONDS = {"timeout_before_accept": 60.0, "timeout_after_accept": 60.0, "slow": 2.0}
# What only some platforms know.
_ONLY_ON: dict[str, tuple[Channel, ...]] = {
    **dict.fromkeys(("window", "thread_owner", "1357046"), META_CHANNELS),
    **dict.fromkeys(("garbage", "no_message_id"), (*META_CHANNELS, "whatsapp")),
}
_ALIASES = {
    "timeout": "timeout_before_accept",
    "reset_after_accept": "reset",
    "1/1357046": "1357046",
    "rate": "613",
    "token": "190",
}


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault; ``times`` counts down, and ``skip`` calls pass before it starts."""

    id: int
    name: str
    where: str = "send"
    times: int = 1
    skip: int = 0
    user: str | None = None
    channel: Channel | None = None
    seconds: float = 0.0
    code: int | None = None
    subcode: int | None = None
    status: int = 400
    message: str = "(simulated)"
    minutes: int = 0
    retry_after: int | None = None  # the header, in seconds
    hits: int = 0

    @property
    def accepts(self) -> bool:
        """Whether the call is carried out all the same."""
        return self.name in ACCEPTING

    def matches(self, where: str, user: str | None, channel: Channel | None) -> bool:
        """Whether this call is meant."""
        if channel is not None and channel not in _ONLY_ON.get(self.name, CHANNELS):
            return False
        return self.times > 0 and self.where in (where, "any") and self.user in (None, user) and self.channel in (None, channel)

    def error(self, config: Config, channel: Channel | None) -> GraphError:
        """What Graph answers for a refusing fault that answers in JSON."""
        on = channel or "messenger"
        if self.name in ("613", "4", "17", "32", "80002", "80006"):
            return throttled(int(self.name), config.account(on), on, subcode=self.subcode, minutes=self.minutes)
        if self.name == "429":
            refusal = throttled(4, config.account(on), on, minutes=self.minutes)
            refusal.status = 429
            return refusal
        if self.name in ("500", "503"):
            return GraphError(
                "An unexpected error has occurred. Please retry your request later.", 2, status=int(self.name), transient=True
            )
        if self.name == "190":
            return bad_token("Error validating access token: Session has expired.", self.subcode or 463)
        known = {
            "transient": GraphError("Service temporarily unavailable", 2, 1545133, transient=True),
            "window": window_closed(on),
            "blocked": blocked(),
            "unknown_recipient": unknown_recipient(on),
            "thread_owner": not_thread_owner(on),
            "1357046": GraphError("Received invalid JSON reply", 1, 1357046, status=500),
        }
        if self.name in known:
            return known[self.name]
        return GraphError(self.message, self.code or 1, self.subcode, status=self.status)

    def as_json(self) -> dict[str, Json]:
        """As ``GET /sim/faults`` lists it."""
        return {
            "id": self.id,
            "fault": self.name,
            "where": self.where,
            "times": self.times,
            "skip": self.skip,
            "user": self.user,
            "channel": self.channel,
            "seconds": self.seconds,
            "hits": self.hits,
        }


@dataclass(slots=True)
class Faults:
    """The faults that are set; the oldest that matches a call strikes."""

    active: list[Fault] = field(default_factory=list)
    count: int = 0

    def set(self, request: dict[str, Json]) -> Fault:
        """Add a fault as ``POST /sim/faults`` describes it. Raises ``ControlError``."""
        self.count += 1
        fault = _fault(self.count, request)
        self.active.append(fault)
        return fault

    def clear(self) -> None:
        """Take all faults away."""
        self.active.clear()

    def take(self, where: str, user: str | None, channel: Channel | None) -> Fault | None:
        """The fault that strikes this call, counted down."""
        for fault in self.active:
            if not fault.matches(where, user, channel):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            fault.hits += 1
            return fault
        return None

    @staticmethod
    def give_back(fault: Fault) -> None:
        """Undo ``take``: the call was refused for a reason of its own."""
        fault.times += 1
        fault.hits -= 1


_KEYS = {
    "fault",
    "where",
    "times",
    "skip",
    "user",
    "channel",
    "seconds",
    "code",
    "subcode",
    "status",
    "message",
    "minutes",
    "retry_after",
}


def _fault(number: int, request: dict[str, Json]) -> Fault:
    unknown = set(request) - _KEYS
    if unknown:
        raise ControlError(f"unknown keys {sorted(unknown)}; a fault has {sorted(_KEYS)}")
    name = str(request.get("fault"))
    name = _ALIASES.get(name, name)
    if name not in REFUSING + ACCEPTING:
        raise ControlError(f"fault must be one of {', '.join(REFUSING + ACCEPTING)}")
    where = request.get("where", "send")
    if where not in WHERE:
        raise ControlError(f"where must be one of {', '.join(WHERE)}")
    if name in ("no_message_id", "1357046") and where != "send":
        raise ControlError(f"{name} can only happen to a send")
    channel = None if request.get("channel") is None else channel_of(request["channel"])
    if channel is not None and channel not in _ONLY_ON.get(name, CHANNELS):
        raise ControlError(f"{name} does not exist on {channel}")
    if name == "error" and not isinstance(request.get("code"), int):
        raise ControlError("fault 'error' needs a code, and may have subcode, status and message")
    return Fault(
        id=number,
        name=name,
        where=where,
        times=_count(request, "times", 1, 1),
        skip=_count(request, "skip", 0, 0),
        user=None if request.get("user") is None else str(request["user"]),
        channel=channel,
        seconds=seconds("seconds", request.get("seconds", DEFAULT_SECONDS.get(name, 0.0))),
        code=request.get("code"),
        subcode=_optional_count(request, "subcode"),
        status=_count(request, "status", 400, 200),
        message=str(request.get("message", "(simulated)")),
        minutes=_count(request, "minutes", 0, 0),
        retry_after=_optional_count(request, "retry_after"),
    )


def _count(request: dict[str, Json], name: str, default: int, least: int) -> int:
    value = request.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ControlError(f"{name} must be a whole number, {least} or more")
    return value


def _optional_count(request: dict[str, Json], name: str) -> int | None:
    return None if request.get(name) is None else _count(request, name, 0, 0)
