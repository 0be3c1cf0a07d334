"""What the channels of one process share: the connections to the platforms, from the first channel to the server's end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.channel import InstagramInput, MessengerInput, PlatformInput, WhatsappInput, _open, _stop
from connectors.message import Address
from omnicrm.settings import Settings
from omnicrm.workers import VARIABLE, Workers

ANSWER = json.dumps({"recipient_id": "7"}).encode()


@dataclass
class Graph:
    """Meta's address, as far as connections go: how many were opened, and how many calls came over them."""

    address: str = ""
    opened: int = 0
    calls: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say yes to every call, until the other side hangs up."""
        self.opened += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
                await reader.readexactly(sum(lengths))
                self.calls += 1
                kind = b"content-type: application/json\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + kind + b"content-length: %d\r\n\r\n" % len(ANSWER) + ANSWER)
        except asyncio.IncompleteReadError:
            self.gone.set()


@pytest.fixture(autouse=True)
def _process_without_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections belong to the loop of the test that opened them."""
    monkeypatch.setattr(PlatformInput, "_pool", None)


@pytest.fixture
async def graph() -> AsyncIterator[Graph]:
    """A Graph API of this test's own."""
    made = Graph()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield made
    for writer in made.writers:
        writer.close()
    listening.close()
    await listening.wait_closed()


def settings_for(graph: Graph) -> Settings:
    return Settings(
        meta_graph_url=graph.address, meta_access_token="EAAx", meta_page_id="1", meta_ig_account_id="2",
        meta_app_secret=("s",), meta_verify_token="v", whapi_token="t", whapi_channel_id="MANTIS-M72HC",
        whapi_webhook_secret=("a-long-random-secret",), database_url="postgresql://nobody@127.0.0.1:9/none",
    )  # fmt: skip


async def write(channel: PlatformInput, user: str) -> None:
    """Call the platform as a turn does."""
    platform = channel.platform
    await platform.signal(Address(channel=platform.channel, account=platform.account, user=user), "typing")


async def test_all_channels_send_through_one_pool_until_the_server_stops(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")  # put back afterwards, for workers write it
    settings = settings_for(graph)
    instagram, messenger, whatsapp = InstagramInput(settings), MessengerInput(settings), WhatsappInput(settings)
    assert instagram.http is messenger.http is whatsapp.http

    app: Any = SimpleNamespace(ctx=SimpleNamespace())
    await _open(instagram, [instagram, messenger, whatsapp], app, None)
    await write(instagram, "7")
    await write(messenger, "8")
    assert (graph.calls, graph.opened) == (2, 1)

    await _stop(instagram, Workers(1), app, None)
    await asyncio.wait_for(graph.gone.wait(), 5)


async def test_channels_made_after_a_stop_have_connections_of_their_own(graph: Graph) -> None:
    before = InstagramInput(settings_for(graph))
    await write(before, "7")
    await before.close()

    after = InstagramInput(settings_for(graph))
    await write(after, "7")
    assert (graph.calls, graph.opened) == (2, 2)
    await after.close()
