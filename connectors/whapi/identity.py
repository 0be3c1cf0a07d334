"""Who a chat is with: WhatsApp's ids to one canonical user. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import phonenumbers

from connectors.message import Json
from connectors.values import as_id

# What stands before the @ may name one of the person's devices behind a colon.
_PERSON = re.compile(r"([0-9]{5,32})(?::[0-9]+)?(?:@(?:s\.whatsapp\.net|c\.us))?")
_HIDDEN = re.compile(r"([0-9]{5,32})(?::[0-9]+)?@lid")
_GROUP = re.compile(r"[0-9][0-9-]*@g\.us")
# E.164: at most 15 digits.
_LONGEST_PHONE = 15
_MEXICO_OLD = re.compile(r"521([0-9]{10})")
_ARGENTINA_MOBILE = re.compile(r"\+549([0-9]{10})")
_BRAZIL_SHORT = re.compile(r"55([0-9]{2})([0-9]{8})")

ChatKind = Literal["person", "group", "newsletter", "story", "broadcast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """What a ``chat_id`` names. ``user`` is the same for all spellings of one person; ``phone`` (E.164) where it is known."""

    id: str
    kind: ChatKind
    user: str
    phone: str | None = None


def read_chat(value: Json) -> Chat | None:
    """The chat of an id; None for what has none of WhatsApp's forms.

    A person with a hidden number (``<digits>@lid``) is opaque: these digits are no phone number.
    """
    chat_id = as_id(value)
    if chat_id is None:
        return None
    person = _PERSON.fullmatch(chat_id)
    if person:
        return Chat(id=chat_id, kind="person", user=user_of(person[1]), phone=phone_of(person[1]))
    hidden = _HIDDEN.fullmatch(chat_id)
    if hidden:
        return Chat(id=chat_id, kind="person", user=f"lid:{hidden[1]}")
    if _GROUP.fullmatch(chat_id):
        return Chat(id=chat_id, kind="group", user=chat_id)
    if chat_id in ("status@broadcast", "stories"):
        return Chat(id=chat_id, kind="story", user=chat_id)
    if chat_id.endswith("@newsletter"):
        return Chat(id=chat_id, kind="newsletter", user=chat_id)
    if chat_id.endswith("@broadcast"):
        return Chat(id=chat_id, kind="broadcast", user=chat_id)
    return None


def phone_of(digits: str) -> str | None:
    """The number that a person would dial, in E.164; None for digits that are no phone number anywhere."""
    canonical = e164(digits)
    try:
        number = phonenumbers.parse(canonical, None)
    except phonenumbers.NumberParseException:
        return None
    return canonical if len(canonical) <= _LONGEST_PHONE + 1 and phonenumbers.is_possible_number(number) else None


def user_of(digits: str) -> str:
    """One name for one person, whichever form of their number WhatsApp uses: E.164, in Argentina without the mobile 9.

    WhatsApp writes Argentine mobiles with a 9 that people leave out; with and without it is the same line.
    """
    return _ARGENTINA_MOBILE.sub(r"+54\1", e164(digits))


def e164(digits: str) -> str:
    """International digits as E.164, the older forms that WhatsApp keeps brought up to date.

    Mexico: 521 and ten digits is the mobile form until 2019, today 52 and ten digits. Brazil: mobiles got a ninth digit;
    ids of older accounts lack it. Digits that no country has keep their form behind a plus.
    """
    old = _MEXICO_OLD.fullmatch(digits)
    if old:
        return f"+52{old[1]}"
    short = _BRAZIL_SHORT.fullmatch(digits)
    if short and not _is_valid(f"+{digits}") and _is_valid(f"+55{short[1]}9{short[2]}"):
        return f"+55{short[1]}9{short[2]}"
    try:
        number = phonenumbers.parse(f"+{digits}", None)
    except phonenumbers.NumberParseException:
        return f"+{digits}"
    if not phonenumbers.is_valid_number(number):
        # The library may read digits away (a trunk prefix) that an unknown number needs.
        return f"+{digits}"
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _is_valid(number: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return False
