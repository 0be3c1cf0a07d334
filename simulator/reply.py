"""What a caller of a simulated HTTP API gets, and how faults of the network spoil it."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.config import Json
from simulator.faults import Fault

HTML = b"<!DOCTYPE html><html><body>Sorry, something went wrong.</body></html>"


@dataclass(slots=True, kw_only=True)
class Reply:
    """What the caller gets. ``wait`` seconds pass first; with ``cut`` the connection is then reset instead."""

    status: int = 200
    body: Json = None
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    cut: bool = False


def refused_below(fault: Fault) -> Reply | None:
    """The reply to a fault that strikes before the API itself is reached, if it is one."""
    if fault.name in ("timeout_before_accept", "reset_before_accept"):
        return Reply(wait=fault.seconds, cut=True)
    if fault.name == "502":  # a gateway in front of the API, with nothing to parse
        return Reply(status=502, raw=HTML, headers={"content-type": "text/html"}, wait=fault.seconds)
    return None


def spoilt(reply: Reply, fault: Fault) -> Reply:
    """The reply to a call that was carried out, as the fault lets it through."""
    if fault.name == "garbage":
        return Reply(raw=HTML, headers={"content-type": "text/html"}, wait=fault.seconds)
    reply.wait = fault.seconds
    reply.cut = fault.name in ("timeout_after_accept", "reset")
    return reply
