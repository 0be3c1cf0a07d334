"""Graph's errors with their documented codes, and the control API's own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


class ControlError(Exception):
    """The control API was asked for something that makes no sense; the text says what to write instead."""


@dataclass(eq=False)
class GraphError(Exception):
    """What Graph answers when it refuses. The HTTP status is not documented for sends: 400 is the usual one."""

    message: str
    code: int
    subcode: int | None = None
    status: int = 400
    type: str = "OAuthException"
    transient: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, trace: str) -> dict[str, Any]:
        """The documented error object."""
        error: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient:
            error["is_transient"] = True
        return {"error": {**error, "fbtrace_id": trace}}


def invalid(message: str, subcode: int | None = None) -> GraphError:
    """100: a parameter is wrong."""
    return GraphError(f"(#100) {message}", 100, subcode)


def too_long(parameter: str, limit: int, unit: str = "") -> GraphError:
    """100: a parameter is longer than its limit."""
    return invalid(f"Length of param {parameter} must be less than or equal to {limit}{unit}")


def message_with_action() -> GraphError:
    """100/2018014: a sender action has to be a request of its own."""
    return invalid("Message and sender action can not be used together", 2018014)


def unknown_recipient(channel: str) -> GraphError:
    """100/2018001 on Messenger, 100/2534014 on Instagram."""
    if channel == "instagram":
        return invalid("The requested user cannot be found.", 2534014)
    return invalid("No matching user found", 2018001)


def window_closed(channel: str) -> GraphError:
    """10/2018278 on Messenger, 10/2534022 on Instagram."""
    subcode = 2534022 if channel == "instagram" else 2018278
    return GraphError("(#10) This message is sent outside of allowed window.", 10, subcode)


def not_thread_owner(channel: str) -> GraphError:
    """10/2018300 on Messenger, 100/2534037 on Instagram: another app holds the thread."""
    if channel == "instagram":
        return invalid("This app is not the thread owner for this Instagram conversation.", 2534037)
    return GraphError("(#10) Message failed to send because another app is controlling this thread now.", 10, 2018300)


def blocked() -> GraphError:
    """551: the person cannot receive messages."""
    return GraphError("(#551) This person isn't available right now.", 551, 1545041)


def bad_token(
    message: str = "Error validating access token: The session is invalid.", subcode: int | None = None
) -> GraphError:
    """190: the token is wrong, expired or revoked."""
    return GraphError(message, 190, subcode, status=401)


def no_token() -> GraphError:
    """2500: the documented answer to a call without a token."""
    return GraphError("An active access token must be used to query information about the current user.", 2500)


def unknown_path(path: str) -> GraphError:
    """2500: no such version, node or edge."""
    return GraphError(f"Unknown path components: /{path.lstrip('/')}", 2500)


def no_object(node: str) -> GraphError:
    """100/33: there is nothing of this id, or it is hidden."""
    return GraphError(
        f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing permissions, "
        "or does not support this operation",
        100,
        33,
        type="GraphMethodException",
    )


def usage_headers(account: str, channel: str, *, percent: int, minutes: int = 0) -> dict[str, str]:
    """The two usage headers: percent of the allowance, and minutes until calls are taken again."""
    kind = "instagram" if channel == "instagram" else "messenger"
    business = {
        "type": kind,
        "call_count": percent,
        "total_cputime": percent // 2,
        "total_time": percent // 2,
        "estimated_time_to_regain_access": minutes,
    }
    return {
        "X-App-Usage": json.dumps({"call_count": percent, "total_time": percent // 2, "total_cputime": percent // 2}),
        "X-Business-Use-Case-Usage": json.dumps({account: [business]}),
    }


def throttled(code: int, account: str, channel: str, *, subcode: int | None = None, minutes: int = 0) -> GraphError:
    """4, 17, 32, 613 or 800xx: too many calls, with the usage headers."""
    message = "Application request limit reached" if code == 4 else "Calls to this api have exceeded the rate limit."
    return GraphError(
        f"(#{code}) {message}", code, subcode, headers=usage_headers(account, channel, percent=100, minutes=minutes)
    )
