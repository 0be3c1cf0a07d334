"""Bytes to parts: whatever charset and structure they claim, and within limits."""

from __future__ import annotations

import hashlib
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.email.attachments import MAX_NAME, read_file
from connectors.email.charset import composed, decode, unfolded, words
from connectors.email.mime import (
    MAX_CONTAINERS,
    MAX_DEPTH,
    MAX_FIELDS,
    MAX_LINES,
    MAX_PARTS,
    Refused,
    contents_of,
    headers_of,
    parse_bytes,
    reflowed,
)

SPANISH = "¿Cuánto cuesta el envío a Mérida? Año, niño"


# --- charsets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [
    "utf-8", "UTF8", "utf8mb4", "us-ascii", None, "", "unknown-8bit", "x-unknown", "default", '"utf-8;format=flowed"',
    "iso-8859-1", "windows-1252", "cp-850", "punycode", "unicode_escape", "idna", "base64", "rot13", "undefined", "\x00", "ñ",
])  # fmt: skip
def test_utf8_is_read_whatever_is_declared(declared: str | None) -> None:
    assert decode(SPANISH.encode(), declared) == SPANISH


@pytest.mark.parametrize("declared", ["iso-8859-1", "latin1", "ISO_8859-1", "us-ascii", "utf-8", None, "x-none", "cp1252"])
def test_windows_letters_are_read_whatever_of_these_is_declared(declared: str | None) -> None:
    assert decode(f"“{SPANISH}” 10 €".encode("cp1252"), declared) == f"“{SPANISH}” 10 €"


@pytest.mark.parametrize("charset", ["cp850", "iso-8859-15", "utf-16", "mac-roman", "utf-7"])
def test_spanish_in_other_charsets(charset: str) -> None:
    assert decode(SPANISH.encode(charset), charset) == SPANISH


@pytest.mark.parametrize(("text", "charset"), [
    ("Привет", "koi8-r"), ("日本語", "iso-2022-jp"), ("日本語", "shift_jis"), ("中文", "gb2312"), ("中文", "big5"),
    ("한국", "euc-kr"), ("שלום", "iso-8859-8-i"),
])  # fmt: skip
def test_other_languages(text: str, charset: str) -> None:
    assert decode(text.encode(charset.removesuffix("-i")), charset) == text


@given(st.binary(max_size=200), st.text(max_size=20))
def test_every_byte_and_every_charset_gives_text_that_can_be_stored(data: bytes, declared: str) -> None:
    text = decode(data, declared)
    text.encode()
    assert "\x00" not in text


@pytest.mark.parametrize(("written", "read"), [
    ("=?UTF-8?Q?Ana_P=C3=A9rez?=", "Ana Pérez"),
    ("=?utf-8?b?Q290aXphY2nDs24=?=", "Cotización"),
    ("=?utf-8?b?Q290aXphY2nDs24?= y =?iso-8859-1?q?ni=F1o?=", "Cotización y niño"),
    # A character cut in two by the writer's line length.
    ("=?utf-8?q?Cotizaci=C3?=\n =?utf-8?q?=B3n?=", "Cotización"),
    ("=?utf-8?q?uno?= =?utf-8?q?dos?=", "unodos"),
    ("=?utf-8?q?hola mundo?=", "hola mundo"),
    ("=?x-none?q?Cotizaci=C3=B3n?=", "Cotización"),
    ("=?utf-8?b?!!!?=", ""),
    ("=?utf-8?z?roto?=", "=?utf-8?z?roto?="),
    ("=?utf-8?q?a=0D=0ABcc:_b?=", "a Bcc: b"),
    ("a\t\x07b\x00", "a b\ufffd"),
    ("factura\u202efdp.exe", "facturafdp.exe"),
    ("Cotizacio\u0301n", "Cotización"),
])  # fmt: skip
def test_words_of_a_header(written: str, read: str) -> None:
    assert words(unfolded(written)) == read


@given(st.text(max_size=300))
def test_words_of_any_header_are_one_line(written: str) -> None:
    read = words(unfolded(written))
    assert "\n" not in read and "\r" not in read
    read.encode()


@given(st.text(max_size=2000))
def test_composing_in_slices_keeps_the_text(text: str) -> None:
    assert composed(composed(text)) == composed(text)
    assert composed("a\u0301" * 1200).startswith("á" * 200)


# --- headers -------------------------------------------------------------------------------------------------------------


def test_headers_are_unfolded_decoded_and_in_their_order() -> None:
    raw = b"X: 1\nreferences: <a@b>\n\t<c@d>\nSubject: Cotizaci\xf3n\nX: 2\n\n"
    headers = headers_of(parse_bytes(raw))
    assert headers.all("x") == ["1", "2"]
    assert headers.first("references") == "<a@b> <c@d>"
    assert headers.first("subject") == "Cotización"
    assert headers.first("missing") == ""
    assert "subject" in headers
    assert "Subject" not in headers


def test_a_header_is_bounded() -> None:
    headers = headers_of(parse_bytes(b"References: " + b"<a@b> " * 100_000 + b"\n\n"))
    assert len(headers.first("references")) <= 32_000


# --- limits --------------------------------------------------------------------------------------------------------------

MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"


@pytest.mark.parametrize("raw", [
    MIXED + b"--b\n\nx\n" * (MAX_PARTS + 1),
    MIXED + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * (MAX_CONTAINERS + 1),
    b"Content-Type: message/rfc822\n\n" * (MAX_CONTAINERS + 1),
    b"Content-Type:\n message/rfc822\n\n" * (MAX_CONTAINERS + 1),
    b"X: y\n" * (MAX_FIELDS + 1) + b"\n",
    b"Subject: x\n\n" + b"\n" * (MAX_LINES + 1),
    b"Subject: x\n\n" + b"\r" * (MAX_LINES + 1),
])
def test_what_no_real_mail_has_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused, match="too many"):
        parse_bytes(raw)


def test_a_tree_too_deep_is_refused() -> None:
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(MAX_DEPTH + 2))
    with pytest.raises(Refused, match="deep"):
        contents_of(parse_bytes(raw + b"\nx"))


def test_a_real_mail_is_far_below_the_limits() -> None:
    raw = MIXED + b"".join(b"--b\nContent-Type: image/jpeg; name=%d.jpg\n\nx\n" % number for number in range(100)) + b"--b--"
    assert len(contents_of(parse_bytes(raw)).files) == 100


# --- format=flowed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "read"), [
    ("uno \ndos\ntres", "uno dos\ntres"),
    ("uno \n dos", "uno dos"),
    ("-- \nAna", "-- \nAna"),
    ("uno \n-- \nAna", "uno \n-- \nAna"),
    ("> uno \n> dos\nyo", "> uno dos\nyo"),
    ("> uno \nyo", "> uno \nyo"),
    (">> a \n> b", "> a \n> b"),
    ("uno \r\ndos", "uno dos"),
    ("", ""),
])  # fmt: skip
def test_soft_line_ends(written: str, read: str) -> None:
    assert reflowed(written) == read


def test_soft_line_ends_without_their_space() -> None:
    assert reflowed("日 \n本", delete_space=True) == "日本"


# --- files ---------------------------------------------------------------------------------------------------------------


def part(raw: bytes) -> Message:
    return parse_bytes(raw)


@pytest.mark.parametrize(("start", "declared", "kind", "name"), [
    (b"\x89PNG\r\n\x1a\n", "application/octet-stream", "image", "attachment-7.png"),
    (b"\xff\xd8\xff\xe0", "image/png", "image", "attachment-7.jpg"),
    (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/jpeg", "image", "attachment-7.webp"),
    (b"\x00\x00\x00\x18ftypheic", "application/octet-stream", "image", "attachment-7.heic"),
    (b"\x00\x00\x00\x18ftypisom", "application/octet-stream", "video", "attachment-7.mp4"),
    (b"\x00\x00\x00\x18ftypM4A ", "video/mp4", "audio", "attachment-7.m4a"),
    (b"OggS", "application/ogg", "audio", "attachment-7.ogg"),
    (b"%PDF-1.7", "image/jpeg", "file", "attachment-7.pdf"),
    (b"BEGIN:VCARD", "text/vcard", "contact", "attachment-7.vcf"),
    (b"x", "application/x-foo", "file", "attachment-7.bin"),
    (b"", "image/gif", "image", "attachment-7.gif"),
])  # fmt: skip
def test_a_file_is_what_its_first_bytes_say(start: bytes, declared: str, kind: str, name: str) -> None:
    file = read_file(part(f"Content-Type: {declared}\nContent-Transfer-Encoding: 8bit\n\n".encode("latin-1") + start), 7)
    assert (file.attachment.kind, file.attachment.title) == (kind, name)
    assert file.attachment.url is None


def test_a_file_tells_type_size_and_digest_and_not_its_bytes() -> None:
    raw = b"Content-Type: image/png; name=a.png\nContent-ID: <x@y>\nContent-Transfer-Encoding: base64\n\naG9sYQ==\n"
    file = read_file(part(raw), 1)
    digest = hashlib.sha256(b"hola").hexdigest()
    assert file.attachment.data == {"type": "image/png", "size": 4, "sha256": digest}
    assert file.cid == "x@y"
    assert file.is_small


@pytest.mark.parametrize(("header", "name"), [
    ('filename="../../etc/x.pdf"', "x.pdf"),
    ('filename="C:\\\\Users\\\\ana\\\\lista.xlsx"', "lista.xlsx"),
    ('filename="/"', "attachment-1.bin"),
    ('filename=".."', "attachment-1.bin"),
    ('filename=""', "attachment-1.bin"),
    ('filename="a\x07b.pdf"', "a b.pdf"),
    ("filename*=utf-8''cotizaci%C3%B3n.pdf", "cotización.pdf"),
    ("filename*0=uno; filename*1=dos.pdf", "unodos.pdf"),
    ("filename*=x-none''a%FF.pdf", "aÿ.pdf"),
    ('filename="=?utf-8?q?cat=C3=A1logo?=.pdf"', "catálogo.pdf"),
    ('filename="' + "a" * 300 + '.pdf"', "a" * (MAX_NAME - 4) + ".pdf"),
    ('filename="a\u202egpj.exe"', "agpj.exe"),
])  # fmt: skip
def test_a_files_name_leads_nowhere(header: str, name: str) -> None:
    raw = f"Content-Disposition: attachment; {header}\nContent-Type: application/octet-stream\n\nx".encode()
    assert read_file(part(raw), 1).attachment.title == name


@given(st.text(max_size=80))
def test_any_name_is_short_and_on_one_line(name: str) -> None:
    raw = b'Content-Disposition: attachment; filename="' + name.encode() + b'"\n\nx'
    title = read_file(part(raw), 1).attachment.title
    assert title
    assert len(title) <= MAX_NAME
    assert not set(title) & set("/\\\n\r\x00")
