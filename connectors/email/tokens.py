"""Reply tokens and our own Message-IDs: a mail that carries one says which conversation it belongs to, without a database.

Both name the mail thread and are signed over it and over the user of the conversation (``Address.user``), which says who
that is and how far they are trusted. So they only count in the hands of the sender whom we gave them to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

# What stands before the number of a message of ours.
REFERENCE_PREFIX = "omnicrm:"
# 40 bits name a thread among those of one sender; 60 bits sign it. A token has 22 characters, and leaves 41 of the 64 of
# a local part (RFC 5321, 4.5.3.1.1) to ours and a separator.
_THREAD, _MAC = 8, 12
_LENGTH = 2 + _THREAD + _MAC
_TOKEN = rf"c-([a-z2-7]{{{_THREAD}}})([a-z2-7]{{{_MAC}}})"
# At the end of a local part behind any separator, or alone (Postmark's MailboxHash).
_IN_ADDRESS = re.compile(rf"(?:^|[^a-z0-9]){_TOKEN}(?=@|$)")
_WHOLE_TOKEN = re.compile(_TOKEN)
_MESSAGE_ID = re.compile(rf"<m-(0|[1-9][0-9]{{0,17}})\.{_TOKEN}@([^<>\s@]{{1,255}})>")


@dataclass(frozen=True, slots=True)
class OwnId:
    """What a Message-ID of ours says: the reference of the message (``omnicrm:<number>``), the thread, and for whom.

    ``message_id``: as we wrote it, whatever a server on its way made of its letters.
    """

    message_id: str
    reference: str
    thread: str
    user: str


def thread_of(root_message_id: str, sender: str) -> str:
    """The name of a mail thread of one sender: 8 characters, ``[a-z2-7]``."""
    return _base32(hashlib.sha256(f"{sender}\n{root_message_id}".encode("utf-8", "replace")).digest(), _THREAD)


def unverified_user(address: str, thread: str) -> str:
    """The ``Address.user`` of a sender whom nobody vouches for: a conversation of its own for each mail thread."""
    return f"unverified:{address}:{thread}"


def token(secret: bytes, thread: str, user: str) -> str:
    """``c-<thread><mac>``, in ``[a-z0-9-]``: what stands in the Reply-To of a mail to this user."""
    return f"c-{thread}{_mac(secret, 'reply', thread, user)}"


def read_token(secret: bytes, recipient: str, sender: str) -> tuple[str, str] | None:
    """The ``(thread, user)`` of the token in a recipient's address, where it was made for this sender; else None."""
    found = _IN_ADDRESS.search(recipient.strip().lower())
    if found is None:
        return None
    thread, mac = found.groups()
    user = _holder(secret, "reply", thread, mac, sender)
    return None if user is None else (thread, user)


def message_id(secret: bytes, reference: str, thread: str, user: str, domain: str) -> str:
    """Our Message-ID of a message: ``<m-<number>.<token>@domain>``, the same at every attempt to send it.

    Raises ``ValueError`` for a reference that is not ``omnicrm:<number>``.
    """
    number = reference.removeprefix(REFERENCE_PREFIX)
    written = f"<m-{number}.c-{thread}{_mac(secret, f'message {number}', thread, user)}@{domain.lower()}>"
    if not looks_like_ours(written, domain):
        raise ValueError(f"not a reference and a thread of ours: {reference}, {thread}")
    return written


def read_message_id(secret: bytes, written: str, domain: str, senders: Iterable[str]) -> OwnId | None:
    """What a Message-ID of ours says, where it was made for one of these senders; else None."""
    found = _MESSAGE_ID.fullmatch(written.strip().lower())
    if found is None or found[4] != domain.lower():
        return None
    number, thread, mac = found[1], found[2], found[3]
    users = (_holder(secret, f"message {number}", thread, mac, sender) for sender in senders)
    user = next((user for user in users if user is not None), None)
    return None if user is None else OwnId(found[0], f"{REFERENCE_PREFIX}{number}", thread, user)


def looks_like_ours(written: str, domain: str) -> bool:
    """Whether a Message-ID has the form of ours. Anyone can write one: a reason to be silent, never to believe."""
    found = _MESSAGE_ID.fullmatch(written.strip().lower())
    return found is not None and found[4] == domain.lower()


def without_token(local: str, separator: str) -> str:
    """A local part without a token behind it."""
    base, behind = local[:-_LENGTH], local[-_LENGTH:]
    return base.removesuffix(separator) if _WHOLE_TOKEN.fullmatch(behind) and base.endswith(separator) else local


def _holder(secret: bytes, purpose: str, thread: str, mac: str, sender: str) -> str | None:
    """The user of this sender whom the signature is for: the verified one, or the one of this thread alone."""
    users = (sender, unverified_user(sender, thread))
    return next((user for user in users if hmac.compare_digest(_mac(secret, purpose, thread, user), mac)), None)


def _mac(secret: bytes, purpose: str, thread: str, user: str) -> str:
    text = "\n".join((purpose, thread, user)).encode("utf-8", "replace")
    return _base32(hmac.new(secret, text, hashlib.sha256).digest(), _MAC)


def _base32(digest: bytes, length: int) -> str:
    return base64.b32encode(digest).decode().lower()[:length]


def own_ids_in(text: str, domain: str) -> list[str]:
    """All that looks like a Message-ID of ours in a text (a bounce may tell it nowhere else)."""
    return [found[0] for found in _MESSAGE_ID.finditer(text.lower()) if found[4] == domain.lower()]
