"""SEARCH (RFC 3501 section 6.4.4): from criteria to a test of one message."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from datetime import date, datetime, timezone
from typing import TypeAlias

from simulator.mail.folders import Message
from simulator.mail.imap_syntax import BadCommand, Token, is_number_set, number_set, text_of, within
from simulator.mail.reading import read

Test: TypeAlias = Callable[[int, Message], bool]  # sequence number, message
_FLAG = {"SEEN": "\\Seen", "ANSWERED": "\\Answered", "DELETED": "\\Deleted", "FLAGGED": "\\Flagged", "DRAFT": "\\Draft"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def criteria(tokens: list[Token], count: int, highest_uid: int) -> Test:
    """All criteria at once. ``count`` and ``highest_uid`` are what ``*`` means. Raises ``BadCommand``."""
    rest = list(tokens)
    if rest and isinstance(rest[0], str) and rest[0].upper() == "CHARSET":
        del rest[:2]
    if not rest:
        raise BadCommand("SEARCH needs criteria")
    return _all(rest, count, highest_uid)


def _all(rest: list[Token], count: int, highest_uid: int) -> Test:
    tests = []
    while rest:
        tests.append(_one(rest, count, highest_uid))
    return lambda number, message: all(test(number, message) for test in tests)


def _one(rest: list[Token], count: int, highest_uid: int) -> Test:
    token = _next(rest)
    if isinstance(token, list):
        return _all(list(token), count, highest_uid)
    word = text_of(token).upper()
    if is_number_set(word):
        numbers = number_set(word, count)
        return lambda number, message: within(number, numbers)
    if word == "UID":
        uids = number_set(text_of(_next(rest)), highest_uid)
        return lambda number, message: within(message.uid, uids)
    if word == "NOT":
        inner = _one(rest, count, highest_uid)
        return lambda number, message: not inner(number, message)
    if word == "OR":
        first, second = _one(rest, count, highest_uid), _one(rest, count, highest_uid)
        return lambda number, message: first(number, message) or second(number, message)
    return _flag(word) or _key(word, rest)


def _next(rest: list[Token]) -> Token:
    if not rest:
        raise BadCommand("SEARCH ends too early")
    return rest.pop(0)


def _flag(word: str) -> Test | None:
    if word in ("ALL", "OLD"):
        return lambda number, message: True
    if word in ("RECENT", "NEW"):
        return lambda number, message: False  # no session is told that mail is recent
    if word in _FLAG:
        flag = _FLAG[word]
        return lambda number, message: flag in message.flags
    if word.startswith("UN") and word[2:] in _FLAG:
        flag = _FLAG[word[2:]]
        return lambda number, message: flag not in message.flags
    return None


def _key(word: str, rest: list[Token]) -> Test:
    if word in ("KEYWORD", "UNKEYWORD"):
        keyword, wanted = text_of(_next(rest)), word == "KEYWORD"
        return lambda number, message: (keyword in message.flags) == wanted
    if word in ("SINCE", "BEFORE", "ON", "SENTSINCE", "SENTBEFORE", "SENTON"):
        return _dated(word.removeprefix("SENT"), _day(text_of(_next(rest))))
    if word in ("LARGER", "SMALLER"):
        given = text_of(_next(rest))
        if not given.isdigit():
            raise BadCommand(f"{word} needs a number")
        size = int(given)
        return lambda number, message: len(message.raw) > size if word == "LARGER" else len(message.raw) < size
    if word == "HEADER":
        name, value = text_of(_next(rest)), text_of(_next(rest))
        return lambda number, message: value.lower() in _header(message, name).lower()
    if word in ("FROM", "TO", "CC", "BCC", "SUBJECT"):
        value = text_of(_next(rest))
        return lambda number, message: value.lower() in _header(message, word).lower()
    if word in ("BODY", "TEXT"):
        value = text_of(_next(rest)).lower()
        return lambda number, message: value in _whole(message, with_headers=word == "TEXT").lower()
    raise BadCommand(f"SEARCH does not know {word}")


def _dated(word: str, day: date) -> Test:
    def test(number: int, message: Message) -> bool:
        received = datetime.fromtimestamp(message.received, timezone.utc).date()
        return {"SINCE": received >= day, "BEFORE": received < day, "ON": received == day}[word]

    return test


def _day(text: str) -> date:
    parts = text.split("-")
    if len(parts) != 3 or parts[1].capitalize() not in _MONTHS or not (parts[0] + parts[2]).isdigit():
        raise BadCommand(f"{text} is no date like 1-Feb-2026")
    try:
        return date(int(parts[2]), _MONTHS.index(parts[1].capitalize()) + 1, int(parts[0]))
    except ValueError as error:
        raise BadCommand(f"{text} is no date") from error


def _header(message: Message, name: str) -> str:
    if name.lower() in ("subject", "from", "to"):  # searched as they are read
        found = [value for known, value in read(message.raw, 0.0).headers if known.lower() == name.lower()]
    else:
        parsed = email.message_from_bytes(message.raw, policy=email.policy.compat32)
        # A header that is there matches the empty string; one that is missing matches nothing.
        found = [str(value) for value in parsed.get_all(name, [])]
    return " ".join(found) if found else "\0"


def _whole(message: Message, *, with_headers: bool) -> str:
    letter = read(message.raw, 0.0)
    text = f"{letter.text}\n{letter.html}"
    return text if not with_headers else "\n".join([*(f"{name}: {value}" for name, value in letter.headers), text])
