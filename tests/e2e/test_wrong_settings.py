"""`rasa run` and `rasa run actions` with settings that cannot work: a line each, status 1, no traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import PROJECT, bot_environment, for_bot

pytestmark = pytest.mark.slow

NEXT_STEP = "`omnicrm doctor` says in Spanish what to do."
SETTING = re.compile(r"(?:[A-Z]+_[A-Z_]+\b|\.env:).*")
META = {"META_ACCESS_TOKEN", "META_PAGE_ID", "META_IG_ACCOUNT_ID", "META_APP_SECRET", "META_VERIFY_TOKEN"}
WHAPI = {"WHAPI_TOKEN", "WHAPI_CHANNEL_ID", "WHAPI_WEBHOOK_SECRET"}
EMAIL = {"EMAIL_ADDRESS", "EMAIL_REPLY_SECRET", "EMAIL_SMTP_URL"}
DATABASE = {
    "no-key": ({"SUPABASE_URL": "https://abc.supabase.co"}, "SUPABASE_SECRET_KEY is not"),
    "publishable": ({"SUPABASE_URL": "https://abc.supabase.co", "SUPABASE_SECRET_KEY": "sb_publishable_x"}, "publishable"),
    "example": (
        {"SUPABASE_URL": "https://abc.supabase.co", "SUPABASE_SECRET_KEY": "sb_secret_…"},
        "SUPABASE_SECRET_KEY: the value",
    ),
    "unreadable": ({"DATABASE_URL": "garbage"}, "DATABASE_URL cannot be read"),
    "folder": ({"DATA_DIR": "/proc/nope"}, "DATA_DIR: '/proc/nope' cannot be used"),
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """All that a bot on the embedded database needs."""
    return bot_environment("", for_bot(), DATA_DIR=str(tmp_path / "data"))


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """What Rasa takes for a model until it opens it, which is after the settings were read."""
    made = tmp_path / "model.tar.gz"
    made.touch()
    return made


def rasa(*arguments: str, environment: dict[str, str], folder: Path = PROJECT) -> list[str]:
    """Run Rasa until it gives up, without a traceback; return what it says of settings, and the next step."""
    said = all_of_rasa(*arguments, environment=environment, folder=folder)
    assert "Traceback" not in said
    assert "Starting Rasa server" not in said
    return [line for line in said.splitlines() if SETTING.fullmatch(line) or line == NEXT_STEP]


def all_of_rasa(*arguments: str, environment: dict[str, str], folder: Path = PROJECT) -> str:
    """Run Rasa until it gives up; return all that it says."""
    done = subprocess.run(
        [sys.executable, "-m", "rasa", "run", *arguments], cwd=folder, env={**environment, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    return said


def test_what_all_channels_miss_is_said_at_once_each_setting_on_one_line(
    environment: dict[str, str], model_file: Path
) -> None:
    for name in META | WHAPI | EMAIL:
        environment.pop(name, None)
    environment["NOTIFY_DEFAULT"] = "webhook"
    *lines, last = rasa("-m", str(model_file), environment=environment)
    assert sorted(line.split(":")[0] for line in lines) == sorted({*META, *WHAPI, *EMAIL, "NOTIFY_WEBHOOK_URL"})
    assert last == NEXT_STEP


# A start of Rasa takes seconds: some of them here, the others with the action server.
@pytest.mark.parametrize("case", ["publishable", "folder", "example"])
def test_database_settings_that_cannot_work_are_one_line_before_anything_starts(
    environment: dict[str, str], model_file: Path, case: str
) -> None:
    wrong, said = DATABASE[case]
    line, last = rasa("-m", str(model_file), environment={**environment, **wrong})
    assert said in line
    assert last == NEXT_STEP


def test_wrong_settings_are_one_line_each(environment: dict[str, str], model_file: Path) -> None:
    environment |= {
        "BURST_SECONDS": "soon", "LEASE_SECONDS": "9999", "META_GRAPH_URL": "https://graph….facebook.com",
        "META_PAGE_ID": "1\n2", "META_GRAPH_VERSION": "v25.0\tx", "SUPABASE_URL": "https://abc…",
    }  # fmt: skip
    *lines, last = rasa("-m", str(model_file), environment=environment)
    wrong = {"SUPABASE_URL", "META_PAGE_ID", "META_GRAPH_URL", "META_GRAPH_VERSION", "BURST_SECONDS", "LEASE_SECONDS"}
    assert sorted(line.split(":")[0] for line in lines) == sorted(wrong)
    assert last == NEXT_STEP


def test_an_embedded_database_that_does_not_start_is_told_in_a_line(environment: dict[str, str], model_file: Path) -> None:
    folder = Path(environment["DATA_DIR"])
    folder.mkdir()
    (folder / "postgres.unfinished").touch()  # a file where initdb wants to work
    said = all_of_rasa("-m", str(model_file), environment=environment)
    start = f"the database cannot be opened: the embedded PostgreSQL in {folder} cannot be started: "
    assert any(line.startswith(start) and line.endswith(NEXT_STEP) for line in said.splitlines())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ARA_BASE_URL": "api.openai.com"}, "ARA_BASE_URL: 'api.openai.com' is wrong"),
        DATABASE["no-key"],
        DATABASE["unreadable"],
    ],
    ids=["ara", "no-key", "unreadable"],
)
def test_the_action_server_does_not_start_on_settings_that_cannot_work(
    environment: dict[str, str], tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    (line,) = rasa("actions", environment={**environment, **wrong}, folder=tmp_path)
    assert said in line


def test_the_action_server_says_where_a_file_of_settings_is_not_utf_8(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("ARA_MODEL=x\nEMAIL_NAME=Botánica\n".encode("latin-1"))
    (line,) = rasa("actions", environment=environment, folder=tmp_path)
    assert line == ".env: line 2 is not UTF-8. Save the file as UTF-8"
