"""The webhook's answers over HTTP, and what a turn brings besides words."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time

import httpx
import pytest

from connectors.message import Address
from crm.port import Crm
from simulator.client import SimulatorClient
from tests.support.eventually import eventually
from tests.support.postgres import Database
from tests.support.real_bot import RealBot
from tests.support.stack import KEYS

WEBHOOK = "/api/webhooks/meta"


def signed(body: bytes, secret: str = KEYS.app_secret) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def message(user: str, text: str) -> bytes:
    item = {
        "sender": {"id": user},
        "recipient": {"id": KEYS.ig_id},
        "timestamp": 1,
        "message": {"mid": f"mid-{user}", "text": text},
    }
    return json.dumps({"object": "instagram", "entry": [{"id": KEYS.ig_id, "time": 1, "messaging": [item]}]}).encode()


def now_ms() -> int:
    """Meta's clock."""
    return int(time.time() * 1000)


async def post(bot: RealBot, body: bytes, headers: dict[str, str]) -> int:
    async with httpx.AsyncClient() as http:
        return (await http.post(bot.bot + WEBHOOK, content=body, headers=headers)).status_code


@pytest.mark.parametrize("headers", [{}, {"X-Hub-Signature-256": "sha256=" + "0" * 64}, {"X-Hub-Signature-256": "x"}])
async def test_a_missing_or_wrong_signature_is_401_and_stores_nothing(bot: RealBot, crm: Crm, headers: dict[str, str]) -> None:
    user = f"stranger-{secrets.token_hex(6)}"
    assert await post(bot, message(user, "hola"), headers) == 401
    assert await crm.call("omnicrm_conversation", p_key=f"ig:{KEYS.ig_id}:{user}") is None


async def test_a_signature_by_another_secret_is_401(bot: RealBot) -> None:
    body = message("x", "hola")
    assert await post(bot, body, signed(body, "another secret")) == 401


async def test_what_is_not_json_is_400(bot: RealBot) -> None:
    assert await post(bot, b"{", signed(b"{")) == 400


async def test_more_than_a_megabyte_is_413(bot: RealBot) -> None:
    """Refused on its announced length: a client that goes on writing may never read the answer, so this one waits for it."""
    host, port = bot.bot.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {WEBHOOK} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1100000\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert answer.split()[1] == b"413"


async def test_more_than_a_megabyte_of_unannounced_length_is_413(bot: RealBot) -> None:
    """Refused once it is known to be too much: the end, which never comes, is not waited for."""
    host, port = bot.bot.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {WEBHOOK} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    # Not a byte more than it takes to know: who is refused with some of it unread may never see the answer.
    for size in (0x100000, 1):
        writer.write(b"%x\r\n" % size + b" " * size + b"\r\n")
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert answer.split()[1] == b"413"


async def test_an_event_that_the_database_refuses_harms_nothing_beside_it(
    bot: RealBot, crm: Crm, bot_database: Database
) -> None:
    user = str(10**15 + secrets.randbelow(10**15))
    customer, page = {"id": user}, {"id": KEYS.page_id}
    echo = {"mid": f"{user}-2", "text": "¡Hola!", "is_echo": True, "metadata": "omnicrm:99999999999999999999"}
    items = [
        {"sender": customer, "recipient": page, "timestamp": now_ms(), "message": {"mid": f"{user}-1", "text": "hola"}},
        {"sender": page, "recipient": customer, "timestamp": now_ms(), "message": echo},
        {"sender": customer, "recipient": page, "timestamp": now_ms(), "message": {"mid": f"{user}-3", "text": "gracias"}},
    ]
    body = json.dumps({"object": "page", "entry": [{"id": KEYS.page_id, "time": now_ms(), "messaging": items}]}).encode()
    assert await post(bot, body, signed(body)) == 200

    async def handled() -> bool:
        messages = (await crm.call("omnicrm_conversation", p_key=f"fb:{KEYS.page_id}:{user}"))["messages"]
        own = [(m["author"], m["text"], m["status"]) for m in messages if m["author"] != "bot"]
        return own == [("customer", "hola", "handled"), ("customer", "gracias", "handled")]

    await eventually(handled, within=30)
    kept = bot_database.run("select type, name from omnicrm.platform_events where key like %s", f"refused:%{user}-2%")
    assert kept == [("unsupported", "the database refused it: 22003")]


@pytest.mark.parametrize(("token", "status", "text"), [(KEYS.verify_token, 200, "1158201444"), ("wrong", 403, "")])
async def test_the_handshake_repeats_the_challenge_to_who_knows_the_token(
    bot: RealBot, token: str, status: int, text: str
) -> None:
    params = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    async with httpx.AsyncClient() as http:
        answer = await http.get(bot.bot + WEBHOOK, params=params)
    assert answer.status_code == status
    if status == 200:
        assert answer.text == text
        assert answer.headers["content-type"].startswith("text/plain")
    else:
        assert "1158201444" not in answer.text


@pytest.mark.parametrize(("channel", "code", "account"), [("instagram", "IG", KEYS.ig_id), ("messenger", "FB", KEYS.page_id)])
async def test_a_first_message_is_seen_answered_and_its_writer_known_by_name(
    simulator: SimulatorClient, crm: Crm, channel: str, code: str, account: str
) -> None:
    user = str(10**15 + secrets.randbelow(10**15))
    await simulator.say(channel, user, "hola", name="Inés Peña")
    phone = await simulator.wait_for_replies(channel, user, 1, timeout=30)
    assert phone.seen
    key = Address(channel=code, account=account, user=user).key  # type: ignore[arg-type]

    async def named() -> bool:
        held = await crm.call("omnicrm_conversation", p_key=key)
        return bool(held["client"]["name"])

    await eventually(named, within=20)
    client = (await crm.call("omnicrm_conversation", p_key=key))["client"]
    assert client["name"] == "Inés Peña"
    assert (client["username"] is not None) == (channel == "instagram")
    assert {r["where"] for r in await simulator.requests(user=user)} >= {"send", "sender_action", "profile"}


async def test_a_profile_that_meta_refuses_harms_nothing(simulator: SimulatorClient) -> None:
    user = str(10**15 + secrets.randbelow(10**15))
    await simulator.fault("500", where="profile", user=user)
    await simulator.say("messenger", user, "hola")
    assert len((await simulator.wait_for_replies("messenger", user, 1, timeout=30)).replies) == 1
