from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from connectors.email.settings import require_email
from connectors.registry import PLATFORMS, build
from crm.embedded import EmbeddedServer
from crm.port import CrmMisconfigured, CrmUnavailable
from notify.settings import require_notify
from omnicrm import doctor, model, spanish
from omnicrm.cli import PROJECT
from omnicrm.migrate import read_migrations
from omnicrm.settings import Settings, SettingsError
from tests.support.stack import bot_environment, simulated

VERSION = int(read_migrations()[-1].version)
QUIET: dict[str, Any] = {"paused": [], "attention": [], "proposals": 0, "oldest_received_seconds": None}
META = {
    "META_ACCESS_TOKEN": "EAAx",
    "META_PAGE_ID": "1",
    "META_IG_ACCOUNT_ID": "2",
    "META_APP_SECRET": "s",
    "META_VERIFY_TOKEN": "v",
}

ALL = {
    **META,
    "WHAPI_TOKEN": "t",
    "WHAPI_CHANNEL_ID": "MANTIS-M72HC",
    "WHAPI_WEBHOOK_SECRET": "a-long-random-secret",
    "EMAIL_ADDRESS": "hola@eum.mx",
    "EMAIL_REPLY_SECRET": "a-long-random-text",
    "EMAIL_SMTP_URL": "smtps://smtp.eum.mx",
    "EMAIL_IMAP_URL": "imaps://imap.eum.mx",
    "EMAIL_PASSWORD": "x",
}


class Database:
    """A database that answers what it is told to, or fails with it."""

    wakes = False

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    async def call(self, function: str, /, **_: Any) -> Any:
        answer = self._answers[function.removeprefix("omnicrm_")]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def listen(self, channel: str = "") -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        pass


async def findings(**answers: Any) -> list[tuple[str, str]]:
    found = await doctor.check_schema(Database(**{"schema_version": VERSION, "overview": QUIET, **answers}))
    return [(finding.level, finding.text) for finding in found]


async def test_a_database_in_order_is_fine() -> None:
    assert [level for level, _ in await findings()] == ["ok"]


@pytest.mark.parametrize(
    ("answers", "level", "advice"),
    [
        ({"schema_version": VERSION - 1}, "error", "omnicrm migrate"),
        ({"schema_version": VERSION + 1}, "warning", "actualiza el programa"),
        ({"schema_version": CrmMisconfigured("permission denied for function")}, "error", "clave secreta"),
        ({"schema_version": CrmMisconfigured("of a new kind")}, "error", "pero así no sirve: «of a new kind». Si faltan"),
        ({"schema_version": CrmUnavailable("of a new kind")}, "error", "No contesta: «of a new kind». Revisa la dirección"),
    ],
)
async def test_what_is_wrong_with_the_database_comes_with_what_to_do(answers: dict[str, Any], level: str, advice: str) -> None:
    ((found, text),) = await findings(**answers)
    assert found == level
    assert advice in text


async def test_stopped_sends_waiting_people_and_old_messages_are_shown() -> None:
    overview = {
        "paused": [{"channel": "IG", "account": "2", "until": "…", "reason": "token vencido"}],
        "attention": [{"key": "ig:2:3", "reason": "…", "since": "…"}],
        "proposals": 2,
        "oldest_received_seconds": 600,
    }
    assert [level for level, _ in await findings(overview=overview)] == ["ok", "error", "warning", "warning", "warning"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("config.yml", "domain.yml", "credentials.yml", "endpoints.yml"):
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def test_a_missing_and_an_old_model_are_told_apart(project: Path) -> None:
    assert [(f.level, "omnicrm train" in f.text) for f in doctor.check_model(project)] == [("error", True)]
    ours = model.path_of(project)
    ours.parent.mkdir()
    ours.touch()
    assert [f.level for f in doctor.check_model(project)] == ["ok"]
    (project / "config.yml").write_text("pipeline: []\n", encoding="utf-8")
    assert [f.level for f in doctor.check_model(project)] == ["warning"]


async def test_the_channels_of_credentials_are_built_and_name_their_webhook(project: Path) -> None:
    async with httpx.AsyncClient() as http:
        found, platforms = doctor.check_channels(project, Settings.load(ALL, dotenv=None), http)
    assert [f.level for f in found] == ["ok"] * 5
    assert [platform.name for platform in platforms] == ["instagram", "messenger", "whatsapp", "email"]
    assert any("/api/v1" in f.text for f in found)


async def test_one_channel_without_settings_does_not_hide_the_others(project: Path) -> None:
    async with httpx.AsyncClient() as http:
        found, platforms = doctor.check_channels(project, Settings.load(META, dotenv=None), http)
    assert [platform.name for platform in platforms] == ["instagram", "messenger"]
    missing = "\n".join(f.text for f in found if f.level == "error")
    assert all(name in missing for name in ("WHAPI_TOKEN", "EMAIL_ADDRESS", "EMAIL_IMAP_URL"))


async def test_a_channel_without_its_settings_names_each_one(project: Path) -> None:
    async with httpx.AsyncClient() as http:
        found, platforms = doctor.check_channels(project, Settings.load({}, dotenv=None), http)
    assert platforms == []
    text = "\n".join(f.text for f in found if f.level == "error")
    assert all(f"Falta {name}, que Instagram necesita: ponlo en .env" in text for name in META)
    assert "missing" not in text


async def test_the_cause_of_a_channel_that_does_not_load_is_shown_where_rasa_says_misspelled(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "credentials.yml").write_text("broken_channel.Input:\nrest:\n", encoding="utf-8")
    (project / "broken_channel.py").write_text("import a_library_that_is_missing\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(project))
    async with httpx.AsyncClient() as http:
        found, _ = doctor.check_channels(project, Settings(), http)
    assert [f.level for f in found] == ["error", "warning"]
    assert "a_library_that_is_missing" in found[0].text


async def test_an_action_server_that_is_not_there_is_told(project: Path) -> None:
    (project / "endpoints.yml").write_text("action_endpoint: {url: 'http://127.0.0.1:9/webhook'}\n", encoding="utf-8")
    assert [(f.level, "rasa run actions" in f.text) for f in await doctor.check_actions(project)] == [("warning", True)]
    (project / "endpoints.yml").write_text("{}\n", encoding="utf-8")
    assert [f.level for f in await doctor.check_actions(project)] == ["error"]


async def test_wrong_settings_end_the_examination_with_a_line_each(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURST_SECONDS", "soon")
    said: list[str] = []
    assert await doctor.examine(project, said.append) == 1
    assert any("BURST_SECONDS está mal: su valor, 'soon', no es un número." in line for line in said)


def test_the_samples_among_the_knowledge_are_named() -> None:
    (finding,) = doctor.check_knowledge()
    assert finding.level == "warning"
    assert "productos.yml" in finding.text


def test_a_file_of_knowledge_that_cannot_be_read_is_said_with_its_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "precios.yml").write_text("- sin sentido", encoding="utf-8")
    monkeypatch.setattr(doctor.ara.knowledge.load, "__defaults__", (tmp_path,))
    (finding,) = doctor.check_knowledge()
    assert finding.level == "error"
    assert "precios.yml" in finding.text


def test_actions_that_may_outlive_the_lease_are_warned_of() -> None:
    late = [f.text for f in doctor.check_settings(Settings(lease_seconds=20.0)) if f.level == "warning"]
    assert any("ACTION_TIMEOUT_SECONDS" in text for text in late)
    assert not any("ACTION_TIMEOUT_SECONDS" in f.text for f in doctor.check_settings(Settings()))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder whose path the embedded database's user may pass."""
    made = Path(tempfile.mkdtemp(prefix="omnicrm-data-"))
    yield made
    shutil.rmtree(made)


async def test_a_database_that_answers_in_our_version_is_fine(settings: Settings) -> None:
    assert [(f.level, str(VERSION) in f.text) for f in await doctor.check_database(settings)] == [("ok", True)]


SUPABASE = "https://abc.supabase.co"


@pytest.mark.parametrize(
    ("settings_that_cannot_work", "said"),
    [
        ({"supabase_url": SUPABASE}, "Falta SUPABASE_SECRET_KEY, que SUPABASE_URL necesita: ponlo en .env (ver .env.example)"),
        ({"supabase_secret_key": "sb_secret_x"}, "Falta SUPABASE_URL, que SUPABASE_SECRET_KEY necesita: ponlo en .env"),
        ({"supabase_url": SUPABASE, "supabase_secret_key": "sb_publishable_x"}, "copia la de Supabase que empieza"),
        (
            {"supabase_url": SUPABASE, "supabase_secret_key": "sb_secret_…"},
            "SUPABASE_SECRET_KEY está mal: a su valor le faltan o le sobran letras. En .env, cópialo otra vez",
        ),
        ({"supabase_url": SUPABASE, "supabase_secret_key": "x"}, "copia la de Supabase que empieza con sb_secret_"),
        ({"database_url": "garbage"}, "DATABASE_URL no se puede leer: debe ser como postgresql://"),
        ({"database_url": "postgresql://u:[YOUR-PASSWORD]@h/d"}, "DATABASE_URL todavía dice [YOUR-PASSWORD]: pon ahí"),
        ({"data_dir": Path("/proc/nope")}, "no se puede usar /proc/nope (No such file or directory). Pon ahí una carpeta"),
    ],
)
async def test_database_settings_that_cannot_work_are_said_in_spanish_with_what_to_do(
    settings_that_cannot_work: dict[str, Any], said: str
) -> None:
    (finding,) = await doctor.check_database(Settings(**settings_that_cannot_work))
    assert finding.level == "error"
    assert said in finding.text


async def test_an_embedded_database_that_does_not_start_is_said_with_what_to_do(folder: Path) -> None:
    # Where initdb wants to work stands a file.
    (folder / "postgres.unfinished").touch()
    (finding,) = await doctor.check_database(Settings(data_dir=folder))
    assert finding.level == "error"
    assert "postgres.unfinished" in finding.text
    assert f"Revisa que haya espacio en el disco y que {folder} sea de este usuario." in finding.text


async def test_a_migration_that_fails_is_said_with_what_to_do(folder: Path) -> None:
    server = EmbeddedServer(folder)
    try:
        with psycopg.connect(server.dsn) as connection:
            connection.execute("create view public.clients as select 1 as id")
        settings = Settings(data_dir=folder)
        (finding,) = await doctor.check_database(settings)
        assert finding.level == "error"
        assert ".sql: " in finding.text
        assert "Corre `omnicrm migrate` otra vez" in finding.text
        # It is the database's trouble, and told as such once.
        assert all("migrate" not in f.text for f in await doctor.check_notices(settings))
    finally:
        server.close()


async def test_a_platform_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    callers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: callers.append(writer), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    monkeypatch.setattr(doctor, "CHECK_SECONDS", 0.2)
    async with silent, httpx.AsyncClient() as http:
        instagram = build("instagram", Settings.load({**META, "META_GRAPH_URL": address}, dotenv=None), http)
        (finding,) = await doctor.check_account(instagram)
    for caller in callers:
        caller.close()
        await caller.wait_closed()
    assert finding.level == "error"
    assert "revisa la conexión a internet" in finding.text


BROKEN = {
    "yaml": (b"a: [1\n- b:\n", "está mal escrito cerca del renglón 2: revisa la sangría"),
    "list": (b"- a\n- b\n", "debe ser una lista de nombres con dos puntos"),
    "latin-1": ("a: sí\n".encode("latin-1"), "no está en UTF-8: guárdalo como UTF-8"),
    "missing": (None, "no se puede leer (No such file or directory): recupéralo de git"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
async def test_broken_files_of_rasa_are_said_with_what_to_do(project: Path, content: bytes | None, said: str) -> None:
    for name in ("credentials.yml", "endpoints.yml"):
        (project / name).unlink()
        if content is not None:
            (project / name).write_bytes(content)
    async with httpx.AsyncClient() as http:
        channels, platforms = doctor.check_channels(project, Settings(), http)
    assert platforms == []
    assert [(f.level, f.text.startswith("credentials.yml "), said in f.text) for f in channels] == [("error", True, True)]
    actions = await doctor.check_actions(project)
    assert [(f.level, f.text.startswith("endpoints.yml "), said in f.text) for f in actions] == [("error", True, True)]


@pytest.mark.parametrize("endpoint", ["hola", "{url: 'http://h:port/webhook'}"])
async def test_an_endpoint_that_is_no_address_is_told(project: Path, endpoint: str) -> None:
    (project / "endpoints.yml").write_text(f"action_endpoint: {endpoint}\n", encoding="utf-8")
    (finding,) = await doctor.check_actions(project)
    assert finding.level != "ok"


# What people write by mistake; each setting refuses some of it, in words of its own.
MISTAKES = (
    "soon", "-1", "1e9", "http://", "http://h:0", "ftp://x/y", "https://h:99999", "https://h:port", "imaps://u:p@h",
    "http://example.com", "https://u:p@h/x", "https://h/a b", "https://h/x", "x y", "secreto…", "corto", "ZZ=1", "WA=x",
    "xyz 9:00-10:00", "lun-vie 18:00-9:00", "lun 9:00-25:00", "hoy", "13-01", "02-31", "2026-02-31", "22:00", "25:00-08:00",
    "08:00-08:00", "10.0.0.1/8", "nadie", "https://graph….facebook.com", "https://h\tx", "https://[::1", "https://[::g]/",
    "1\t2", "1\n2", "1\u200b2", "https://1.2.3.999", "https://xn--/", "https://a℀b/",
)  # fmt: skip


@pytest.mark.parametrize("name", [spec.name.upper() for spec in fields(Settings)])
def test_every_refused_value_is_said_in_spanish(name: str) -> None:
    for mistake in MISTAKES:
        try:
            Settings.load({name: mistake}, dotenv=None)
        except SettingsError as error:
            said = spanish.say(str(error))
            assert said, error
            assert said.startswith(f"{name} está mal: ")
            # So begins what has no words of its own in Spanish.
            assert "no se puede leer (" not in said
            assert "Corrígelo en .env" in said


async def test_everything_that_is_missing_is_said_in_spanish() -> None:
    lines: list[str] = []
    told = "webhook, email:a@b.mx, whatsapp:+525512345678"
    given = Settings.load({"WHAPI_GROUPS": "mentioned", "NOTIFY_DEFAULT": told}, None)
    oauth = Settings.load({**ALL, "EMAIL_PASSWORD": "", "EMAIL_OAUTH_CLIENT_ID": "1"}, None)
    no_password = Settings.load({**ALL, "EMAIL_PASSWORD": ""}, None)
    async with httpx.AsyncClient() as http:
        refused = [
            *(lambda name=name: build(name, given, http) for name in PLATFORMS),
            lambda: require_notify(given), lambda: require_email(oauth), lambda: require_email(no_password),
        ]  # fmt: skip
        for refuse in refused:
            with pytest.raises(SettingsError) as caught:
                refuse()
            lines += str(caught.value).splitlines()
    said = [spanish.say(line) or line for line in lines]
    assert "Falta META_ACCESS_TOKEN, que Instagram necesita: ponlo en .env (ver .env.example). Ejemplo: EAAG…" in said
    assert [text for text in said if not text.startswith("Falta ") or "ponlo en .env" not in text] == []
    assert [text for text in said if "missing" in text or "needs" in text or "NOTIFY_…" in text] == []


@pytest.mark.parametrize(
    ("name", "channel"), [("META_ACCESS_TOKEN", "messenger"), ("EMAIL_SENDGRID_PUBLIC_KEY", "email")]
)
async def test_a_key_that_was_copied_badly_is_to_be_copied_again(name: str, channel: str) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(SettingsError) as caught:
            build(channel, Settings.load({**ALL, name: "EAAG…"}, dotenv=None), http)
    assert (spanish.say(str(caught.value)) or "").startswith(f"{name} está mal: a su valor le faltan o le sobran letras.")


async def test_a_way_of_telling_the_staff_that_is_not_set_up_is_said_in_spanish(settings: Settings) -> None:
    told = Settings.load({"NOTIFY_DEFAULT": "webhook", "DATABASE_URL": settings.database_url}, dotenv=None)
    (finding,) = await doctor.check_notices(told)
    assert finding.level == "error"
    assert finding.text.startswith("Falta NOTIFY_WEBHOOK_URL, que los avisos por webhook necesitan: ponlo en .env")


@pytest.fixture
def healthy(project: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a model, whose platforms are the simulator and whose database is the embedded one."""
    made = model.path_of(project)
    made.parent.mkdir()
    made.touch()
    with simulated(tmp_path / "logs") as platforms:
        wanted = bot_environment("", platforms, DATA_DIR=str(folder))
        for name in set(os.environ) - set(wanted):
            monkeypatch.delenv(name)
        for name, value in wanted.items():
            monkeypatch.setenv(name, value)
        yield project


async def test_nothing_stands_in_the_way_of_a_bot_that_has_everything(healthy: Path) -> None:
    said: list[str] = []
    assert await doctor.examine(healthy, said.append) == 0, "\n".join(said)
    assert "Todo lo necesario está en orden." in said[-1]
    accounts = ("instagram", "messenger", "whatsapp", "email")
    assert [line.strip() for line in said if "Cuenta de" in line] == [f"Cuenta de {name}" for name in accounts]


@pytest.mark.parametrize(
    ("broken", "content"),
    [
        (".env", "BURST_SECONDS=soon\n"), (".env", "DATA_DIR=/proc/nope\n"), ("credentials.yml", "a: [\n"),
        ("endpoints.yml", "a: [\n"), (".env", "META_ACCESS_TOKEN=EAAwrong\n"),
    ],
)  # fmt: skip
async def test_each_thing_that_is_broken_ends_the_examination_with_1(
    healthy: Path, monkeypatch: pytest.MonkeyPatch, broken: str, content: str
) -> None:
    (healthy / broken).write_text(content, encoding="utf-8")
    monkeypatch.delenv(content.partition("=")[0], raising=False)  # the environment wins over .env
    said: list[str] = []
    assert await doctor.examine(healthy, said.append) == 1
    assert sum("✗" in line for line in said[:-1]) >= 1
    assert "lo marcado con ✗" in said[-1]
