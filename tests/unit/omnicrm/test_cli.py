from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import omnicrm
from omnicrm import cli

PROJECT = Path(omnicrm.__file__).resolve().parent.parent


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "omnicrm", *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_lists_the_commands_and_answers_at_once() -> None:
    # Processor time, so that a busy machine does not change the answer.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    for command in ("up", "train", "migrate", "doctor", "simulator", "chat"):
        assert f"\n  {command} " in done.stdout
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 1.5


def test_help_loads_neither_rasa_nor_the_database() -> None:
    program = "import sys, omnicrm.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\nprint([m for m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = done.stdout.splitlines()[-1]
    assert not any(f"'{name}'" in loaded for name in ("rasa", "tensorflow", "psycopg", "httpx", "sanic", "rich"))


@pytest.mark.parametrize("command", [["migrate"], ["up"]])
def test_wrong_settings_are_one_line_each_and_no_traceback(command: list[str]) -> None:
    done = run(*command, BURST_SECONDS="soon", LEASE_SECONDS="9999")
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["BURST_SECONDS", "LEASE_SECONDS"]


def test_migrating_supabase_without_a_connection_says_what_to_do() -> None:
    done = run("migrate", DATABASE_URL="", SUPABASE_URL="https://abc.supabase.co", SUPABASE_SECRET_KEY="sb_secret_x")
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_away_is_one_line() -> None:
    done = run("migrate", DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_data_folder_that_cannot_be_is_one_line_with_what_to_do() -> None:
    done = run("migrate", DATABASE_URL="", SUPABASE_URL="", DATA_DIR="/proc/nope")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("DATA_DIR: '/proc/nope' cannot be used: No such file or directory. Set it to a folder")


def test_an_embedded_database_that_the_folder_does_not_let_start_is_one_line(tmp_path: Path) -> None:
    # Where initdb wants to work stands a file.
    (tmp_path / "postgres.unfinished").touch()
    done = run("migrate", DATABASE_URL="", SUPABASE_URL="", DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "the embedded PostgreSQL" in line
    assert "postgres.unfinished" in line


def test_a_file_of_settings_that_is_not_utf_8_is_one_line_before_the_trial_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_bytes("EMAIL_NAME=Botánica\n".encode("latin-1"))
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    for name in cli.QUIET:
        monkeypatch.setenv(name, "1")  # put back afterwards
    with pytest.raises(SystemExit) as ended:
        cli.main(["up"])
    assert ended.value.code == cli.WRONG_SETTINGS
    assert capsys.readouterr().err == f"{tmp_path}/.env: line 1 is not UTF-8. Save the file as UTF-8\n"


def test_the_simulators_own_help_is_reached() -> None:
    done = run("simulator", "--help")
    assert done.returncode == 0
    assert "--webhook" in done.stdout
