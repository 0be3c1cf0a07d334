"""What `omnicrm doctor` says of a database that cannot be used: one line of plain Spanish, with what to do."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote

import pytest

from omnicrm import doctor, spanish
from omnicrm.settings import Settings
from tests.support.postgres import OWNER, PASSWORD, Database, free_port

ENGLISH = re.compile(r"\b(?:connection|failed|refused|host|password|database|function|permission|denied|timeout|reached|not)\b")


async def trouble_with(**settings: Any) -> str:
    (finding,) = await doctor.check_database(Settings(**settings))
    assert finding.level == "error"
    assert not ENGLISH.search(finding.text), finding.text
    return finding.text


def supabase(address: str) -> dict[str, str]:
    return {"supabase_url": address, "supabase_secret_key": "sb_secret_x"}


async def test_a_port_where_nobody_listens() -> None:
    port = free_port()
    said = await trouble_with(database_url=f"postgresql://u:p@127.0.0.1:{port}/x")
    assert said == (
        f"El servidor «127.0.0.1» rechaza la conexión en el puerto {port}. Revisa DATABASE_URL y que la base esté encendida."
    )
    assert "El servidor rechaza la conexión. Revisa la dirección" in await trouble_with(**supabase(f"http://127.0.0.1:{port}"))


async def test_a_host_that_there_is_not() -> None:
    said = await trouble_with(database_url="postgresql://u:p@nowhere.invalid/x")
    assert said.startswith("No se encuentra el servidor «nowhere.invalid». Revisa la dirección en DATABASE_URL")
    assert "No se encuentra el servidor. Revisa" in await trouble_with(**supabase("https://nowhere.invalid"))


@pytest.mark.parametrize("password", ["sec@zeta", "sec/zeta"])
async def test_a_password_whose_signs_break_the_address_is_not_shown(password: str) -> None:
    said = await trouble_with(database_url=f"postgresql://u:{password}@127.0.0.1:5432/x")
    assert "@ es %40" in said
    assert "zeta" not in said


async def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    callers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: callers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    monkeypatch.setattr(doctor, "CHECK_SECONDS", 0.2)
    async with silent:
        for settings in ({"database_url": f"postgresql://u:p@127.0.0.1:{port}/x"}, supabase(f"http://127.0.0.1:{port}")):
            assert (await trouble_with(**settings)).startswith("No contestó a tiempo. Revisa la dirección y el puerto")
    for caller in callers:
        caller.close()
        await caller.wait_closed()


async def test_a_wrong_password(empty_database: Database) -> None:
    password = quote(PASSWORD, safe="")
    said = await trouble_with(database_url=empty_database.url.replace(password, "another"))
    assert said.startswith(f"La base no acepta la contraseña del usuario «{OWNER}». Copia otra vez usuario y contraseña")
    said = await trouble_with(database_url=empty_database.url.replace(f":{password}", ""))
    assert said.startswith("La base pide contraseña y DATABASE_URL no la lleva")


async def test_a_database_that_there_is_not(empty_database: Database) -> None:
    said = await trouble_with(database_url=empty_database.url.replace(empty_database.name, "tienda"))
    assert said.startswith("En ese servidor no existe la base «tienda». Corrige el final de DATABASE_URL")


async def test_functions_that_are_missing_or_forbidden(empty_database: Database) -> None:
    said = await trouble_with(database_url=empty_database.url)
    assert said.startswith("Se llega a la base, pero le faltan nuestras funciones. Corre `omnicrm migrate`")
    empty_database.run(
        "create function public.omnicrm_schema_version() returns int language sql as 'select 1';"
        "revoke execute on function public.omnicrm_schema_version() from public"
    )
    said = await trouble_with(database_url=empty_database.url)
    assert said.startswith("Se llega a la base, pero falta permiso. Usa la clave secreta")


# In the words of psycopg, libpq, PostgREST and Supabase's gateway.
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("connection timeout expired", "No contestó a tiempo."),
        ("Supabase cannot be reached: ReadTimeout", "No contestó a tiempo."),
        ("Supabase did not answer within 12 s", "No contestó a tiempo."),
        ('connection to server at "2600::1", port 5432 failed: Network is unreachable', "Esta máquina no llega hasta"),
        ("FATAL: Tenant or user not found", "Supabase no reconoce al usuario"),
        ('FATAL: role "ana" does not exist', "El usuario «ana» no existe"),
        ('FATAL: no pg_hba.conf entry for host "1.2.3.4", no encryption', "El servidor no deja entrar"),
        ("FATAL: sorry, too many clients already", "La base ya no acepta más conexiones."),
        ("FATAL: the database system is starting up", "La base está arrancando"),
        ("Could not find the function public.omnicrm_overview in the schema cache (PGRST202)", "Se llega a la base, pero le"),
        ("Invalid API key (401)", "Supabase no acepta la clave."),
        ("JWT expired (PGRST301)", "Supabase no acepta la clave."),
        ("Supabase answered 540 (540)", "Supabase no da servicio ahora (error 540)."),
        ("Supabase answered 200 without JSON", "En esa dirección no contesta la API de Supabase (código 200)."),
        ('connection is bad: invalid port number: "99999"', "DATABASE_URL está mal escrita"),
    ],
)
def test_other_troubles_have_words_of_their_own(trouble: str, said: str) -> None:
    assert (spanish.say_database(trouble) or "").startswith(said)


def test_what_has_no_words_is_left_to_be_quoted() -> None:
    assert spanish.say_database("a page of the disk is broken") is None
