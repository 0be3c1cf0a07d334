"""A mail out of the fields that a provider made of it, so that one parser reads all mail. Pure; the same gives the same."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

_NAME = re.compile(r"[!-9;-~]{1,100}")
_TYPE = re.compile(r"[a-z0-9][\w.+-]{0,60}/[\w.+-]{1,80}")
# These describe the body as it was, not as it is now.
_OF_THE_BODY = re.compile(r"content-|mime-version$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """Something that came along. ``content_id``: the HTML shows it, under this name."""

    name: str
    content_type: str
    data: bytes = field(repr=False)
    content_id: str = ""


def rebuild(headers: Iterable[tuple[str, str]], text: str, page: str, files: Sequence[File]) -> bytes:
    """The bytes of a mail with these headers, in this order, this plain text and HTML, and these files."""
    kept = [(name, value) for name, value in headers if _NAME.fullmatch(name) and not _OF_THE_BODY.match(name)]
    head = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in kept).encode("utf-8", "replace")
    said = [(kind, words) for kind, words in (("plain", text), ("html", page)) if words] or [("plain", "")]
    bodies = [_part(f"text/{kind}; charset=utf-8", words.encode("utf-8", "replace")) for kind, words in said]
    whole = _multipart("alternative", bodies)
    if files:
        whole = _multipart("mixed", [whole, *(_file(one) for one in files)])
    return head + b"MIME-Version: 1.0\r\n" + whole


def split_headers(block: str) -> list[tuple[str, str]]:
    """The fields of a block of headers as it stands in a mail."""
    lines = re.sub(r"\r?\n[ \t]+", " ", block.strip()).splitlines()
    found = (line.partition(":") for line in lines)
    return [(name.strip(), value.strip()) for name, colon, value in found if colon]


def decode_base64(text: str) -> bytes:
    """What stands in base64; as much of it as can be read."""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def _part(kind: str, data: bytes, more: str = "") -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n{more}\r\n"
    return head.encode() + base64.encodebytes(data).replace(b"\n", b"\r\n")


def _file(one: File) -> bytes:
    kind = one.content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
        # A container in base64 is no container.
        kind = "application/octet-stream"
    content_id = re.sub(r"[^!-~]|[<>]", "", one.content_id)[:200]
    more = f"Content-ID: <{content_id}>\r\n" if content_id else ""
    more += f"Content-Disposition: {'inline' if content_id else 'attachment'}"
    if one.name:
        # RFC 2231, section 4.
        more += f"; filename*=utf-8''{quote(one.name[:200].encode('utf-8', 'replace'), safe='')}"
    more += "\r\n"
    return _part(kind, one.data, more)


def _multipart(kind: str, parts: Sequence[bytes]) -> bytes:
    # No line of base64 and no header of ours begins with "--".
    boundary = f"=_{kind}"
    inside = b"".join(b"--%s\r\n%s" % (boundary.encode(), part) for part in parts)
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'
    return head.encode() + inside + f"--{boundary}--\r\n".encode()


def _one_line(value: str) -> str:
    return re.sub(r"[\r\n\x00]+[ \t]*", " ", value)
