"""What mail servers report about our mails (RFC 3464): which message did not arrive, and at whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message

from connectors.email.address import normalise, recipients
from connectors.email.charset import words
from connectors.email.mail import Mail, ids_in
from connectors.email.mime import Headers, children_of, headers_of, parse_bytes, payload_of, text_of, type_of
from connectors.email.tokens import OwnId, own_ids_in, read_message_id, read_token
from connectors.message import AnyEvent, Fact, Json, Receipt

# A bounce without a machine's part is a short text with the old mail behind it.
_MAX_TEXT = 64 * 1024
_MAX_RECIPIENTS = 50
_MAX_DETAIL = 500


@dataclass(frozen=True, slots=True)
class _Fate:
    """What became of a mail at one recipient. ``names``: the addresses that the recipient is known by in the report."""

    action: str
    names: tuple[str, ...]
    status: str = ""
    detail: str = ""


def read_report(mail: Mail) -> list[AnyEvent] | None:
    """The events of a report; None for a mail that is none."""
    parts = list(_parts(mail.message))
    kinds = {type_of(part): part for part in parts}
    if "message/delivery-status" in kinds:
        fates = _fates(kinds["message/delivery-status"])
    elif "message/disposition-notification" in kinds:
        # We ask for none: somebody's program says that they saw a mail.
        return [_fact(mail, "disposition_notification", {})]
    elif "message/feedback-report" in kinds:
        return [_fact(mail, "complaint", {"subject": mail.subject})]
    elif "x-failed-recipients" in mail.headers:
        names = [mailbox.normal for mailbox in recipients(mail.headers.all("x-failed-recipients"))]
        fates = [_Fate("failed", (name,)) for name in names] or [_Fate("failed", ())]
    else:
        return None
    candidates = _own_ids(mail, parts)
    # Who it was sent to may stand in the returned mail alone: the report names where it was forwarded.
    others = tuple(_returned_recipients(parts))
    return [_event(mail, number, fate, candidates, others) for number, fate in enumerate(fates[:_MAX_RECIPIENTS])]


def _event(mail: Mail, number: int, fate: _Fate, candidates: Iterable[str], others: tuple[str, ...]) -> AnyEvent:
    own = _read_own(mail, candidates, (*fate.names, *others))
    told: dict[str, Json] = {"recipient": next(iter(fate.names), None), "status": fate.status, "detail": fate.detail}
    if own is not None and fate.action in ("failed", "delivered"):
        return Receipt(
            key=mail.key("receipt", number),
            address=mail.address(own.user),
            timestamp=mail.moment,
            raw=mail.raw(**told),
            status="failed" if fate.action == "failed" else "delivered",
            platform_ids=(own.message_id,),
        )
    about = own.message_id if own else None
    return _fact(mail, f"delivery_{fate.action}", {**told, "about": about}, number, own.user if own else _user(mail, fate))


def _fact(mail: Mail, name: str, data: dict[str, Json], number: int = 0, user: str | None = None) -> Fact:
    address = mail.address(user) if user else None
    return Fact(key=mail.key("report", number), address=address, timestamp=mail.moment, raw=mail.raw(), name=name, data=data)


def _fates(part: Message) -> list[_Fate]:
    """One for each recipient: the blocks of a delivery status behind the first, which is about the server."""
    blocks = [headers_of(block) for block in children_of(part)]
    fates = []
    for block in blocks:
        names = [_typed(value) for name in ("original-recipient", "final-recipient") for value in block.all(name)[:1]]
        if names:
            fates.append(_Fate(
                _word(block.first("action")) or "unknown",
                tuple(name for name in map(normalise, names) if name),
                block.first("status")[:20],
                words(_typed(block.first("diagnostic-code")))[:_MAX_DETAIL],
            ))  # fmt: skip
    return fates or [_Fate("unknown", ())]


def _typed(value: str) -> str:
    """The value in ``rfc822; ana@example.com``."""
    return value.partition(";")[2].strip().strip("<>") or value.strip()


def _word(value: str) -> str:
    word = value.lower().split()[:1]
    return word[0] if word and word[0] in ("failed", "delayed", "delivered", "relayed", "expanded") else ""


def _parts(message: Message) -> Iterator[Message]:
    """The parts of the report itself: what is below a returned mail is no part of it."""
    yield message
    if message.get_content_maintype() == "multipart":
        yield from children_of(message)


def _returned(parts: Iterable[Message]) -> list[Headers]:
    """The headers of the mail that comes back: whole, or its headers alone."""
    found = []
    for part in parts:
        if type_of(part) in ("message/rfc822", "message/rfc822-headers", "message/global"):
            found += [headers_of(inner) for inner in children_of(part)[:1]]
        elif type_of(part) == "text/rfc822-headers":
            found.append(headers_of(parse_bytes(payload_of(part)[:_MAX_TEXT])))
    return found


def _returned_recipients(parts: Iterable[Message]) -> list[str]:
    return [mailbox.normal for headers in _returned(parts) for mailbox in recipients(headers.all("to"))]


def _own_ids(mail: Mail, parts: list[Message]) -> list[str]:
    """What may be the Message-ID of the mail that the report is about, the surest place first."""
    found = [written for headers in _returned(parts) for written in ids_in(headers.first("message-id"))]
    found += mail.ancestors
    for part in parts:
        if not part.is_multipart() and part.get_content_maintype() == "text":
            found += own_ids_in(text_of(part)[:_MAX_TEXT], mail.ours.domain)
    return list(dict.fromkeys(found))[:_MAX_RECIPIENTS]


def _read_own(mail: Mail, candidates: Iterable[str], names: tuple[str, ...]) -> OwnId | None:
    read = (read_message_id(mail.ours.secret, written, mail.ours.domain, names) for written in candidates)
    return next((own for own in read if own is not None), None)


def _user(mail: Mail, fate: _Fate) -> str | None:
    """The user whom the envelope's recipient names, where our mails went out under an address of their own each."""
    tokens = (read_token(mail.ours.secret, to, name) for to in mail.envelope.rcpt_to for name in fate.names)
    return next((found[1] for found in tokens if found is not None), None)
