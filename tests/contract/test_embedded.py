"""The embedded PostgreSQL: shared by processes, durable, gone with its last user."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from crm.cluster import Cluster
from crm.connect import open_crm
from crm.embedded import EmbeddedServer
from crm.port import CrmMisconfigured, CrmUnavailable
from omnicrm.migrate import read_migrations
from omnicrm.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
# What every process of the project does, and then waits to be told to leave.
USER = """
import asyncio, sys
from pathlib import Path
from crm.connect import open_crm
from omnicrm.settings import Settings

async def main():
    crm = await open_crm(Settings(data_dir=Path(sys.argv[1])))
    print(await crm.call("omnicrm_schema_version"), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    if sys.argv[2] == "close":
        await crm.close()

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder of its own; whatever server is left in it is stopped."""
    made = Path(tempfile.mkdtemp(prefix="omnicrm-data-"))
    yield made
    Cluster(made.resolve() / "postgres").stop("immediate")
    shutil.rmtree(made)


def _running(folder: Path) -> bool:
    return Cluster(folder.resolve() / "postgres").running()


def _start_user(folder: Path, ending: str = "close") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(folder), ending], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _version(user: subprocess.Popen[str]) -> int:
    assert user.stdout is not None
    return int(user.stdout.readline())


def _leave(user: subprocess.Popen[str]) -> None:
    user.communicate(timeout=30)
    assert user.returncode == 0


async def test_what_was_written_is_there_after_a_restart_and_a_crash(folder: Path) -> None:
    cluster = Cluster(folder.resolve() / "postgres")  # noqa: ASYNC240 - nothing else runs
    for ending, is_new in (("close", True), ("crash", False), ("close", False)):
        crm = await open_crm(Settings(data_dir=folder))
        opened = await crm.call("omnicrm_open_conversation", p_channel="IG", p_account="1", p_user="2")
        assert opened["new_client"] is is_new
        if ending == "crash":
            cluster.stop("immediate")
        await crm.close()
        assert not cluster.running()


async def test_it_is_durable_small_and_closed_to_the_network(folder: Path) -> None:
    server = EmbeddedServer(folder)
    try:
        with psycopg.connect(server.dsn) as connection:
            names = "fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "server_encoding"
            settings = [connection.execute("select current_setting(%s)", (name,)).fetchone() for name in names]
        assert settings == [("on",), ("on",), ("on",), ("",), ("UTF8",)]
        assert stat.S_IMODE((folder / "postgres").stat().st_mode) == 0o700
    finally:
        server.close()


def test_processes_that_start_at_once_share_one_server_and_the_last_one_stops_it(folder: Path) -> None:
    users = [_start_user(folder) for _ in range(3)]
    latest = int(read_migrations()[-1].version)
    assert [_version(user) for user in users] == [latest] * 3
    for user in users[:-1]:
        _leave(user)
        assert _running(folder)
    _leave(users[-1])
    assert not _running(folder)


def test_a_process_that_forgets_to_close_still_stops_the_server(folder: Path) -> None:
    user = _start_user(folder, "forget")
    _version(user)
    _leave(user)
    assert not _running(folder)


def test_a_killed_process_is_not_counted_as_a_user(folder: Path) -> None:
    killed, other = _start_user(folder), _start_user(folder)
    _version(killed), _version(other)
    killed.kill()
    killed.communicate()
    assert _running(folder)
    _leave(other)
    assert not _running(folder)


def test_the_server_survives_ctrl_c_in_the_terminal_of_its_starter(folder: Path) -> None:
    server = EmbeddedServer(folder)
    try:
        pid = int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        assert os.getpgid(pid) != os.getpgid(0)
    finally:
        server.close()


def test_a_killed_server_is_started_again_by_the_next_process(folder: Path) -> None:
    first = EmbeddedServer(folder)
    pid = int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _running(folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    second = EmbeddedServer(folder)
    psycopg.connect(second.dsn).close()
    second.close()
    first.close()
    assert not _running(folder)


def test_a_pid_file_of_another_program_does_not_keep_it_from_starting(folder: Path) -> None:
    EmbeddedServer(folder).close()
    # After a power cut: the number of the old server now belongs to this very process.
    (folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}/postgres\n1700000000\n5432\n\n\n\nready\n")
    server = EmbeddedServer(folder)
    psycopg.connect(server.dsn).close()
    server.close()


def test_an_interrupted_first_start_is_begun_again(folder: Path) -> None:
    unfinished = folder / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    server = EmbeddedServer(folder)
    psycopg.connect(server.dsn).close()
    server.close()
    assert not unfinished.exists()


FOLDERS = {"space": "with space", "quotes": "it's \"quoted\" $HOME `x`", "comma": "a, b", "long": "ñandú/" + "long" * 30}


@pytest.mark.parametrize("name", FOLDERS.values(), ids=FOLDERS)
def test_any_folder_will_do(folder: Path, name: str) -> None:
    place = folder / name
    server = EmbeddedServer(place)
    try:
        psycopg.connect(server.dsn).close()
        sockets = Cluster(place.resolve() / "postgres").socket_directory()
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    finally:
        server.close()
    if not sockets.is_relative_to(folder):
        sockets.rmdir()


def test_data_of_another_version_is_not_touched(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(CrmMisconfigured, match="PostgreSQL 15"):
        EmbeddedServer(folder)


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    EmbeddedServer(folder).close()
    with (folder / "postgres" / "postgresql.conf").open("a") as file:
        file.write("\nnonsense = 'x'\n")
    with pytest.raises(CrmUnavailable, match="nonsense"):
        EmbeddedServer(folder)
