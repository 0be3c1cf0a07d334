"""What tests of the API share: a server, keys, a client of HTTP, and a shop with a few customers."""

from __future__ import annotations

import asyncio
import functools
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from connectors.message import Address, Json
from crm.port import Crm
from omnicrm.processes import Processes, answers, free_ports, until
from router.keys import SCOPES, new_key
from router.routes import PREFIX
from tests.support.events import inbound, receive
from tests.support.stack import KEYS, PROJECT, address_of, bot_environment, for_bot

START_SECONDS = 60.0
INSTAGRAM = Address(channel="IG", account=KEYS.ig_id, user="0")


@contextmanager
def api_server(database_url: str, logs: Path, **environment: str) -> Iterator[str]:
    """A server; gives the address of the API."""
    port = free_ports(1)[0]
    address = f"http://127.0.0.1:{port}{PREFIX}"
    with Processes(logs) as processes:
        child = processes.start(
            "api", [sys.executable, "-m", "tests.support.api_server", str(port)],
            bot_environment(database_url, for_bot(), **{"LOG_LEVEL": "INFO", **environment}), PROJECT,
        )
        asyncio.run(until(functools.partial(answers, f"{address}/openapi.json"), child, START_SECONDS))
        yield address


async def new_api_key(crm: Crm, *scopes: str, name: str = "", expires_at: str | None = None) -> str:
    """Make a key, with all scopes unless some are named; returns its text."""
    made = new_key()
    await crm.call(
        "omnicrm_api_key_create", p_id=made.id, p_name=name or f"prueba {made.id}", p_hash=made.digest,
        p_scopes=list(scopes or SCOPES), p_expires_at=expires_at,
    )
    return made.text


@dataclass(frozen=True)
class Api:
    """A caller of the API with one key."""

    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Json:
        """Make one request, and insist on its status. Returns the JSON."""
        answer = await self.http.request(method, path, **options)
        assert answer.status_code == status, answer.text
        wanted = "application/json" if status < 400 else "application/problem+json"
        assert answer.headers["content-type"] == wanted
        return answer.json()

    async def get(self, path: str, status: int = 200, **query: Any) -> Json:
        """Read."""
        return await self.ask("GET", path, status, params=query)

    async def post(self, path: str, body: Json = None, status: int = 200, **headers: str) -> Json:
        """Act or send; ``Idempotency_Key="…"`` becomes the header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", path, status, json=body if body is not None else {}, headers=named)


async def write_in(crm: Crm, text: str = "hola", address: Address | None = None, **fields: Any) -> Json:
    """Let a customer whom nobody knows write; returns the conversation, with its id as text and its client's."""
    made = address or replace(INSTAGRAM, user=str(10**15 + secrets.randbelow(10**15)))
    await receive(crm, inbound(text, address=made, key=secrets.token_hex(8), platform_id=secrets.token_hex(8), **fields))
    return await crm.call("omnicrm_conversation", p_key=made.key)


def someone_on(channel: str) -> Address:
    """A new customer's address on a channel of the simulated shop."""
    number = secrets.randbelow(9_000_000)
    if channel == "whatsapp":
        return address_of(channel, f"521551{number:07}")
    return address_of(channel, f"cliente{number}@correo.example" if channel == "email" else str(10**12 + number))
