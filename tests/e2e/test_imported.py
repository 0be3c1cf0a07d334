"""An imported contact who writes is the client that the import made: the file knew a username, the webhook knows an id."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from crm.port import Crm
from simulator.client import SimulatorClient
from tests.support.eventually import eventually
from tests.support.postgres import Database
from tests.support.stack import KEYS, PROJECT, address_of


def imported(database: Database, file: Path) -> str:
    """What the command printed."""
    done = subprocess.run(
        [sys.executable, "-m", "omnicrm", "import", "vambe", str(file), "--apply"], cwd=PROJECT, capture_output=True, text=True,
        env={**os.environ, "DATABASE_URL": database.url, "META_IG_ACCOUNT_ID": KEYS.ig_id, "COLUMNS": "120"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_who_was_imported_by_username_and_writes_is_the_same_client(
    simulator: SimulatorClient, crm: Crm, bot_database: Database, tmp_path: Path
) -> None:
    user, username = str(secrets.randbelow(10**9)), f"ana.{secrets.token_hex(4)}"
    file = tmp_path / "contactos.csv"
    file.write_text(f"Nombre;Usuario de Instagram;Canal;Etiquetas\nAna Importada;@{username.upper()};Instagram;mayoreo\n")
    imported(bot_database, file)
    look = "select client_id from omnicrm.client_identities where kind = 'instagram_username' and value = %s"
    ((client,),) = bot_database.run(look, username)

    await simulator.user("instagram", user, name="Anita", username=username)
    await simulator.say("instagram", user, "hola")

    async def joined() -> bool:
        held = await crm.call("omnicrm_conversation", p_key=address_of("instagram", user).key)
        return bool(held and held["client"]["id"] == str(client))

    await eventually(joined, within=30)
    held = await crm.call("omnicrm_conversation", p_key=address_of("instagram", user).key)
    assert (held["client"]["name"], held["tags"]) == ("Ana Importada", ["mayoreo"])
    merges = "select reason, actor, evidence ->> 'value' from omnicrm.merges where kept = %s"
    assert bot_database.run(merges, client) == [("imported_username", "bot", username)]
    assert bot_database.run("select instagram_id from public.clients where id = %s", client) == [(user,)]
