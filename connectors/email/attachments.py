"""What comes with a mail: each file's kind, name, type, size and digest. Its bytes are not kept."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email.message import Message
from pathlib import PurePosixPath

from connectors.email.charset import decode, words
from connectors.email.mime import filename_of, headers_of, payload_of, type_of
from connectors.message import Attachment, Json, Kind

MAX_NAME = 120
# Signatures bring their logos along; a photo that somebody pastes is larger.
LOGO_SIZE = 20 * 1024
_CONTAINED = re.compile(r"[\\/]")
# What the first bytes say is believed more than what the mail says: (offset, bytes, type, extension).
_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"%PDF-", "application/pdf"),
)
_EXTENSIONS = {
    "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/heic": "heic", "audio/mp4": "m4a",
    "video/quicktime": "mov", "video/mp4": "mp4", "audio/ogg": "ogg", "audio/mpeg": "mp3", "audio/amr": "amr",
    "application/pdf": "pdf", "text/plain": "txt", "text/html": "html", "text/calendar": "ics", "text/vcard": "vcf",
    "text/x-vcard": "vcf", "message/rfc822": "eml", "application/ms-tnef": "dat",
}  # fmt: skip
_VCARDS = frozenset({"text/vcard", "text/x-vcard", "text/directory"})


@dataclass(frozen=True, slots=True)
class File:
    """One file of a mail. ``cid``: its Content-ID, by which the HTML shows it; "" without one."""

    attachment: Attachment
    cid: str

    @property
    def is_small(self) -> bool:
        """Whether it may be a signature's logo."""
        return int(self.attachment.data.get("size", 0)) <= LOGO_SIZE


def read_file(part: Message, number: int) -> File:
    """The file in a part; ``number`` names those without a name."""
    declared = type_of(part)
    data: dict[str, Json] = {"type": declared}
    if declared.startswith("message/"):
        # A mail in the mail: named after its subject, and not opened.
        inner = headers_of(part.get_payload(0)) if part.is_multipart() else None  # type: ignore[arg-type]
        subject = words(inner.first("subject")) if inner else ""
        given = filename_of(part) or (f"{subject}.eml" if subject else None)
        data["type"] = sniffed = declared
    else:
        payload = payload_of(part)
        given = filename_of(part)
        sniffed = _sniff(payload) or declared
        data |= {"type": sniffed, "size": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
        if sniffed != declared:
            data["declared"] = declared
    attachment = Attachment(kind=_kind(sniffed), title=_name(given, sniffed, number), data=data)
    return File(attachment, headers_of(part).first("content-id").strip("<> "))


def _sniff(payload: bytes) -> str | None:
    return next((kind for at, start, kind in _SIGNATURES if payload.startswith(start, at)), None)


def _kind(media_type: str) -> Kind:
    if media_type in _VCARDS:
        return "contact"
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio"}
    return kinds.get(media_type.partition("/")[0], "file")


def _name(given: str | None, media_type: str, number: int) -> str:
    """A file's name without folders and control characters, and short; its extension survives."""
    name = words(decode((given or "").encode("utf-8", "surrogateescape")))
    name = _CONTAINED.split(name)[-1].strip(". ")
    if not name:
        return f"attachment-{number}.{_EXTENSIONS.get(media_type, 'bin')}"
    if len(name) > MAX_NAME:
        suffix = PurePosixPath(name).suffix[:20]
        name = name[: MAX_NAME - len(suffix)] + suffix
    return name
