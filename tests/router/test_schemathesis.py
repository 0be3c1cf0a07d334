"""Schemathesis reads the served document and looks for requests that the server treats otherwise than it says."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from crm.port import Crm
from router.routes import ROUTES
from tests.support.api import Api, new_api_key, write_in

# What a schema cannot tell: whether a cursor is one of ours, a number a telephone's, two ids one client, a text too long for
# its channel.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409", "422"]

[parameters]
"path.conversation" = "{conversation}"
"path.client" = "{client}"
"path.message" = "{message}"
"path.merge" = "{merge}"
"path.order" = "1"
"path.proposal" = "1"
"""
# Every limit is tried once where the schemas differ; everything is tried at random.
DIFFERENT = ("send_to_client", "clients", "edit_client", "merge", "message")
LIMITS = ["--phases", "coverage", *(word for name in DIFFERENT for word in ("--include-operation-id", name))]
RANDOM = ["--phases", "fuzzing", "--max-examples", "4"]
# The document itself is not tried again.
ALL = len(ROUTES) - 1


@pytest.fixture
async def config(api: Api, crm: Crm, tmp_path: Path) -> Path:
    """Ids of things that exist, so that requests get further than 404."""
    held, other = await write_in(crm), await write_in(crm)
    merge = await api.post("/merges", {"keep": held["client"]["id"], "gone": other["client"]["id"]}, 201)
    (message,) = (await api.get(f"/conversations/{held['conversation']}/messages"))["items"]
    file = tmp_path / "schemathesis.toml"
    file.write_text(
        CONFIG.format(conversation=held["conversation"], client=held["client"]["id"], message=message["id"], merge=merge["id"])
    )
    return file


@pytest.mark.slow
@pytest.mark.parametrize(("options", "count"), [(LIMITS, len(DIFFERENT)), (RANDOM, ALL)], ids=["limits", "random"])
async def test_the_server_does_what_its_document_says(
    crm: Crm, address: str, config: Path, logs: Path, options: list[str], count: int
) -> None:
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{address}/openapi.json", *options,
        "--header", f"Authorization: Bearer {await new_api_key(crm)}", "--seed", "20261126", "--workers", "2",
        "--suppress-health-check", "filter_too_much", "--warnings", "off", "--no-color",
        cwd=config.parent, env={**os.environ, "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await ran.communicate()
    told = output.decode()
    assert ran.returncode == 0, told[-6000:]
    assert f"Tested: {count}" in told
    assert "request failed" not in (logs / "api.log").read_text()
