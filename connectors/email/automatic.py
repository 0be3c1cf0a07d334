"""Mails that a machine wrote: they are kept and never answered, or two machines would write to each other for ever."""

from __future__ import annotations

import re
from collections.abc import Callable

from connectors.email.mail import Mail
from connectors.email.mime import type_of

_AUTOMATIC_PRECEDENCE = frozenset({"bulk", "junk", "list", "auto_reply"})
_RESPONDERS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply")
_LISTS = ("list-id", "list-unsubscribe", "list-post", "feedback-id")
_SUPPRESSED = frozenset({"all", "autoreply", "oof"})
# Local parts without their dots and dashes.
_MACHINES = frozenset({
    "mailerdaemon", "postmaster", "bounce", "bounces", "notification", "notifications", "notificacion", "notificaciones",
    "abuse",
})  # fmt: skip
_NO_REPLY = ("noreply", "donotreply", "noresponder", "noresponda", "nocontestar")
_SUBJECT = re.compile(
    r"(?:automatic reply|auto(?:matic)?[ -]?(?:response|reply)|out of (?:the )?office|respuesta autom[áa]tica|"
    r"(?:estoy |me encuentro )?fuera de (?:la )?oficina|undeliver|delivery status notification|"
    r"mail delivery (?:failed|failure)|returned mail|no se puede entregar|no se pudo entregar|error de entrega)",
    re.IGNORECASE,
)


def automatic(mail: Mail, *, answers_ours: bool, scheduling: bool) -> str | None:
    """The name of the first rule that says that a machine wrote the mail; None for a person.

    ``answers_ours``: it answers a mail of ours; then a subject alone says nothing (it may be our own). ``scheduling``: it is
    an invitation, or the answer to one.
    """
    rule = next((name for name, holds in RULES.items() if holds(mail)), None)
    if rule is None and scheduling:
        return "calendar"
    if rule is None and _SUBJECT.match(mail.thread_subject) and (not answers_ours or _suppresses(mail)):
        return "subject"
    return rule


def is_auto_submitted(mail: Mail) -> bool:
    """Whether the mail says itself that no person sent it."""
    # RFC 3834, 5: everything but "no", before parameters and comments.
    value = re.split(r"[;\s(]", mail.headers.first("auto-submitted").lower(), maxsplit=1)[0]
    return value not in ("", "no")


def _null_sender(mail: Mail) -> bool:
    return mail.envelope.mail_from == "" or mail.headers.first("return-path").replace(" ", "") == "<>"


def _precedence(mail: Mail) -> bool:
    return mail.headers.first("precedence").lower() in _AUTOMATIC_PRECEDENCE


def _responder(mail: Mail) -> bool:
    return any(mail.headers.first(name).lower() not in ("", "no", "false") for name in _RESPONDERS)


def _list(mail: Mail) -> bool:
    return any(name in mail.headers for name in _LISTS)


def _spam(mail: Mail) -> bool:
    return mail.envelope.spam or mail.headers.first("x-spam-flag").lower().startswith("yes")


def _loop(mail: Mail) -> bool:
    return any(mail.ours.address.lower() in value.lower() for value in mail.headers.all("x-loop"))


def _machine(mail: Mail) -> bool:
    if mail.sender is None:
        return False
    local = re.sub(r"[._-]", "", mail.sender.normal.rpartition("@")[0].partition("+")[0])
    return local in _MACHINES or any(word in local for word in _NO_REPLY)


def _suppresses(mail: Mail) -> bool:
    """Exchange's wish for no automatic answer: alone it also stands in mails of people, so it only confirms another hint."""
    return not _SUPPRESSED.isdisjoint(re.split(r"[,\s]+", mail.headers.first("x-auto-response-suppress").lower()))


RULES: dict[str, Callable[[Mail], bool]] = {
    "spam": _spam,
    "loop": _loop,
    "auto_submitted": is_auto_submitted,
    "null_sender": _null_sender,
    "report": lambda mail: type_of(mail.message) == "multipart/report",
    "precedence": _precedence,
    "responder": _responder,
    "list": _list,
    "failed_recipients": lambda mail: "x-failed-recipients" in mail.headers,
    "machine": _machine,
}
