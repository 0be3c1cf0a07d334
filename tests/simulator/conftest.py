"""A running simulator, a bot that only records its webhooks, and callers of Graph and Whapi."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest_asyncio

from simulator.app import Simulator
from simulator.client import SimulatorClient
from simulator.config import Config

SECRET = "test_app_secret"
TOKEN = "EAAtoken"
WHAPI_TOKEN = "whapi_token"
WHAPI_SECRET = "whapi_webhook_secret"
MAIL_PASSWORD = "mail_password"
MAIL_ACCESS_TOKEN = "mail_access_token"


@dataclass
class Webhook:
    """One call of the bot's webhook."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def event(self) -> str:
        """Whapi's event, e.g. ``messages.post``."""
        return f"{self.document['event']['type']}.{self.document['event']['event']}"

    @property
    def items(self) -> list[Any]:
        return [item for entry in self.document["entry"] for item in entry.get("messaging", []) + entry.get("standby", [])]


@dataclass
class Recorder:
    """The bot's end: records every call, answers what ``answers`` holds and then 200."""

    url: str = ""  # where Meta posts
    base: str = ""
    calls: list[Webhook] = field(default_factory=list)
    answers: deque[int | str] = field(default_factory=deque)  # a status, "hang" or "cut"
    on_call: Callable[[Webhook], Awaitable[None]] | None = None
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def forget(self) -> None:
        self.calls.clear()
        self.answers.clear()
        self.on_call = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, path, _ = request.split(" ")
        call = Webhook(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))
        if self.on_call is not None:
            await self.on_call(call)
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()
        answer = self.answers.popleft() if self.answers else 200
        if answer == "hang":
            await asyncio.sleep(60)
        if isinstance(answer, str):
            return False
        body = path.rpartition("hub.challenge=")[2].encode() if method == "GET" else b"ok"
        writer.write(f"HTTP/1.1 {answer} X\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return True

    async def wait_for(self, count: int) -> list[Webhook]:
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: len(self.calls) >= count), 10)
        return self.calls

    @property
    def items(self) -> list[Any]:
        return [item for call in self.calls for item in call.items]

    def objects(self, key: str) -> list[Any]:
        """Everything that Whapi's envelopes held under this key."""
        return [value for call in self.calls for value in call.document.get(key, [])]

    @property
    def echoes(self) -> list[Any]:
        return [item for item in self.items if item.get("message", {}).get("is_echo")]


@dataclass
class GraphCaller:
    """Calls Graph as a bot would, with the right token."""

    http: httpx.AsyncClient
    page_id: str

    async def post(self, body: Any, path: str | None = None, **options: Any) -> httpx.Response:
        return await self.http.post(path or f"/v25.0/{self.page_id}/messages", json=body, **options)

    async def send(self, user: str, message: Any, **more: Any) -> httpx.Response:
        return await self.post({"recipient": {"id": user}, "messaging_type": "RESPONSE", "message": message, **more})

    async def text(self, user: str, text: str = "hola", **more: Any) -> httpx.Response:
        return await self.send(user, {"text": text}, **more)

    async def action(self, user: str, action: str, **more: Any) -> httpx.Response:
        return await self.post({"recipient": {"id": user}, "sender_action": action, **more})

    async def profile(self, user: str, fields: str | None = None) -> httpx.Response:
        return await self.http.get(f"/v25.0/{user}", params={} if fields is None else {"fields": fields})


@dataclass
class WhapiCaller:
    """Calls Whapi as a bot would, with the right token."""

    http: httpx.AsyncClient

    async def send(self, kind: str, to: str, **body: Any) -> httpx.Response:
        return await self.http.post(f"messages/{kind}", json={"to": to, **body})

    async def text(self, to: str, text: str = "hola", **body: Any) -> httpx.Response:
        return await self.send("text", to, body=text, **body)

    async def buttons(self, to: str, *titles: str) -> httpx.Response:
        buttons = [{"type": "quick_reply", "title": title, "id": f"/{title.lower()}"} for title in titles]
        return await self.send("interactive", to, type="button", body={"text": "¿Cuál?"}, action={"buttons": buttons})

    async def list(self, to: str, *titles: str) -> httpx.Response:
        rows = [{"id": f"/{title.lower()}", "title": title} for title in titles]
        action = {"list": {"label": "Ver", "sections": [{"title": "Todo", "rows": rows}]}}
        return await self.send("interactive", to, type="list", body={"text": "Elige"}, action=action)


def error_of(answer: httpx.Response) -> tuple[int, int | None]:
    """Code and subcode of a refusal."""
    error = answer.json()["error"]
    assert error["fbtrace_id"]
    return error["code"], error.get("error_subcode")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    recorder.base = f"http://{host}:{port}/api/webhooks"
    recorder.url = f"{recorder.base}/meta"
    yield recorder
    server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator(recorder: Recorder) -> AsyncIterator[Simulator]:
    """One simulator for all tests of a file: starting Sanic takes longer than a test."""
    config = Config(
        webhook=recorder.url,
        app_secret=SECRET,
        token=TOKEN,
        verify_token="verify-me",
        app_id="555",
        whapi_webhook=f"{recorder.base}/whapi",
        whapi_token=WHAPI_TOKEN,
        whapi_secret=WHAPI_SECRET,
        mail_address="tienda@acme.example",
        mail_name="ACME",
        mail_password=MAIL_PASSWORD,
        mail_access_token=MAIL_ACCESS_TOKEN,
        mail_webhook=f"{recorder.base}/email/{{provider}}",
        mailgun_key="key-test",
    )
    async with Simulator(config) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def bot(recorder: Recorder) -> Recorder:
    recorder.forget()
    return recorder


@pytest_asyncio.fixture(loop_scope="module")
async def sim(simulator: Simulator, bot: Recorder) -> AsyncIterator[SimulatorClient]:
    async with SimulatorClient(simulator.url) as client:
        yield client
        await client.reset()


@pytest_asyncio.fixture(loop_scope="module")
async def graph(simulator: Simulator) -> AsyncIterator[GraphCaller]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    verify = simulator.url.startswith("https:")
    async with httpx.AsyncClient(base_url=simulator.url, headers=headers, timeout=5, trust_env=False, verify=verify) as http:
        yield GraphCaller(http, simulator.config.page_id)


@pytest_asyncio.fixture(loop_scope="module")
async def whapi(simulator: Simulator) -> AsyncIterator[WhapiCaller]:
    headers = {"Authorization": f"Bearer {WHAPI_TOKEN}"}
    base, verify = f"{simulator.url}/whapi/", simulator.url.startswith("https:")
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=5, trust_env=False, verify=verify) as http:
        yield WhapiCaller(http)
