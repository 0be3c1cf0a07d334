"""What the sender says in a mail: the new text, and what they send along."""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.email.attachments import File, read_file
from connectors.email.html import render
from connectors.email.mail import Mail
from connectors.email.mime import Body, Contents, contents_of
from connectors.email.quotes import Stripped, clean, strip
from connectors.message import Attachment, Kind

MAX_TEXT = 4000
MAX_FORWARDED = 4000
# A plain part that only says that one should read the other one.
_NEEDS_HTML = re.compile(
    r"(?:html|view|see|read|ver|vea|visualiz|mostrar|display)[^\n]{0,100}"
    r"(?:browser|navegador|html|e-?mail client|cliente de correo)",
    re.IGNORECASE,
)
_LONGEST_NOTICE = 400
_PGP = "-----BEGIN PGP MESSAGE-----"


@dataclass(frozen=True, slots=True)
class Said:
    """``text``: what is new, None where nothing is. ``scheduling``: the mail is an invitation, or the answer to one."""

    text: str | None
    attachments: tuple[Attachment, ...]
    kind: Kind
    scheduling: bool = False


def read_said(mail: Mail, *, begins_thread: bool) -> Said:
    """What a mail says. The subject speaks for a mail without text that begins a thread. Raises ``Refused``."""
    contents = contents_of(mail.message)
    words = _words(contents, forwards=mail.is_forward)
    hidden = contents.encrypted or ("application/pgp-encrypted" if words.text.startswith(_PGP) else None)
    if hidden:
        return Said(None, (Attachment(kind="unknown", data={"type": hidden, "encrypted": True}),), "unknown")
    attachments = _attachments(contents, has_text=not words.nothing_new)
    kind = next((attachment.kind for attachment in attachments), None)
    if not words.nothing_new:
        text, kind = words.text, "text"
    elif begins_thread and mail.thread_subject and not words.rest:
        text, kind = mail.thread_subject, kind or "text"
    elif kind is None:
        # Nothing new that we can tell from the quote: all of it, rather than a word lost.
        text, kind = words.text, "text" if words.text else "unknown"
    else:
        text = ""
    if words.rest and text != words.rest and (words.forwards or mail.is_forward):
        data = {"type": "text/plain", "forwarded": words.rest[:MAX_FORWARDED]}
        attachments += (Attachment(kind="share", title=mail.thread_subject or None, data=data),)
    return Said(text[:MAX_TEXT].strip() or None, attachments, kind, contents.scheduling)


def _words(contents: Contents, *, forwards: bool) -> Stripped:
    """The new text: of the plain parts, and of the HTML where there is no plain part or nothing new in it.

    What is forwarded stays in the HTML, for the words that tell it from the rest.
    """
    words = strip("\n\n".join(_text(body, forwards=forwards) for body in contents.bodies))
    html = "\n".join(body.html for body in contents.bodies if body.html)
    if words.nothing_new and html:
        cut = strip(render(html, cut=not forwards).text)
        if not cut.nothing_new:
            return cut
        if not any(body.plain and body.plain.strip() for body in contents.bodies):
            whole = strip(render(html, cut=False).text)
            return Stripped(whole.text, nothing_new=True, rest=whole.rest)
    return words


def _text(body: Body, *, forwards: bool) -> str:
    plain = clean(body.plain or "").strip()
    notice = len(plain) <= _LONGEST_NOTICE and _NEEDS_HTML.search(plain) is not None
    if body.html is None or (plain and not notice):
        return plain
    return render(body.html, cut=not forwards).text


def _attachments(contents: Contents, *, has_text: bool) -> tuple[Attachment, ...]:
    """The files, without the pictures of quotes and signatures."""
    files = [read_file(part, number) for number, part in enumerate(contents.files, 1)]
    html = "\n".join(body.html for body in contents.bodies if body.html)
    quoted: frozenset[str] = frozenset()
    if html and any(file.cid for file in files):
        quoted = render(html, cut=False).images - render(html, cut=True).images
    return tuple(file.attachment for file in files if not _is_decoration(file, quoted, has_text=has_text))


def _is_decoration(file: File, quoted: frozenset[str], *, has_text: bool) -> bool:
    if file.attachment.kind != "image" or not file.cid:
        return False
    return file.cid in quoted or (has_text and file.is_small)
