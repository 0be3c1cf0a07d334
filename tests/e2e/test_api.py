"""The API inside Rasa's own server, as ``credentials.yml`` opens it."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator

import httpx
import pytest

from crm.port import Crm
from router import openapi
from router.routes import PREFIX
from simulator.client import SimulatorClient
from tests.support.api import Api, new_api_key
from tests.support.eventually import eventually
from tests.support.real_bot import RealBot
from tests.support.stack import address_of

ELSEWHERE = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}


@pytest.fixture
async def api(bot: RealBot, crm: Crm) -> AsyncIterator[Api]:
    """A caller who may do everything."""
    headers = {"Authorization": f"Bearer {await new_api_key(crm)}"}
    async with httpx.AsyncClient(base_url=bot.bot + PREFIX, headers=headers, timeout=30, trust_env=False) as http:
        yield Api(http)


async def test_a_person_answers_over_the_api_and_the_bot_goes_quiet(api: Api, simulator: SimulatorClient, crm: Crm) -> None:
    user = str(10**15 + secrets.randbelow(10**15))
    await simulator.say("instagram", user, "hola")
    before = await simulator.wait_for_replies("instagram", user, 1, timeout=30)
    held = await crm.call("omnicrm_conversation", p_key=address_of("instagram", user).key)
    path = f"/conversations/{held['conversation']}"
    body = {
        "author": "agent", "person": "Ana", "text": "¿Cuál te aparto?",
        "quick_replies": [{"title": "El de árnica"}, {"title": "El de caléndula"}],
    }  # fmt: skip
    await api.post(path + "/messages", body, 202)
    phone = await simulator.wait_for_replies("instagram", user, before.shop_messages + 1, timeout=30)
    assert phone.texts[-1] == "¿Cuál te aparto?"
    await simulator.say("instagram", user, "El de árnica")

    async def ignored() -> bool:
        (newest, *_) = (await api.get(path + "/messages"))["items"]
        return (newest["text"], newest["status"], newest["reason"]) == ("El de árnica", "ignored", "human")

    await eventually(ignored)
    shown = await api.get(path)
    assert (shown["state"], shown["person"]) == ("with_person", "Ana")


async def test_rasas_server_gives_the_document_and_problems_and_no_leave_to_other_sites(api: Api) -> None:
    assert (await api.get("/openapi.json")) == json.loads(json.dumps(openapi.document()))
    for method, path, status in (
        ("GET", "/nothing", 404), ("DELETE", "/clients", 405), ("TRACE", "/clients", 405), ("POST", "/merges", 415),
    ):  # fmt: skip
        answer = await api.http.request(method, path, headers=ELSEWHERE)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert not answer.headers.get("access-control-allow-origin")
    # Rasa's server answers this one itself, whatever the address.
    preflight = await api.http.options("/clients", headers=ELSEWHERE)
    assert not [name for name in preflight.headers if name.startswith("access-control-allow")]
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as anybody:
        assert (await anybody.get("/clients")).status_code == 401
