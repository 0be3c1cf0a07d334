"""One mail to events. Pure; never raises on content: what it cannot read becomes a stored `Unsupported`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from connectors.email.address import Mailbox, is_ours
from connectors.email.automatic import automatic, is_auto_submitted
from connectors.email.charset import decode
from connectors.email.envelope import Envelope, Ours
from connectors.email.mail import Mail, read_mail
from connectors.email.mime import Refused
from connectors.email.report import read_report
from connectors.email.said import read_said
from connectors.email.thread import answered_user, conversation_of, own_id_of
from connectors.email.tokens import looks_like_ours
from connectors.email.trust import trust
from connectors.message import AnyEvent, Contact, Echo, Fact, Inbound, Unsupported

__all__ = ["Envelope", "Ours", "parse"]

# A person's mail to more customers than this is no conversation.
MAX_CUSTOMERS = 20
# What is kept of a mail that cannot be read.
_KEPT_HEADERS = 8 * 1024
_KEPT_BODY = 1024


def parse(raw: bytes, envelope: Envelope, ours: Ours, now: datetime) -> list[AnyEvent]:
    """The events of one mail: normally one. ``now`` is aware, bounds the time of the mail, and is part of no key."""
    try:
        return _events(read_mail(raw, envelope, ours, now))
    except Refused as refused:
        return [_unreadable(raw, envelope, ours, now, str(refused))]
    except Exception as error:
        # A mail that nobody foresaw must not hold up those behind it.
        return [_unreadable(raw, envelope, ours, now, f"unreadable: {type(error).__name__}")]


def _unreadable(raw: bytes, envelope: Envelope, ours: Ours, now: datetime, reason: str) -> Unsupported:
    starts = [at for at in (raw.find(b"\r\n\r\n"), raw.find(b"\n\n")) if at >= 0]
    head = min(*starts, _KEPT_HEADERS) if starts else _KEPT_HEADERS
    body = min(starts) if starts else len(raw)
    parts = {"head": decode(raw[:head]), "body": decode(raw[body : body + _KEPT_BODY])}
    kept = {"size": len(raw), "source": envelope.source, **parts}
    key = f"email:{ours.address[:80]}:unsupported:{hashlib.sha256(raw).hexdigest()}"
    return Unsupported(key=key, address=None, timestamp=envelope.received_at or now, raw=kept, reason=reason)


def _events(mail: Mail) -> list[AnyEvent]:
    if mail.envelope.folder == "sent":
        return list(_own(mail, certain=True))
    if _is_our_form(mail) or (mail.sender and is_ours(mail.sender.normal, mail.ours)):
        return list(_own(mail, certain=_is_from_us(mail)))
    report = read_report(mail)
    if report is not None:
        return report
    if mail.sender is None:
        # Two readers could answer two people.
        raise Refused("not exactly one sender")
    return [_inbound(mail, mail.sender)]


def _inbound(mail: Mail, sender: Mailbox) -> Inbound:
    conversation = conversation_of(mail, sender)
    verified = conversation.trust == "verified"
    said = read_said(mail, begins_thread=not mail.ancestors and not conversation.answers_ours)
    rule = automatic(mail, answers_ours=conversation.answers_ours, scheduling=said.scheduling)
    silent = f"automatic:{rule}" if rule else None
    if conversation.trust == "failed":
        silent = "forged"
    return Inbound(
        key=mail.key("message"),
        address=conversation.address,
        timestamp=mail.moment,
        raw=mail.raw(trust=conversation.trust),
        platform_id=mail.id,
        kind=said.kind,
        text=said.text,
        attachments=said.attachments,
        reply_to=mail.in_reply_to,
        contact=Contact(name=sender.name or None, email=sender.normal if verified else None),
        # Whoever nobody vouches for begins as many conversations as they like: what they are answered is counted together.
        sender=None if verified else sender.normal,
        silent=silent or ("stale" if mail.is_stale else None),
    )


# --- what we wrote ourselves -----------------------------------------------------------------------------------------------


def _own(mail: Mail, *, certain: bool) -> Iterator[Echo | Fact]:
    """A mail of our own: an echo in the conversation of every customer that it went to, else a fact.

    ``certain``: it is ours beyond doubt; otherwise only the signature in its Message-ID can show it. A person's echo makes
    the bot silent, so a stranger must not be able to make one.
    """
    customers = [mailbox for mailbox in mail.recipients if not is_ours(mailbox.normal, mail.ours)]
    signed = [(customer, own) for customer in customers[:MAX_CUSTOMERS] if (own := own_id_of(mail, customer.normal))]
    by_a_person = certain and not _is_our_form(mail) and not is_auto_submitted(mail) and len(customers) <= MAX_CUSTOMERS
    written = [(customer, None) for customer in customers] if by_a_person else []
    said = read_said(mail, begins_thread=not mail.ancestors) if signed or written else None
    if said is None:
        data = {"recipients": len(customers), "certain": certain}
        yield Fact(key=mail.key("own"), address=None, timestamp=mail.moment, raw=mail.raw(), name="own_mail", data=data)
        return
    for customer, own in signed or written:
        yield Echo(
            key=mail.key("echo", customer.normal),
            address=mail.address(own.user if own else answered_user(mail, customer.normal)),
            timestamp=mail.moment,
            raw=mail.raw(),
            platform_id=own.message_id if own else mail.id,
            kind=said.kind,
            text=said.text,
            attachments=said.attachments,
            reference=own.reference if own else None,
        )


def _is_our_form(mail: Mail) -> bool:
    """Whether its Message-ID has the form of the bot's: a person's mail never has it."""
    return looks_like_ours(mail.message_id or "", mail.ours.domain)


def _is_from_us(mail: Mail) -> bool:
    """Whether one of our own addresses wrote it, as far as our receiver can tell."""
    sender = mail.sender
    if sender is None or not is_ours(sender.normal, mail.ours):
        return False
    return trust(mail.headers, mail.envelope, mail.ours, sender.domain) == "verified"
