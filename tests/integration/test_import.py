"""Imports against a real PostgreSQL: what the report says is what happens, and all of it can be taken back."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connectors.message import Address, Contact, Inbound
from crm.port import Crm, CrmRejected
from omnicrm.cli import PROJECT
from omnicrm.migrate import migrate
from omnicrm.settings import Settings
from people.batches import undo
from people.database import connection, told
from people.importing import Accounts, Report, run_import
from people.phones import read_phone
from people.reading import open_table
from tests.contract.test_migrations import owners_database
from tests.support.events import WHATSAPP, inbound, receive
from tests.support.postgres import Database
from tests.support.vambe import FIELDS, HEADINGS, Export, Truth, make, write_csv, write_json, write_xlsx

ACCOUNTS = Accounts(instagram="17841470026191358", page="104098558513421")
WRITERS: dict[str, Callable[[Export, Path], Path]] = {
    "csv": write_csv,
    "csv ; BOM": lambda export, path: write_csv(export, path, separator=";", encoding="utf-8-sig"),
    "csv tab utf-16 English": lambda export, path: write_csv(export, path, separator="\t", encoding="utf-16", language="en"),
    "csv Windows-1252": lambda export, path: write_csv(export, path, encoding="cp1252", newline="\n"),
    "csv mixed encodings |": lambda export, path: write_csv(export, path, separator="|", mixed=True),
    "xlsx": write_xlsx,
    "xlsx with a title and another sheet": lambda export, path: write_xlsx(export, path, title=True),
    "json": write_json,
    "json wrapped Spanish": lambda export, path: write_json(export, path, shape="wrapped", language="es"),
    "json lines": lambda export, path: write_json(export, path, shape="lines"),
}
TABLES = {
    "clients": "select to_jsonb(c) - 'updated_at' from public.clients c",
    "identities": "select to_jsonb(i) from omnicrm.client_identities i",
    "people": "select to_jsonb(p) from omnicrm.people p",
    "proposals": "select to_jsonb(p) from omnicrm.proposals p",
    "conversations": "select to_jsonb(v) from public.conversations v",
    "stages": "select to_jsonb(s) from omnicrm.stage_changes s",
}


def content(database: Database) -> dict[str, list[str]]:
    """All that an import may touch."""
    return {name: sorted(str(row) for (row,) in database.run(query)) for name, query in TABLES.items()}


def bring(database: Database, path: Path, *, apply: bool = True, accounts: Accounts = ACCOUNTS) -> Report:
    with connection(Settings(database_url=database.url)) as connected:
        return run_import(connected, open_table(path), source=path.name, by="prueba", accounts=accounts, apply=apply)


def take_back(database: Database, batch: int) -> dict[str, Any]:
    with connection(Settings(database_url=database.url)) as connected:
        return undo(connected, batch, "prueba")


def small(path: Path, *rows: dict[str, str]) -> Path:
    """A file with these rows, by field."""
    cells = [tuple({**dict.fromkeys(FIELDS, ""), **row}[name] for name in FIELDS) for row in rows]
    return write_csv(Export(rows=cells, truth=Truth()), path)


def client(database: Database, **columns: str) -> str:
    names = ", ".join(columns)
    marks = ", ".join(["%s"] * len(columns))
    return str(database.run(f"insert into public.clients ({names}) values ({marks}) returning id", *columns.values())[0][0])


def writes(user: str) -> Inbound:
    """This Instagram user writes to the shop."""
    return inbound(address=Address(channel="IG", account=ACCOUNTS.instagram, user=user))


@pytest.mark.parametrize("kind", WRITERS)
def test_the_report_says_what_the_file_holds(database: Database, tmp_path: Path, kind: str) -> None:
    export = make(7)
    report = bring(database, WRITERS[kind](export, tmp_path / "contactos"), apply=False)
    truth = export.truth
    assert truth.people == 846
    assert (report.tally.rows, report.tally.blank, len(report.tally.refused)) == (truth.rows, truth.blank, truth.refused)
    assert report.tally.channels == truth.channels
    assert report.tally.without_phone == truth.rows - truth.blank
    assert report.outcomes == truth.outcomes
    assert len(report.tally.problems) == truth.broken_mails
    assert database.run("select count(*) from public.clients") == [(0,)]
    assert database.run("select count(*) from omnicrm.batches") == [(0,)]


def test_the_rehearsal_and_the_real_thing_say_the_same(database: Database, tmp_path: Path) -> None:
    path = write_csv(make(3), tmp_path / "x.csv")
    rehearsed, real = bring(database, path, apply=False), bring(database, path)
    assert (rehearsed.outcomes, rehearsed.channels, rehearsed.filled) == (real.outcomes, real.channels, real.filled)
    assert database.run("select count(*) from public.clients") == [(846,)]
    assert database.run("select attribution ->> 'channel', count(*) from omnicrm.people group by 1 order by 2") == [
        ("Messenger", 43),
        (None, 199),
        ("Google Ads", 210),
        ("Instagram", 394),
    ]


def test_a_second_time_changes_nothing_in_any_format(database: Database, tmp_path: Path) -> None:
    export = make(5)
    bring(database, write_csv(export, tmp_path / "x.csv"))
    before = content(database)
    for name, write in (("csv", write_csv), ("xlsx", write_xlsx), ("json", write_json)):
        again = bring(database, write(export, tmp_path / f"again.{name}"))
        assert not again.changes
        assert again.outcomes == {"same": 846, "joined": export.truth.joined}
    assert content(database) == before
    assert database.run("select count(*) from omnicrm.batches") == [(1,)]


def test_columns_and_identities_stay_in_step(database: Database, tmp_path: Path) -> None:
    bring(database, write_csv(make(6, with_phone=True), tmp_path / "x.csv"))
    astray = """select count(*) from public.clients c cross join lateral omnicrm.named_by_columns(c) n where not exists (
        select from omnicrm.client_identities i where i.client_id = c.id and i.kind = n.kind and i.value = n.value)"""
    assert database.run(astray) == [(0,)]
    kinds = database.run("select kind, source, account, count(*) from omnicrm.client_identities group by 1, 2, 3 order by 1")
    assert ("instagram_username", "import", ACCOUNTS.instagram, 394) in kinds
    assert ("vambe", "import", "", 846) in kinds
    assert ("messenger", "import", ACCOUNTS.page, 43) in kinds


@pytest.fixture(scope="module")
def busy_database(postgres_server: Any, template: Database) -> Iterator[Database]:
    made = postgres_server.create_database(template)
    yield made
    postgres_server.drop_database(made)


@pytest.mark.parametrize("seed", range(12))
def test_apply_and_undo_leave_the_database_as_it_was(busy_database: Database, tmp_path: Path, seed: int) -> None:
    database, random_ = busy_database, random.Random(seed)
    export = make(seed, people=60, with_phone=bool(seed % 2))
    columns = {
        "vambe_id": "vambe_contact_id",
        "name": "name",
        "email": "email",
        "psid": "messenger_id",
        "igsid": "instagram_id",
    }
    for row in random_.sample(export.rows, 25):
        cells = {columns[name]: value for name, value in zip(FIELDS, row, strict=True) if value and name in columns}
        kept = {name: value for name, value in cells.items() if random_.random() < 0.5}
        if kept:
            known = client(database, **kept)
            database.run("update omnicrm.people set tags = '{vip}' where client_id::text = %s", known)
    before = content(database)
    report = bring(database, write_csv(export, tmp_path / "x.csv"))
    assert report.outcomes["updated"] > 0
    assert content(database) != before
    done = take_back(database, report.batch)
    assert done["left"] == []
    assert content(database) == before


async def test_who_wrote_since_stays(database: Database, crm: Crm, tmp_path: Path) -> None:
    known = client(database, name="Ana", vambe_contact_id="v2")
    path = small(
        tmp_path / "x.csv",
        {"vambe_id": "v1", "name": "Beto", "igsid": "900000000001", "channel": "Instagram"},
        {"vambe_id": "v2", "name": "Ana", "igsid": "900000000002", "channel": "Instagram", "email": "ana@correo.mx"},
        {"vambe_id": "v3", "name": "Caro", "channel": "Messenger"},
    )
    report = bring(database, path)
    await receive(crm, writes("900000000001"))
    await receive(crm, writes("900000000002"))
    done = take_back(database, report.batch)
    assert done["removed"] == 1
    assert sorted(why for _, why in done["left"]) == ["writes", "wrote"]
    kept = database.run("select name, instagram_id, email from public.clients order by name")
    assert kept == [("Ana", "900000000002", None), ("Beto", "900000000001", None)]
    assert [client_id for client_id, why in done["left"] if why == "writes"] == [known]
    again = await receive(crm, writes("900000000002"))
    assert again[0]["stored"] is True
    assert database.run("select count(*) from public.clients") == [(2,)]


async def test_a_phone_that_somebody_writes_from_since_stays(database: Database, crm: Crm, tmp_path: Path) -> None:
    client(database, name="Ana", vambe_contact_id="v1")
    report = bring(database, small(tmp_path / "x.csv", {"vambe_id": "v1", "phone": "5512345678", "email": "ana@correo.mx"}))
    await receive(crm, inbound(address=WHATSAPP, contact=Contact(phone="+525512345678")))
    assert database.run("select count(*) from public.clients") == [(1,)]
    assert [why for _, why in take_back(database, report.batch)["left"]] == ["writes"]
    assert database.run("select phone, email from public.clients") == [("+525512345678", None)]
    kinds = database.run("select kind from omnicrm.client_identities order by 1")
    assert kinds == [("phone",), ("vambe",), ("whatsapp",)]


def test_what_somebody_changed_since_stays(database: Database, tmp_path: Path) -> None:
    known = client(database, vambe_contact_id="v2")
    report = bring(
        database,
        small(
            tmp_path / "x.csv",
            {"vambe_id": "v1", "name": "Beto"},
            {"vambe_id": "v2", "name": "Ana", "email": "ana@correo.mx", "tags": "vip, mayoreo"},
        ),
    )
    database.run("update public.clients set name = 'Roberto' where vambe_contact_id = 'v1'")
    database.run("update public.clients set name = 'Ana Ruiz' where vambe_contact_id = 'v2'")
    database.run("update omnicrm.people set tags = array_remove(tags, 'vip') || '{nueva}' where client_id::text = %s", known)
    done = take_back(database, report.batch)
    assert done["removed"] == 0
    assert sorted(why for _, why in done["left"]) == ["changed", "changed"]
    assert database.run("select name, email from public.clients order by name") == [("Ana Ruiz", None), ("Roberto", None)]
    assert database.run("select tags from omnicrm.people where client_id::text = %s", known) == [(["nueva"],)]


def test_a_client_that_other_software_points_at_stays(database: Database, tmp_path: Path) -> None:
    report = bring(database, small(tmp_path / "x.csv", {"vambe_id": "v1"}, {"vambe_id": "v2"}))
    database.run(
        """create table public."facturas de la tienda" (
            id int primary key, "cliente" uuid references public.clients (id) on delete cascade);
        alter table public."facturas de la tienda" owner to shop_owner;
        insert into public."facturas de la tienda" select 1, id from public.clients where vambe_contact_id = 'v1'"""
    )
    done = take_back(database, report.batch)
    assert (done["removed"], [why for _, why in done["left"]]) == (1, ["used"])
    assert database.run('select count(*) from public."facturas de la tienda"') == [(1,)]


def test_a_second_undo_says_so_and_an_unknown_batch_too(database: Database, tmp_path: Path) -> None:
    report = bring(database, small(tmp_path / "x.csv", {"vambe_id": "v1"}))
    take_back(database, report.batch)
    with pytest.raises(CrmRejected) as twice:
        take_back(database, report.batch)
    with pytest.raises(CrmRejected) as unknown:
        take_back(database, 99)
    assert (twice.value.sqlstate, unknown.value.sqlstate) == ("OC409", "OC404")


def test_nothing_is_overwritten_and_contradictions_are_told(database: Database, tmp_path: Path) -> None:
    client(database, name="Ana Ruiz", phone="55 1234 5678", email="ana@correo.mx")
    path = small(
        tmp_path / "x.csv",
        {"phone": "5215512345678", "name": "Anita", "email": "otra@correo.mx", "username": "ana.mx", "channel": "Instagram"},
    )
    report = bring(database, path)
    assert report.outcomes == {"updated": 1}
    assert report.notes == (("2", "email", "differs"), ("2", "name", "differs"))
    assert database.run("select name, phone, email, instagram_username from public.clients") == [
        ("Ana Ruiz", "55 1234 5678", "ana@correo.mx", "ana.mx")
    ]
    assert database.run("select count(*) from omnicrm.client_identities where value = 'otra@correo.mx'") == [(0,)]
    assert not bring(database, path).changes


def test_keys_of_two_clients_join_nobody_and_a_person_decides(database: Database, tmp_path: Path) -> None:
    one, two = client(database, phone="+525512345678"), client(database, email="ana@correo.mx")
    before = content(database)["clients"]
    path = small(tmp_path / "x.csv", {"phone": "5512345678", "email": "ana@correo.mx", "name": "Ana"})
    report = bring(database, path)
    assert (report.outcomes, report.ambiguous, report.proposals) == ({"ambiguous": 1}, ("2",), 1)
    assert content(database)["clients"] == before
    pairs = database.run("select client_a::text, client_b::text, status from omnicrm.proposals")
    assert [{a, b} for a, b, _ in pairs] == [{one, two}]
    assert not bring(database, path).changes
    take_back(database, report.batch)
    assert database.run("select count(*) from omnicrm.proposals") == [(0,)]


def test_a_phone_that_a_client_only_said_to_have_joins_nobody(database: Database, tmp_path: Path) -> None:
    stranger = client(database, name="Quien sea")
    database.run(
        """insert into omnicrm.client_identities (kind, value, account, client_id, source, verified)
        select 'phone', '+525512345678', '', id, 'said', false from public.clients"""
    )
    path = small(
        tmp_path / "x.csv", {"vambe_id": "v1", "phone": "5512345678", "name": "Ana"}, {"phone": "5512345678", "name": "Eva"}
    )
    report = bring(database, path)
    assert report.outcomes == {"created": 1, "left_out": 1}
    assert report.notes == (("2", "phone", "said"), ("3", "phone", "said"))
    assert database.run("select phone from public.clients where vambe_contact_id = 'v1'") == [(None,)]
    assert database.run("select count(*) from omnicrm.proposals where %s in (client_a::text, client_b::text)", stranger) == [
        (1,)
    ]
    assert not bring(database, path).changes


def test_an_address_that_many_share_joins_nobody(database: Database, tmp_path: Path) -> None:
    rows = [{"vambe_id": f"v{n}", "email": "ventas@tienda.mx", "name": f"Persona {chr(65 + n)}"} for n in range(8)]
    report = bring(database, small(tmp_path / "x.csv", *rows))
    assert report.outcomes == {"created": 8}
    assert {reason for _, _, reason in report.notes} == {"shared"}
    assert database.run("select count(*) from public.clients where email is not null") == [(0,)]


def test_rows_of_one_person_are_joined_through_each_other(database: Database, tmp_path: Path) -> None:
    path = small(
        tmp_path / "x.csv",
        {"vambe_id": "v1", "phone": "5512345678"},
        {"vambe_id": "v2", "email": "ana@correo.mx", "tags": "vip"},
        {"vambe_id": "v3", "phone": "+52 1 55 1234 5678", "email": "ANA@correo.mx", "name": "Ana", "tags": "mayoreo"},
    )
    report = bring(database, path)
    assert report.outcomes == {"created": 1, "joined": 2}
    assert database.run("select name, phone, email, vambe_contact_id from public.clients") == [
        ("Ana", "+525512345678", "ana@correo.mx", "v1")
    ]
    assert database.run("select tags from omnicrm.people") == [(["vip", "mayoreo"],)]
    assert database.run("select count(*) from omnicrm.client_identities where kind = 'vambe'") == [(3,)]


def test_names_alone_never_match(database: Database, tmp_path: Path) -> None:
    client(database, name="Ana Ruiz")
    report = bring(
        database, small(tmp_path / "x.csv", {"name": "Ana Ruiz", "vambe_id": "v1"}, {"name": "Ana Ruiz", "vambe_id": "v2"})
    )
    assert report.outcomes == {"created": 2}


def test_content_that_looks_like_code_is_only_content(database: Database, tmp_path: Path) -> None:
    evil = "Robert'); drop table public.clients; --"
    report = bring(
        database, small(tmp_path / "x.csv", {"vambe_id": "v'1", "email": "a@b.mx", "name": evil, "notes": "\\.\n\\N\t{}"})
    )
    assert report.outcomes == {"created": 1}
    assert database.run("select name from public.clients") == [(evil,)]


@pytest.mark.parametrize("id_type", ["uuid", "bigint"])
def test_the_owners_own_tables_are_imported_into(empty_database: Database, tmp_path: Path, id_type: str) -> None:
    owners_database(empty_database, id_type)
    migrate(empty_database.url)
    before = content(empty_database)
    report = bring(empty_database, small(tmp_path / "x.csv", {"phone": "5512345678", "vambe_id": "v1"}, {"vambe_id": "v2"}))
    assert report.outcomes == {"updated": 1, "created": 1}
    assert take_back(empty_database, report.batch)["removed"] == 1
    assert content(empty_database) == before


def test_two_imports_at_once_do_not_mix(database: Database, tmp_path: Path) -> None:
    path = small(tmp_path / "x.csv", {"vambe_id": "v1"})
    with psycopg.connect(database.url) as other:
        other.execute("select omnicrm.open_batch('import', 'x', 'y')")
        with pytest.raises(CrmRejected, match="Otra importación"):
            bring(database, path)
    assert bring(database, path).outcomes == {"created": 1}


def test_an_apply_that_is_killed_leaves_nothing(database: Database, tmp_path: Path) -> None:
    path = write_csv(make(2, people=3000), tmp_path / "x.csv")
    before = content(database)
    seen = threading.Event()
    environment = {**os.environ, "DATABASE_URL": database.url}
    command = [sys.executable, "-m", "omnicrm", "import", "vambe", str(path), "--apply"]
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    activity = "select count(*) from pg_stat_activity where application_name = 'omnicrm import'"
    writing = f"{activity} and query ~ 'import_(create|fill|know)'"
    while process.poll() is None:
        if database.run(writing) != [(0,)]:
            process.send_signal(signal.SIGKILL)
            seen.set()
            break
    process.wait()
    assert seen.is_set()
    while database.run(activity) != [(0,)]:
        pass
    assert content(database) == before
    assert database.run("select count(*) from omnicrm.batches") == [(0,)]
    assert bring(database, path).outcomes["created"] == 3000


def test_python_and_the_database_read_phones_alike(database: Database) -> None:
    random_ = random.Random(1)
    written = ["+", "00", "+52", "52", "521", "+521", "044", "045", "01", "", "+1", "+34", "0052", "(55)", "tel: ", "whatsapp:"]
    numbers = []
    for _ in range(3000):
        digits = "".join(random_.choices("0123456789", k=random_.choice((7, 8, 9, 10, 10, 10, 11, 12, 13))))
        spaced = digits if random_.random() < 0.5 else " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))
        numbers.append(random_.choice(written) + spaced)
    rows = database.run("select n, omnicrm.canonical_phone(n) from unnest(%s::text[]) n", numbers)
    # Numbers that their country cannot have given out are refused here, where a whole table of them may come.
    apart = [(number, there, read_phone(number)) for number, there in rows if there != read_phone(number)]
    assert [case for case in apart if case[1] is None or case[1].startswith("+52") or case[2] is not None] == []
    assert len([number for number, there in rows if there is not None]) > 500


def test_a_database_that_is_not_migrated_is_told(empty_database: Database, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="omnicrm migrate"):
        bring(empty_database, small(tmp_path / "x.csv", {"vambe_id": "v1"}))
    assert told(psycopg.errors.UndefinedTable()).args


def test_heading_variants_are_all_known() -> None:
    assert all(len(headings) == len(FIELDS) for headings in HEADINGS.values())
