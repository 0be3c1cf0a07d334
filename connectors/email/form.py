"""The fields of a posted form, as bytes: a mail's are in many charsets, and what comes with them is binary. Pure.

Sanic's own reading gives an empty form as soon as one field is not UTF-8, and cuts where the boundary stands inside a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from connectors.email.charset import decode

MAX_FIELDS = 1000
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_PARAMETER = re.compile(rb'\b(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_HEADER_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field; of a file also its name and declared type."""

    data: bytes = field(repr=False)
    filename: str | None = None
    content_type: str = ""


def read_form(content_type: str, body: bytes) -> dict[str, Field]:
    """The fields of a form by name, each name's first. Raises ``ValueError`` for what is no form."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        # Latin-1 stands for the bytes themselves.
        text = body.decode("latin-1")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, encoding="latin-1")
        fields = [(decode(name.encode("latin-1")), Field(data=value.encode("latin-1"))) for name, value in pairs]
    elif kind == "multipart/form-data":
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise ValueError("no boundary")
        fields = list(_parts(body, (found[1] or found[2]).encode("utf-8", "surrogateescape")))
    else:
        raise ValueError("no form")
    return dict(reversed(fields))


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[str, Field]]:
    delimiter = b"\r\n--" + boundary
    # RFC 2046 5.1.1: a delimiter is a line of its own. What only looks like one belongs to the part.
    pieces = re.split(re.escape(delimiter) + rb"(?=(?:--)?[ \t]*(?:\r\n|\Z))", b"\r\n" + body, maxsplit=MAX_FIELDS + 1)
    if len(pieces) < 2 or len(pieces) > MAX_FIELDS:
        raise ValueError("no parts, or too many")
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        head, blank_line, data = piece.partition(b"\r\n\r\n")
        names = {name.lower(): value for name, value in _PARAMETER.findall(_header(head, b"content-disposition"))}
        if not blank_line or len(head) > _HEADER_LIMIT or b"name" not in names:
            raise ValueError("a part without a name")
        filename = names.get(b"filename")
        yield decode(names[b"name"]), Field(
            data=data,
            filename=None if filename is None else decode(re.sub(rb"\\(.)", rb"\1", filename)),
            content_type=decode(_header(head, b"content-type")),
        )
    raise ValueError("the form has no end")


def _header(head: bytes, name: bytes) -> bytes:
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    return next((value.strip() for found, _, value in lines if found.strip().lower() == name), b"")
