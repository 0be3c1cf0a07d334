"""Whatever the bot wants to say, fitted to a channel's own limits, is taken by the platform: its rules are the simulator's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from connectors.fit import fit
from connectors.message import Address, Button, Card, Media, Outgoing
from connectors.platform import Platform
from connectors.registry import build
from omnicrm.settings import Settings
from simulator.app import Simulator
from simulator.client import SimulatorClient
from tests.simulator.conftest import SECRET, TOKEN, WHAPI_SECRET, WHAPI_TOKEN

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANNELS = ("instagram", "messenger", "whatsapp")
USERS = {"instagram": "7101", "messenger": "7102", "whatsapp": "5215512345678"}
WORDS = "Extracto hidroalcohólico de árnica, 60 ml 🌿. "
SITE = "https://extractos.example/producto"


def button(number: int, length: int) -> Button:
    return Button(title=f"{number} {WORDS * 20}"[:length], payload=f"/elegir{number}")


SAID = {
    "long text": Outgoing(text=WORDS * 90),
    # Cut nowhere but at the limit itself.
    "text without a blank": Outgoing(text="a" * 9000),
    "text of many bytes": Outgoing(text="ñ🌿" * 1500),
    "many buttons": Outgoing(text=WORDS * 30, buttons=tuple(button(n, 60) for n in range(1, 21))),
    "few buttons": Outgoing(text=WORDS * 18, buttons=tuple(button(n, 60) for n in range(1, 3))),
    "links": Outgoing(text="Mira", buttons=tuple(Button(title=f"{n} {WORDS}", url=f"{SITE}/{n}") for n in range(1, 6))),
    "many quick replies": Outgoing(text=WORDS * 40, quick_replies=tuple(button(n, 60) for n in range(1, 31))),
    "many cards": Outgoing(
        cards=tuple(
            Card(
                title=WORDS * 5, subtitle=WORDS * 5, image_url=f"{SITE}/{n}.jpg", url=f"{SITE}/{n}",
                buttons=tuple(button(m, 60) for m in range(1, 6)),
            )
            for n in range(1, 16)
        )
    ),
    **{kind: Outgoing(media=Media(kind=kind, url=f"{SITE}/algo.{end}"))  # type: ignore[arg-type]
       for kind, end in (("image", "jpg"), ("video", "mp4"), ("audio", "m4a"), ("file", "pdf"))},
    **{f"{kind} that is {name}": Outgoing(text="Mira", media=Media(kind=kind, url=url))  # type: ignore[arg-type]
       for kind, name, url in (
           ("image", "webp", f"{SITE}/algo.webp"), ("image", "svg", f"{SITE}/algo.SVG"), ("audio", "mp3", f"{SITE}/algo.mp3"),
           ("file", "xlsx", f"{SITE}/lista.xlsx"), ("image", "not named", f"{SITE}/1234?v=2.webp"),
           ("image", "not secret", "http://extractos.example/a.jpg"), ("image", "nowhere", "https:///a.jpg"),
       )},
    "cards with odd pictures": Outgoing(
        cards=tuple(
            Card(title=f"Árnica {n}", subtitle="60 ml", image_url=url)
            for n, url in enumerate((f"{SITE}/a.jpg", "http://extractos.example/a.jpg", f"{SITE}/a.webp", "https://[x/a.jpg"))
        )
    ),
}  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def platforms(simulator: Simulator) -> AsyncIterator[dict[str, Platform]]:
    config = simulator.config
    settings = Settings.load(
        {
            "META_APP_ID": config.app_id, "META_APP_SECRET": SECRET, "META_VERIFY_TOKEN": config.verify_token,
            "META_ACCESS_TOKEN": TOKEN, "META_PAGE_ID": config.page_id, "META_IG_ACCOUNT_ID": config.ig_id,
            "META_GRAPH_URL": simulator.url, "WHAPI_TOKEN": WHAPI_TOKEN, "WHAPI_CHANNEL_ID": config.whapi_channel_id,
            "WHAPI_WEBHOOK_SECRET": WHAPI_SECRET, "WHAPI_URL": f"{simulator.url}/whapi",
        },
        dotenv=None,
    )  # fmt: skip
    async with httpx.AsyncClient(trust_env=False) as http:
        yield {name: build(name, settings, http) for name in CHANNELS}


@pytest.mark.parametrize("said", SAID, ids=str)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_what_is_fitted_is_taken(channel: str, said: str, platforms: dict[str, Platform], sim: SimulatorClient):
    platform, user = platforms[channel], USERS[channel]
    await sim.say(channel, user, "hola")
    context = {"chat_id": f"{user}@s.whatsapp.net"} if channel == "whatsapp" else {}
    to = Address(channel=platform.channel, account=platform.account, user=user, context=context)
    requests = fit(SAID[said], platform.capabilities)
    for number, message in enumerate(requests):
        assert await platform.send(to, message, f"omnicrm:{number}")
    assert len((await sim.phone(channel, user)).replies) >= len(requests) > 0
