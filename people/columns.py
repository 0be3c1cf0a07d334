"""Which column of a stranger's table holds what, guessed from its heading."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from people.text import fold

# Field -> its headings between commas, folded, without the words of _FILLER; Spanish and English, as exports name them.
HEADINGS: dict[str, str] = {
    "name": (
        "nombre, name, nombre completo, full name, fullname, nombre y apellido, nombre y apellidos, display name, "
        "nombre visible, profile name, contacto, contact, cliente, customer"
    ),
    "first_name": "primer nombre, first name, firstname, nombres, given name, nombre de pila",
    "last_name": "apellido, apellidos, last name, lastname, surname, family name",
    "phone": (
        "telefono, telefonos, phone, phone number, phonenumber, numero, numero telefono, numero telefonico, celular, "
        "movil, telefono celular, telefono movil, tel, cel, mobile, mobile phone, whatsapp, whatsapp number, numero "
        "whatsapp, telefono whatsapp, wa id, waid"
    ),
    "email": "correo, correo electronico, email, e mail, mail, email address, correos, direccion correo, emails",
    "instagram_username": (
        "instagram, instagram username, usuario instagram, ig username, usuario ig, instagram user, instagram handle, "
        "ig, ig handle, perfil instagram, instagram usuario, cuenta instagram"
    ),
    "username": "usuario, username, user name, handle, nombre usuario, user, alias",
    "instagram_id": "instagram id, id instagram, igsid, ig id, id ig, instagram scoped id, instagram user id, ig user id",
    "messenger_id": "messenger id, id messenger, psid, messenger psid, page scoped id, messenger user id",
    "facebook_id": "facebook id, id facebook, fb id, fbid, facebook user id",
    "platform_id": (
        "platform id, platform user id, id plataforma, identificador, identifier, external id, id externo, channel "
        "id, id canal, user id, id usuario, chat id"
    ),
    "vambe_id": "vambe id, id vambe, id, contact id, contactid, vambe contact id, id contacto, uuid, identificador vambe",
    "channel": (
        "canal, channel, origen, fuente, source, plataforma, platform, canal origen, origen lead, lead source, red "
        "social, medio, channel type, channel name, tipo canal, canal entrada, procedencia"
    ),
    "tags": "etiquetas, etiqueta, tags, tag, labels, label, segmento, segmentos, segments",
    "stage": "etapa, stage, estado, status, estatus, pipeline stage, etapa embudo, fase, etapa venta, lifecycle stage",
    "notes": "notas, nota, notes, note, comentarios, comentario, comments, observaciones, descripcion, description",
    "created": (
        "fecha creacion, creado, creado el, created, created at, createdat, creation date, fecha, fecha alta, alta, "
        "fecha registro, date, date created, primer contacto, first contact, first seen, fecha ingreso, fecha primer "
        "mensaje, creation time"
    ),
    "city": "ciudad, city, poblacion, localidad, municipio",
    "campaign": (
        "campana, campaign, nombre campana, campaign name, utm campaign, google ads campaign, campana google ads, "
        "campana google"
    ),
    "ad_group": "grupo anuncios, ad group, adgroup, ad set, adset, conjunto anuncios, adset name, ad group name",
    "ad": "anuncio, ad, ad name, nombre anuncio, creative, utm content",
    "keyword": "palabra clave, keyword, utm term, termino, keywords",
    "gclid": "gclid, google click id, click id",
    "utm_source": "utm source",
    "utm_medium": "utm medium",
    "lead": "google ads, lead google ads, google ads lead, es lead google ads, lead google, google lead",
}
FIELDS = tuple(HEADINGS)
KEYS = (
    "vambe_id", "phone", "email", "instagram_username", "username", "instagram_id", "messenger_id", "facebook_id",
    "platform_id",
)  # fmt: skip
_FILLER = frozenset({"de", "del", "el", "la", "los", "las", "contacto", "cliente", "lead", "customer", "persona"})
_BY_HEADING = {heading: field for field, headings in HEADINGS.items() for heading in headings.split(", ")}


class MapError(Exception):
    """A ``--map`` that cannot be followed, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Field -> positions of its columns, in their order; and the headings that nobody uses."""

    places: Mapping[str, tuple[int, ...]]
    headings: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def has_key(self) -> bool:
        """Whether any column can tell people apart."""
        return any(field in self.places for field in KEYS)

    def shown(self) -> list[tuple[str, str]]:
        """(heading, field) of the columns in use, in the order of the file."""
        used = sorted((place, field) for field, places in self.places.items() for place in places)
        return [(self.headings[place], field) for place, field in used]


def heading_key(heading: str) -> str:
    """A heading as it is compared: ``"Correo_Electrónico:"`` is ``correo electronico``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub("whats ?app", "whatsapp", heading, flags=re.IGNORECASE))
    return " ".join(re.sub(r"[^a-z0-9]+", " ", fold(spaced)).split())


def guess(heading: str) -> str | None:
    """The field of a heading, or None."""
    key = heading_key(heading)
    if key in _BY_HEADING:
        return _BY_HEADING[key]
    joined = " ".join(word for word in key.split() if word not in _FILLER)
    return _BY_HEADING.get(joined) or _BY_HEADING.get(key.replace(" ", ""))


def assign(headings: Sequence[str], mapped: Mapping[str, str] | None = None) -> Columns:
    """Give each column its field. ``mapped``: folded heading -> field ("" for "leave it out"), which wins over guesses."""
    wanted = mapped or {}
    places: dict[str, list[int]] = {}
    unused = []
    for place, heading in enumerate(headings):
        key = heading_key(heading)
        field = wanted[key] if key in wanted else guess(heading)
        if field:
            places.setdefault(field, []).append(place)
        elif heading.strip():
            unused.append(heading.strip())
    fixed = {field: tuple(found) for field, found in places.items()}
    return Columns(places=fixed, headings=tuple(h.strip() for h in headings), unused=tuple(unused))


def read_map(options: Sequence[str]) -> dict[str, str]:
    """Read ``--map column=field`` options; ``column=`` leaves a column out. Raises ``MapError``."""
    found: dict[str, str] = {}
    for option in options:
        heading, equals, field = option.rpartition("=")
        field = field.strip().lower()
        if not equals or not heading.strip():
            raise MapError(f'--map {option}: se escribe columna=campo, por ejemplo --map "Mi columna=phone"')
        if field and field not in HEADINGS:
            near = difflib.get_close_matches(field, FIELDS, 1)
            hint = f" ¿Querías decir {near[0]}?" if near else ""
            raise MapError(f"--map {option}: no hay un campo {field}.{hint} Los campos son: {', '.join(FIELDS)}")
        found[heading_key(heading)] = field
    return found
