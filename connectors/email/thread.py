"""Which conversation a mail belongs to, and what an answer to it needs to know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.email.address import Mailbox, aligned, is_ours, mailboxes
from connectors.email.envelope import Trust
from connectors.email.mail import Mail
from connectors.email.tokens import OwnId, read_message_id, read_token, thread_of, unverified_user
from connectors.email.trust import trust
from connectors.message import Address, Json

# RFC 5322, 2.1.1: a line has at most 998 characters; the name of the field and an id of ours stand on it, too.
MAX_REFERENCES = 900
_NEWEST = 10
# How many of the ids that a mail answers are tried: as many as two people write in a thread that Gmail does not split.
_MAX_ANCESTORS = 100
# Where the address may stand that a mail was sent to, beside the envelope.
_RECIPIENT_HEADERS = ("to", "cc", "delivered-to", "x-original-to", "envelope-to")


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where a customer's mail belongs. ``answers_ours``: it answers a mail that we sent to this very sender."""

    address: Address
    trust: Trust
    answers_ours: bool


def conversation_of(mail: Mail, sender: Mailbox) -> Conversation:
    """The conversation of a mail with one sender.

    All verified mails of a sender are one conversation; of what nobody vouches for every thread is one of its own. Our
    reply token or one of our Message-IDs names the thread, if it was made for this sender; the conversation's own token
    vouches for them as well (only they were sent it), except where DMARC failed.
    """
    level = trust(mail.headers, mail.envelope, mail.ours, sender.domain)
    given = next(_given(mail, sender.normal), None)
    thread, user = given or (thread_of(mail.root, sender.normal), None)
    if level == "unverified" and user == sender.normal:
        level = "verified"
    user = sender.normal if level == "verified" else unverified_user(sender.normal, thread)
    return Conversation(mail.address(user, _context(mail, sender, level, thread)), level, given is not None)


def own_id_of(mail: Mail, customer: str) -> OwnId | None:
    """What the mail's own Message-ID says, where it is ours and for this customer."""
    return _read_id(mail, mail.message_id or "", customer)


def answered_user(mail: Mail, customer: str) -> str:
    """The user of the conversation that a mail of ours to this customer goes on with."""
    answered = (_read_id(mail, written, customer) for written in mail.ancestors[:_MAX_ANCESTORS])
    return next((own.user for own in answered if own is not None), customer)


def _read_id(mail: Mail, written: str, customer: str) -> OwnId | None:
    return read_message_id(mail.ours.secret, written, mail.ours.domain, (customer,))


def _given(mail: Mail, sender: str) -> Iterator[tuple[str, str]]:
    """Thread and user, of every token and id of ours in the mail that was made for this sender."""
    named = [word for name in _RECIPIENT_HEADERS for value in mail.headers.all(name)[:5] for word in _words(value)]
    for recipient in (*mail.envelope.rcpt_to, *named):
        found = read_token(mail.ours.secret, recipient, sender)
        if found is not None:
            yield found
    for written in mail.ancestors[:_MAX_ANCESTORS]:
        own = _read_id(mail, written, sender)
        if own is not None:
            yield own.thread, own.user


def _words(value: str) -> list[str]:
    """What may be an address in a header, whether or not the header can be read."""
    return value[:2000].replace("<", " ").replace(">", " ").replace(",", " ").replace('"', " ").split()


# --- what an answer needs ------------------------------------------------------------------------------------------------


def _context(mail: Mail, sender: Mailbox, level: Trust, thread: str) -> dict[str, Json]:
    return {
        "to": _answer_to(mail, sender, level).address,
        "name": sender.name,
        "subject": mail.thread_subject,
        "message_id": mail.message_id,
        "references": _references(mail),
        "thread": thread,
    }


def _answer_to(mail: Mail, sender: Mailbox, level: Trust) -> Mailbox:
    """The sender; or the one Reply-To that they name, where the sender is who they say or it is of the same domain."""
    try:
        named = mailboxes(mail.headers.first("reply-to"))
    except ValueError:
        return sender
    if len(named) != 1 or is_ours(named[0].normal, mail.ours):
        return sender
    return named[0] if level == "verified" or aligned(named[0].domain, sender.domain) else sender


def _references(mail: Mail) -> list[str]:
    """What the References of an answer hold (RFC 5322, 3.6.4): the beginning of the thread and the newest mails."""
    before = list(mail.references) or ([mail.in_reply_to] if mail.in_reply_to else [])
    ids = list(dict.fromkeys([*before, *([mail.message_id] if mail.message_id else [])]))
    kept = ids[:1] + ids[1:][-_NEWEST:]
    while len(kept) > 1 and len(" ".join(kept)) > MAX_REFERENCES:
        # The newest is what clients look for; the beginning goes last but one.
        del kept[1 if len(kept) > 2 else 0]
    return kept
