"""What can go wrong, as RFC 9457 problems: one table of kinds, each with a type that never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.message import Json

MEDIA_TYPE = "application/problem+json"
# A tag (RFC 4151): a name that is ours for ever, and that nobody is invited to fetch. RFC 9457, 3.1.1 asks for one of the two.
TYPE_PREFIX = "tag:extractoseum.com,2026:omnicrm/problem/"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its HTTP status, its title, and what a caller does about it."""

    status: int
    title: str
    cure: str


KINDS: Mapping[str, Kind] = {
    "malformed": Kind(400, "The request cannot be read", "Send JSON in UTF-8, no deeper than 32 levels."),
    "invalid-cursor": Kind(400, "The cursor is not one of ours", "Begin again without `cursor`, or with the same filters."),
    "unauthorized": Kind(401, "A valid API key is needed", "Send `Authorization: Bearer ocrm_…`, not revoked and not expired."),
    "forbidden": Kind(403, "The key lacks the scope", "Use a key with the scope that `scope` names."),
    "no-such-route": Kind(404, "There is nothing at this address", "See `/api/v1/openapi.json`."),
    "not-found": Kind(404, "Not found", "The id belongs to nothing that exists."),
    "method-not-allowed": Kind(405, "The address does not take this method", "Use one of those in the header `Allow`."),
    "conflict": Kind(409, "Not possible in the present state", "Read the thing again; `detail` says what stands in the way."),
    "window-closed": Kind(409, "The platform takes no message now", "Wait for the customer. It closed at `window_until`."),
    "opted-out": Kind(409, "The client wants no messages", "Only a person (`author: agent`) may still write to them."),
    "channel-not-running": Kind(409, "This bot does not run the channel", "Use a channel of `running`."),
    "no-conversation": Kind(409, "The client cannot be written to there", "Use a channel on which they are known."),
    "too-large": Kind(413, "The body is too large", "Send at most 65536 bytes."),
    "unsupported-media-type": Kind(415, "The body must be JSON", "Send `Content-Type: application/json`."),
    "invalid": Kind(422, "The request breaks the schema", "`errors` names each place and what is wrong with it."),
    "too-long": Kind(422, "The message is too long for the channel", "Shorten it: it may become at most 10 messages."),
    "key-reused": Kind(422, "The Idempotency-Key was used for another request", "Take a new key for each new message."),
    "rate-limited": Kind(429, "Too many requests", "Wait as many seconds as `Retry-After` says."),
    "internal": Kind(500, "A fault of ours", "Report the time and the address; the log holds the rest."),
    "unavailable": Kind(503, "The database does not answer", "Repeat after `Retry-After`, with the same `Idempotency-Key`."),
}  # fmt: skip


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - the RFC's word
    """Ends a request. ``kind`` is one of ``KINDS``; ``members`` are the problem's own, beside the RFC's five."""

    kind: str
    detail: str
    members: Mapping[str, Json] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind].status

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"

    def document(self, instance: str) -> dict[str, Json]:
        """The problem as JSON. ``instance``: the path that was asked for, without its query."""
        kind = KINDS[self.kind]
        standard = {
            "type": TYPE_PREFIX + self.kind, "title": kind.title, "status": kind.status, "detail": self.detail,
            "instance": instance,
        }  # fmt: skip
        return {**standard, **self.members}
