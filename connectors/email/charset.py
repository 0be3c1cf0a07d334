"""Bytes and headers to text, whatever they claim to be. Nothing here raises."""

from __future__ import annotations

import binascii
import codecs
import re
import unicodedata

# What mails declare and no codec is called; what declares nothing that is known is tried as UTF-8.
_ALIASES = {
    "utf8mb4": "utf-8", "utf8mb3": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8", "ansi": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
}  # fmt: skip
# Of Python's codecs those that are charsets: punycode and the escapes are none, and some take quadratic time.
_ONE_BYTE = re.compile(r"utf-8|iso8859|cp\d|koi8|mac|tis|ptcp|kz")
_MORE_BYTES = re.compile(r"utf|iso2022|gb|big5|euc|shift|hz|johab|cp9[345]\d")
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_FOLD = re.compile(r"\r?\n[ \t]*|\r")
# Longer than any header field that a person reads (RFC 5322, 2.1.1: a line has at most 998).
MAX_WORDS = 4000
_SLICE = 500
# What turns the direction of text: "factura<U+202E>fdp.exe" is shown as "facturaexe.pdf".
_DIRECTIONS = dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def decode(data: bytes, charset: str | None = None) -> str:
    """Text out of bytes: as declared, else UTF-8, else Windows' Latin-1, which reads everything somehow.

    Valid UTF-8 with more than ASCII in it is UTF-8, whatever a mail declares: no text in another charset looks like it.
    """
    codec = _codec(charset)
    attempts = ("utf-8", codec) if _ONE_BYTE.match(codec) and not _MORE_BYTES.match(codec) else (codec, "utf-8")
    readings = (_strictly(data, name) for name in attempts)
    text = next((text for text in readings if text is not None), None)
    return storable(data.decode("cp1252", "replace") if text is None else text)


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except ValueError:
        return None


def _codec(charset: str | None) -> str:
    name = (charset or "").split(";")[0].strip().strip("\"'").lower()
    name = _ALIASES.get(name, name)
    for spelling in (name, name.replace("cp-", "cp"), name.removeprefix("x-")):
        found = _lookup(spelling)
        if found == "iso8859-1":
            # Who declares Latin-1 means Windows' variant of it, as every browser reads it, too (encoding.spec.whatwg.org).
            return "cp1252"
        if _ONE_BYTE.match(found) or _MORE_BYTES.match(found):
            return found
    return "utf-8"


def _lookup(spelling: str) -> str:
    try:
        return codecs.lookup(spelling).name
    except (LookupError, ValueError):
        return ""


def storable(text: str) -> str:
    """The text with U+FFFD in place of NUL and of lone surrogates, which PostgreSQL does not store."""
    if text.isascii():
        return text.replace("\x00", "\ufffd")
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def unfolded(value: str) -> str:
    """A header as the parser keeps it (raw bytes as surrogates) on one line."""
    return decode(_FOLD.sub(" ", value).encode("utf-8", "surrogateescape")).strip() if value else ""


def composed(text: str) -> str:
    """The text with accents joined to their letters (NFC), in slices: a long run of accents takes quadratic time."""
    if text.isascii():
        return text
    return "".join(unicodedata.normalize("NFC", text[start : start + _SLICE]) for start in range(0, len(text), _SLICE))


def words(value: str) -> str:
    """A header's text for people: encoded words (RFC 2047) decoded, control characters out, blanks squeezed, composed."""
    value = value[:MAX_WORDS]
    text = ""
    end = 0
    # Neighbours in one charset are decoded together: some writers cut a character in two.
    pending, charset = b"", ""
    for found in _ENCODED_WORD.finditer(value):
        between = value[end : found.start()]
        joins = end > 0 and not between.strip()
        if not joins or found[1].lower() != charset:
            text += decode(pending, charset) + ("" if joins else between)
            pending, charset = b"", found[1].lower()
        pending += _word(found[2].lower(), found[3])
        end = found.end()
    text += decode(pending, charset) + value[end:]
    visible = text.translate(_DIRECTIONS)
    printable = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in visible)
    return composed(" ".join(printable.split()))


def _word(encoding: str, encoded: str) -> bytes:
    data = encoded.encode("utf-8", "replace")
    if encoding == "q":
        return binascii.a2b_qp(data, header=True)
    stripped = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    try:
        return binascii.a2b_base64(stripped + b"=" * (-len(stripped) % 4))
    except binascii.Error:
        return binascii.a2b_base64(stripped[: len(stripped) // 4 * 4])
