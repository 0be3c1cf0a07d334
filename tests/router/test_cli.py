"""``omnicrm apikey``: made, shown once, listed, revoked."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from tests.support.postgres import Database
from tests.support.stack import PROJECT


def apikey(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": database.url}
    command = [sys.executable, "-m", "omnicrm", "apikey", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def get(address: str, key: str) -> int:
    with httpx.Client(trust_env=False) as http:
        return http.get(f"{address}/clients", headers={"Authorization": f"Bearer {key}"}).status_code


def test_a_key_is_made_used_listed_and_revoked(api_database: Database, address: str) -> None:
    made = apikey(api_database, "create", "Tienda en línea", "--scope", "read", "--scope", "send", "--days", "30")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key.startswith("ocrm_"), "alone on the standard output, for a variable or a file"
    assert "Tienda en línea" in made.stderr
    assert get(address, key) == 200

    listed = apikey(api_database, "list").stdout
    assert "Tienda en línea  read,send  expires " in listed
    assert "last used" in listed
    assert key.rpartition("_")[2] not in listed

    again = apikey(api_database, "create", "Tienda en línea", "--scope", "read")
    assert (again.returncode, "already" in again.stderr) == (1, True)
    assert apikey(api_database, "revoke", "Tienda en línea").returncode == 0
    assert get(address, key) == 401
    gone = apikey(api_database, "revoke", "Tienda en línea")
    assert (gone.returncode, gone.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("arguments", [["create", "x"], ["create", "x", "--scope", "all"], ["create", " ", "--scope", "read"]])
def test_a_wrong_order_is_refused_before_the_database(api_database: Database, arguments: list[str]) -> None:
    refused = apikey(api_database, *arguments)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_no_key_yet_says_how_to_make_one(database: Database) -> None:
    assert "omnicrm apikey create" in apikey(database, "list").stdout
