"""What the three providers have in common: a posted mail, a refused call, and the reading of fields and headers. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.email.address import aligned, mailboxes
from connectors.email.charset import decode
from connectors.email.envelope import Envelope, Trust
from connectors.email.form import Field, read_form
from connectors.email.mime import Headers, Refused, headers_of, parse_bytes
from connectors.email.rebuild import File
from connectors.message import Json
from connectors.platform import Request


class Rejected(Exception):
    """A call that is not to be answered with 200; ``status`` as the provider understands it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A mail as a provider gave it."""

    raw: bytes = field(repr=False)
    envelope: Envelope


def form_of(request: Request, refused: int) -> dict[str, Field]:
    """The fields of a posted form. Raises ``Rejected`` with this status."""
    try:
        return read_form(request.headers.get("content-type", ""), request.body)
    except ValueError as error:
        raise Rejected(refused, f"not a form: {error}") from None


def text_of(fields: Mapping[str, Field], name: str, charset: Json = None) -> str:
    """A field's text; "" where it is missing."""
    return decode(fields[name].data, charset if isinstance(charset, str) else None) if name in fields else ""


def json_of(fields: Mapping[str, Field], name: str, kind: type) -> Json:
    """A field that holds JSON of a kind; an empty one where it does not."""
    try:
        found = json.loads(text_of(fields, name))
    except (ValueError, RecursionError):
        return kind()
    return found if isinstance(found, kind) else kind()


def string_of(document: Mapping[str, Json], name: str) -> str:
    """A text out of JSON; "" for anything else."""
    value = document.get(name)
    return value if isinstance(value, str) else ""


def file_of(found: Field, content_id: str) -> File:
    """A field that holds a file."""
    return File(name=found.filename or "", content_type=found.content_type, data=found.data, content_id=content_id)


def headers_in(raw: bytes) -> Headers:
    """The headers of a mail as the parser reads them; none where it refuses them."""
    end = re.search(rb"\r?\n\r?\n", raw)
    try:
        return headers_of(parse_bytes(raw[: end.end() if end else len(raw)]))
    except Refused:
        return Headers([])


def above_received(headers: Headers, count: int) -> Headers:
    """What stands above a ``Received``, counted from the top; nothing where there are fewer."""
    places = [place for place, (name, _) in enumerate(headers.fields) if name == "received"]
    return Headers(headers.fields[: places[count - 1]] if len(places) >= count else [])


def sender_domain(headers: Headers) -> str:
    """The domain of the one From; "" where there is not exactly one."""
    values = headers.all("from")
    try:
        found = mailboxes(values[0]) if len(values) == 1 else []
    except ValueError:
        return ""
    return found[0].domain if len(found) == 1 else ""


def domain_of(address: str) -> str:
    """The domain of an envelope's address."""
    return address.strip("<> ").rpartition("@")[2].lower()


def verdict(sender: str, vouching: Sequence[str]) -> Trust:
    """Verified where one of the domains that proved themselves is of the owner of the From domain."""
    return "verified" if sender and any(aligned(domain, sender) for domain in vouching) else "unverified"
