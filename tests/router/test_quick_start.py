"""The quick start of docs/api.md, line by line, as a developer would paste it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys

import pytest

from connectors.message import Json
from crm.port import Crm
from tests.support.api import someone_on, write_in
from tests.support.postgres import Database
from tests.support.stack import PROJECT

QUICK_START = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8").partition("## Keys and scopes")[0]
BLOCKS = re.findall(r"```bash\n(.*?)```", QUICK_START, re.DOTALL)
CURLS = [line for block in BLOCKS for line in re.split(r"\n\n", block.strip()) if line.startswith("curl")]


async def bash(line: str, **variables: str) -> str:
    ran = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", line, cwd=PROJECT, env={**os.environ, "NO_PROXY": "127.0.0.1", **variables},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await ran.communicate()
    assert ran.returncode == 0, (line, errors.decode())
    return output.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_every_line_of_the_quick_start_works(api_database: Database, crm: Crm, address: str) -> None:
    held = await write_in(crm, address=someone_on("whatsapp"))
    client = held["client"]["id"]
    await crm.call("omnicrm_edit_client", p_client=client, p_changes={"phone": "+525512345678"}, p_by="Ana")
    exports = BLOCKS[0].replace("omnicrm apikey", f"{sys.executable} -m omnicrm apikey")
    key = (await bash(f"{exports}\necho $OMNICRM_KEY", DATABASE_URL=api_database.url)).strip()
    known = {"OMNICRM_KEY": key, "OMNICRM_API": address, "CLIENT": client, "CONVERSATION": str(held["conversation"])}

    answers: list[Json] = []
    for line in CURLS:
        answers.append(json.loads(await bash(line, **known)))
        assert "type" not in answers[-1], answers[-1]
        if "messages" in answers[-1]:
            known["MESSAGE"] = answers[-1]["messages"][0]["id"]
    waiting, found, sent, message, answered, handed_back = answers
    assert waiting["items"] == []
    assert [item["id"] for item in found["items"]] == [client]
    assert (sent["status"], message["id"], message["author"]) == ("accepted", sent["messages"][0]["id"], "system")
    assert "https://extractoseum.com/rastreo/1001" in message["text"]
    assert answered["conversation"] == handed_back["id"]
    assert handed_back["state"] == "open"
