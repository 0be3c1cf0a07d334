"""One person is one user, whichever form WhatsApp gives their number; a hidden id is never a number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.whapi.identity import e164, phone_of, read_chat, user_of

digits = st.text("0123456789", min_size=5, max_size=20)
ten_digits = st.text("0123456789", min_size=10, max_size=10)


@given(ten_digits)
def test_both_mexican_forms_are_one_user(national: str) -> None:
    old, new = read_chat(f"521{national}@s.whatsapp.net"), read_chat(f"52{national}@s.whatsapp.net")
    assert old and new
    assert old.user == new.user == f"+52{national}"
    assert old.phone == new.phone


@given(ten_digits)
def test_both_argentine_forms_are_one_user(national: str) -> None:
    # 9 and ten digits after 54 are a mobile; without the 9, a 9 in front would make it one.
    assume(not national.startswith("9"))
    assert user_of(f"549{national}") == user_of(f"54{national}")


@pytest.mark.parametrize("area", ["11", "21", "31", "51", "71", "85"])
def test_a_brazilian_mobile_is_one_user_with_and_without_its_ninth_digit(area: str) -> None:
    assert user_of(f"55{area}87654321") == user_of(f"55{area}987654321") == f"+55{area}987654321"


def test_a_brazilian_landline_gets_no_ninth_digit() -> None:
    assert user_of("551133334444") == "+551133334444"


@given(digits)
def test_any_digits_are_a_user_and_a_phone_only_where_a_country_has_them(number: str) -> None:
    chat = read_chat(f"{number}@s.whatsapp.net")
    assert chat is not None
    assert chat.user.startswith("+")
    assert chat.user[1:].isdigit()
    assert chat.phone is None or (chat.phone == e164(number) and len(chat.phone) <= 16)
    # What is canonical stays as it is.
    assert user_of(chat.user[1:]) == chat.user


@given(digits)
def test_hidden_ids_never_become_a_phone(number: str) -> None:
    chat = read_chat(f"{number}@lid")
    assert chat is not None
    assert (chat.user, chat.phone) == (f"lid:{number}", None)


@given(ten_digits)
def test_a_hidden_id_is_not_the_person_with_these_digits(national: str) -> None:
    hidden, shown = read_chat(f"521{national}@lid"), read_chat(f"521{national}@s.whatsapp.net")
    assert hidden and shown and hidden.user != shown.user


@given(st.one_of(st.text(), st.integers(), st.none(), st.floats(), st.lists(st.text()), st.binary()))
def test_nothing_that_is_no_chat_makes_trouble(value: Any) -> None:
    chat = read_chat(value)
    assert chat is None or chat.id == str(value).strip()


@pytest.mark.parametrize(
    ("number", "phone"),
    [
        ("5215512345678", "+525512345678"),
        ("5491123456789", "+5491123456789"),
        ("553187654321", "+5531987654321"),
        ("14155552671", "+14155552671"),
        ("390612345678", "+390612345678"),
        ("69385314111689", None),
        ("99912345678", None),
        ("12345", None),
    ],
)
def test_phones_are_what_a_person_would_dial(number: str, phone: str | None) -> None:
    assert phone_of(number) == phone


@pytest.mark.parametrize(
    ("chat_id", "kind"),
    [
        ("5215512345678@s.whatsapp.net", "person"),
        ("5215512345678@c.us", "person"),
        ("5215512345678:12@s.whatsapp.net", "person"),
        ("5215512345678", "person"),
        ("69385314111689@lid", "person"),
        ("120363194291670000@g.us", "group"),
        ("5215512345678-1600000000@g.us", "group"),
        ("120363171744447809@newsletter", "newsletter"),
        ("status@broadcast", "story"),
        ("stories", "story"),
        ("1234567890@broadcast", "broadcast"),
    ],
)
def test_what_kind_of_chat_it_is(chat_id: str, kind: str) -> None:
    chat = read_chat(chat_id)
    assert chat is not None and (chat.kind, chat.id) == (kind, chat_id)


@pytest.mark.parametrize(
    "chat_id", ["", "ana@example.com", "٣٣٣٣٣٣@s.whatsapp.net", "12345@s.whatsapp.net.evil", "1" * 300, None, 7.5]
)
def test_what_is_no_chat(chat_id: Any) -> None:
    assert read_chat(chat_id) is None
