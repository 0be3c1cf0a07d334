"""Headings as exports write them."""

from __future__ import annotations

import pytest

from people.columns import MapError, assign, guess, read_map


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Nombre", "name"),
        ("NOMBRE COMPLETO", "name"),
        ("Nombre del contacto", "name"),
        ("Full Name", "name"),
        ("fullName", "name"),
        ("Apellidos", "last_name"),
        ("Teléfono", "phone"),
        ("telefono_celular", "phone"),
        ("Número de WhatsApp", "phone"),
        ("phoneNumber", "phone"),
        ("Correo electrónico", "email"),
        ("E-mail:", "email"),
        ("Usuario de Instagram", "instagram_username"),
        ("IG Username", "instagram_username"),
        ("Instagram ID", "instagram_id"),
        ("IGSID", "instagram_id"),
        ("psid", "messenger_id"),
        ("Facebook ID", "facebook_id"),
        ("ID", "vambe_id"),
        ("ID de contacto", "vambe_id"),
        ("Canal de origen", "channel"),
        ("Source", "channel"),
        ("Etiquetas", "tags"),
        ("Etapa", "stage"),
        ("Fecha de creación", "created"),
        ("createdAt", "created"),
        ("Campaña", "campaign"),
        ("Color favorito", None),
        ("", None),
    ],
)
def test_a_heading_is_recognised(heading: str, field: str | None) -> None:
    assert guess(heading) == field


def test_the_persons_word_beats_the_guess() -> None:
    columns = assign(["Nombre", "Clave", "Canal"], read_map(["clave=phone", "Canal=", "Nombre=notes"]))
    assert columns.places == {"notes": (0,), "phone": (1,)}
    assert columns.unused == ("Canal",)


@pytest.mark.parametrize(
    ("option", "told"), [("x", "columna=campo"), ("x=telefono", "no hay un campo telefono"), ("x=phones", "phone?")]
)
def test_a_wrong_map_is_one_line(option: str, told: str) -> None:
    with pytest.raises(MapError) as raised:
        read_map([option])
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
