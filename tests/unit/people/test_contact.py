"""One row as a contact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from people.columns import FIELDS
from people.contact import NO_KEY, Read, read_channel, read_date, read_email, read_row, read_username
from people.table import Row
from people.text import clean, tidy_name


def row(**cells: str) -> Row:
    return Row(place="2", cells={name: (value,) for name, value in cells.items()})


def read(**cells: str) -> Read:
    return read_row(1, row(**cells))


def test_a_full_row_is_read() -> None:
    made = read(
        name="  MARÍA   DE LA CRUZ ",
        phone="5215512345678",
        email=" ANA@Gmail.com ",
        instagram_username="@Ana.Mx",
        channel="ig dm",
        tags="VIP, mayoreo;vip",
        stage="Cliente",
        created="03/02/2025 10:30",
        vambe_id="v-1",
        campaign="Árnica",
    ).contact
    assert made is not None
    assert (made.name, made.phone, made.email, made.instagram_username) == (
        "María de la Cruz",
        "+525512345678",
        "ana@gmail.com",
        "ana.mx",
    )
    assert (made.channel, made.tags, made.customer, made.vambe_id) == ("Instagram", ("vip", "mayoreo"), True, "v-1")
    assert made.attribution == {
        "source": "vambe",
        "channel": "Instagram",
        "stage": "Cliente",
        "campaign": "Árnica",
        "first_seen": "2025-02-03T10:30:00-06:00",
    }


def test_a_name_alone_identifies_nobody() -> None:
    assert read(name="Ana").refused == NO_KEY


def test_a_row_of_nothing_is_blank() -> None:
    assert read(name=" ", email="N/A", phone="-").blank


def test_a_broken_value_is_left_out_and_told() -> None:
    made = read(email="ana@", vambe_id="1", phone="5.21551E+12")
    assert made.contact is not None
    assert made.problems == ("teléfono sin dígitos: Excel los recortó", "correo ilegible")
    assert made.contact.email is None


def test_a_row_whose_only_key_is_broken_says_which() -> None:
    assert read(email="ana@", name="Ana").refused == "correo ilegible"


@pytest.mark.parametrize(
    ("channel", "field"), [("Instagram", "instagram_id"), ("Messenger", "messenger_id"), ("WhatsApp", "phone")]
)
def test_an_id_of_the_platform_is_read_by_its_channel(channel: str, field: str) -> None:
    made = read(platform_id="5512345678", channel=channel).contact
    assert made is not None
    assert getattr(made, field) == ("+525512345678" if field == "phone" else "5512345678")


def test_an_id_that_a_spreadsheet_cut_is_not_used() -> None:
    assert read(instagram_id="17841470026191300", vambe_id="1").problems == ("id de Instagram ilegible",)


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("instagram", "Instagram"),
        ("Facebook Messenger", "Messenger"),
        ("GOOGLE ADS", "Google Ads"),
        ("wa", "WhatsApp"),
        ("Feria 2024", "Feria 2024"),
        ("", None),
    ],
)
def test_labels_of_channels(written: str, label: str | None) -> None:
    assert read_channel(written) == label


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("ANA@gmail.com", "ana@gmail.com"),
        ("mailto:a@b.mx", "a@b.mx"),
        ("<a@b.mx>", "a@b.mx"),
        ("x; a@b.mx", "a@b.mx"),
        ("ana@gmail", None),
        ("ana@@gmail.com", None),
        ("ana gmail.com", None),
        ("a@gmail,com", None),
    ],
)
def test_mails(written: str, read_as: str | None) -> None:
    assert read_email(written) == read_as


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("@Ana.Mx", "ana.mx"),
        ("https://www.instagram.com/ana_mx/?hl=es", "ana_mx"),
        ("instagram.com/ana", "ana"),
        ("ana maría", None),
        ("", None),
        ("17841470026191358", None),
    ],
)
def test_usernames(written: str, read_as: str | None) -> None:
    assert read_username(written) == read_as


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("2025-03-01T10:00:00.123Z", "2025-03-01T10:00:00+00:00"),
        ("2025-03-01", "2025-03-01T00:00:00-06:00"),
        ("13/02/2025", "2025-02-13T00:00:00-06:00"),
        ("02/13/2025", "2025-02-13T00:00:00-06:00"),
        ("45717", "2025-03-01T00:00:00-06:00"),
        ("1740823200", "2025-03-01T10:00:00+00:00"),
        ("1/2/2025, 3:05 p. m.", "2025-02-01T15:05:00-06:00"),
        ("ayer", None),
        ("01/01/1900", None),
    ],
)
def test_dates(written: str, read_as: str | None) -> None:
    assert read_date(written) == read_as


@pytest.mark.parametrize(
    ("written", "tidy"),
    [
        ("JOSÉ LUIS PEÑA", "José Luis Peña"),
        ("ana de la cruz", "Ana de la Cruz"),
        ("McDonald O'Brien", "McDonald O'Brien"),
        ("ANA-SOFÍA", "Ana-Sofía"),
        ("  Ana   Ruiz ", "Ana Ruiz"),
        ("SPR DEL SUR", "SPR del Sur"),
        ("JL", "JL"),
    ],
)
def test_names_are_tidied_and_never_invented(written: str, tidy: str) -> None:
    assert tidy_name(written) == tidy
    assert tidy.casefold().split() == written.casefold().split()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("=HYPERLINK(1)", "HYPERLINK(1)"),
        ("+cmd|'/c calc'", "cmd|'/c calc'"),
        ("JosÃ© PeÃ±a", "José Peña"),
        ("a\x00b\x1b[31mc", "a b [31mc"),
        ("\ud800x", "x"),
        ("+52 55", "+52 55"),
        ("#N/A", ""),
        ("Null", ""),
    ],
)
def test_free_text_is_made_harmless(written: str, kept: str) -> None:
    assert clean(written) == kept


@given(st.dictionaries(st.sampled_from(FIELDS), st.tuples(st.text(max_size=60)), max_size=8))
def test_no_content_makes_a_row_fail_and_every_row_is_one_of_three(cells: dict[str, tuple[str]]) -> None:
    made = read_row(1, Row(place="1", cells=cells))
    assert [made.contact is not None, made.refused is not None, made.blank].count(True) == 1
    if made.contact is not None:
        text = repr(made.contact)
        assert "\\x00" not in text
        text.encode()
