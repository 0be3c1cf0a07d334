from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from crm.port import CrmMisconfigured, CrmUnavailable
from omnicrm import doctor, model
from omnicrm.cli import PROJECT
from omnicrm.migrate import read_migrations
from omnicrm.settings import Settings

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
        ({"schema_version": CrmUnavailable("connection refused")}, "error", "Revisa la dirección"),
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
    assert all(name in text for name in META)


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
    assert any("BURST_SECONDS" in line for line in said)


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
