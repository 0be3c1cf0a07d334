"""What is learned of a client from what is known already."""

from __future__ import annotations

import pytest

from connectors.message import Address
from connectors.platform import Profile
from people.findings import Known, Thread, learn, to_look_up


def known(**facts: object) -> Known:
    plain = {"id": "c1", "name": None, "phone": None, "email": None, "username": None}
    return Known(**{**plain, **facts})  # type: ignore[arg-type]


def thread(channel: str = "IG", checked: float | None = None) -> Thread:
    return Thread(id=7, address=Address(channel=channel, account="1", user="2"), checked_days=checked)  # type: ignore[arg-type]


def changes(client: Known, *profiles: tuple[Thread, Profile | None]) -> dict[str, str]:
    return {change.field: change.after for change in learn(client, profiles).fields}


def test_the_number_they_write_from_is_their_phone() -> None:
    assert changes(known(name="Ana", identities=(("whatsapp", "+525512345678", True),))) == {"phone": "+525512345678"}


def test_the_address_of_a_proven_mail_is_theirs_and_another_is_not() -> None:
    proven = known(name="Ana", identities=(("email", "a@b.mx", False), ("email", "ana@correo.mx", True)))
    assert changes(proven) == {"email": "ana@correo.mx"}


def test_what_they_said_beats_what_a_platform_says() -> None:
    client = known(said=(("name", "Ana Ruiz"),), texts=("me llamo Otra Persona",))
    assert changes(client, (thread(), Profile(name="anita 🌸")))["name"] == "Ana Ruiz"


def test_a_name_is_read_in_older_messages() -> None:
    assert changes(known(texts=("hola, me llamo ana ruiz",)))["name"] == "Ana Ruiz"


def test_a_profile_gives_name_and_username() -> None:
    assert changes(known(), (thread(), Profile(name="Ana", username="ana.mx"))) == {
        "name": "Ana",
        "instagram_username": "ana.mx",
    }


def test_what_is_there_is_only_put_in_order() -> None:
    client = known(name="JOSÉ  PEÑA", phone="55 1234 5678", email=" ANA@Correo.mx", said=(("name", "Otro"),))
    assert changes(client) == {"name": "José Peña", "phone": "+525512345678", "email": "ana@correo.mx"}
    assert changes(known(name="José Peña", phone="+525512345678", email="ana@correo.mx")) == {}


def test_what_cannot_be_read_stays_as_it_is() -> None:
    assert changes(known(name="X", phone="pregunta a Ana", email="no tiene")) == {}


def test_what_they_typed_is_a_claim_and_not_written() -> None:
    page = learn(known(name="Ana", texts=("mi cel es 55 1234 5678", "ana@correo.mx"), said=(("phone", "5512345678"),)))
    assert page.fields == []
    assert page.claims == [("c1", "phone", "+525512345678"), ("c1", "email", "ana@correo.mx")]


@pytest.mark.parametrize(
    ("client", "asked"),
    [
        (known(threads=(thread(),)), 1),
        (known(threads=(thread(checked=1.0),)), 0),
        (known(threads=(thread(checked=30.0),)), 1),
        (known(name="Ana", username="ana", threads=(thread(),)), 0),
        (known(name="Ana", threads=(thread(),)), 1),
        (known(name="Ana", threads=(thread("FB"),)), 0),
        (known(threads=(thread("EMAIL"),)), 0),
    ],
)
def test_only_gaps_that_a_profile_can_fill_are_looked_up(client: Known, asked: int) -> None:
    assert len(to_look_up(client, ["IG", "FB", "WA"])) == asked
