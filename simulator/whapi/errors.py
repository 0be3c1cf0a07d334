"""What Whapi answers when it refuses: the documented statuses and the shape of the error object."""

from __future__ import annotations

from typing import Any

from simulator.faults import Fault

SUPPORT = "https://support.whapi.cloud/help-desk"
_RATES = ("429", "613", "4", "17", "32", "80002", "80006")


class WhapiError(Exception):
    """A refusal: HTTP status, words, and what else there is to say."""

    def __init__(self, status: int, message: str, details: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.details = status, message, details
        # Not documented: only a fault that asks for it sends the header.
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def body(self) -> dict[str, Any]:
        """The documented error object."""
        error: dict[str, Any] = {"code": self.status, "message": self.message}
        if self.details:
            error["details"] = self.details
        return {"error": {**error, "href": "https://whapi.readme.io/reference", "support": SUPPORT}}


def wrong(details: str) -> WhapiError:
    """400: a parameter is missing or wrong."""
    return WhapiError(400, "Wrong request parameters", details)


def unauthorized() -> WhapiError:
    """401: no number is linked to the channel."""
    return WhapiError(401, "Need channel authorization for this action", "Scan the QR code")


def no_channel() -> WhapiError:
    """404: the documented answer to a wrong token."""
    return WhapiError(404, "Channel not found", "Check the token")


def not_found(what: str) -> WhapiError:
    """404: a message, contact or file of this id does not exist."""
    return WhapiError(404, f"Specified {what} not found")


def too_many(retry_after: int | None = None) -> WhapiError:
    """429."""
    return WhapiError(429, "Too many requests", retry_after=retry_after)


def of_fault(fault: Fault) -> WhapiError:
    """What a fault that Whapi itself reports comes to."""
    if fault.name in _RATES:
        return too_many(fault.retry_after)
    if fault.name in ("500", "503"):
        return WhapiError(int(fault.name), "Internal error", retry_after=fault.retry_after)
    known = {
        "190": no_channel(),
        "transient": WhapiError(500, "Internal error"),
        "blocked": WhapiError(403, "It is forbidden to send to this group/recipient"),
        "unknown_recipient": not_found("contact"),
    }
    if fault.name in known:
        return known[fault.name]
    status = fault.code if fault.code is not None and 400 <= fault.code < 600 else fault.status
    return WhapiError(status, fault.message, retry_after=fault.retry_after)
