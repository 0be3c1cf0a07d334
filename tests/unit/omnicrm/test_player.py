from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from connectors.message import Address
from omnicrm import player
from omnicrm.conversation import Conversation, Expected, Step
from omnicrm.player import Customer, play
from simulator.client import SimulatorClient

RESPONSES = {"utter_saludar": [{"text": "¡Hola!"}], "utter_despedir": [{"text": "¡Hasta luego!"}]}
LUCIA = Customer(channel="instagram", name="Lucía", user="3", address=Address(channel="IG", account="2", user="3"))


def says(text: str, *responses: str) -> Step:
    return Step(action="customer", value=text, expected=tuple(Expected(kind="utter", value=name) for name in responses))


class Shop:
    """A simulator with a bot behind it that answers each line with what it is told to: over HTTP, as the real one."""

    wakes = False

    def __init__(self, answers: dict[str, list[str]], *, webhook: int = 200, stuck: bool = False, unread: bool = False) -> None:
        self._answers = answers
        self._webhook = webhook
        self._stuck = stuck
        self._unread = unread
        self._bubbles: list[dict[str, Any]] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/sim/say":
            body = json.loads(request.content)
            if "tap" in body:
                return httpx.Response(400, json={"error": "nothing called so can be tapped"})
            self._show("customer", body["text"])
            for text in self._answers.get(body["text"], []):
                self._show("shop", text)
            return httpx.Response(200, json={"status": self._webhook, "mid": "m", "mids": ["m"]})
        replies = sum(bubble["from"] == "shop" for bubble in self._bubbles)
        view = {"channel": "instagram", "user": "3", "name": None, "typing": False, "seen": True}
        return httpx.Response(200, json={**view, "messages": self._bubbles, "shop_messages": replies})

    def _show(self, sender: str, text: str) -> None:
        author = "customer" if sender == "customer" else "bot"
        self._bubbles.append({"from": sender, "author": author, "mid": "m", "time": 0, "text": text})

    async def call(self, function: str, /, **arguments: Any) -> Any:
        said = sum(bubble["from"] == "customer" for bubble in self._bubbles)
        if function == "omnicrm_unheard":
            return [{"id": said}]
        assert (function, arguments) == ("omnicrm_conversation", {"p_key": "ig:2:3"})
        status = "received" if self._stuck else "ignored" if self._unread else "handled"
        return {"owner": "bot", "messages": [{"id": n, "direction": "in", "status": status} for n in range(1, said + 1)]}

    def listen(self, channel: str = "") -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        pass

    async def play(self, *steps: Step, **crm: Any) -> tuple[str, ...]:
        http = httpx.AsyncClient(base_url="http://simulator", transport=httpx.MockTransport(self.handle))
        async with SimulatorClient("http://simulator", http) as client:
            conversation = Conversation(title="", steps=steps, crm=crm)
            return (await play(conversation, LUCIA, client, self, RESPONSES)).problems


async def test_a_conversation_that_goes_as_written_has_no_problem() -> None:
    shop = Shop({"hola": ["¡Hola!"], "adiós": ["¡Hasta luego!"]})
    assert await shop.play(says("hola", "utter_saludar"), says("adiós", "utter_despedir"), owner="bot") == ()


async def test_a_missing_reply_is_told_with_its_step() -> None:
    (problem,) = await Shop({}).play(says("hola", "utter_saludar"))
    assert problem == "step 1 (hola): missing reply: utter_saludar"


async def test_an_extra_reply_is_told_with_its_step() -> None:
    shop = Shop({"hola": ["¡Hola!"], "adiós": ["¡Hasta luego!", "¡Hola!"]})
    (problem,) = await shop.play(says("hola", "utter_saludar"), says("adiós", "utter_despedir"))
    assert problem == "step 2 (adiós): extra reply: «¡Hola!»"


async def test_a_webhook_that_is_not_taken_ends_the_conversation() -> None:
    problems = await Shop({}, webhook=503).play(says("hola", "utter_saludar"), says("adiós", "utter_despedir"))
    assert problems == ("step 1 (hola): the webhook answered 503",)


async def test_what_cannot_be_done_on_the_phone_ends_the_conversation() -> None:
    (problem,) = await Shop({}).play(Step(action="tap", value="Precios", expected=()))
    assert problem == "step 1 ([Precios]): nothing called so can be tapped"


async def test_a_bot_that_never_finishes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "STEP_SECONDS", 0.0)
    problems = await Shop({}, stuck=True).play(says("hola"))
    assert problems == ("step 1 (hola): after 0 s there is still in received",)


async def test_a_message_that_gets_no_turn_is_waited_for_until_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "STEP_SECONDS", 0.0)
    problems = await Shop({}, unread=True).play(says("hola"))
    assert problems == ("step 1 (hola): after 0 s there is still 1 unread",)


async def test_what_the_crm_holds_otherwise_is_told() -> None:
    assert await Shop({}).play(says("hola"), owner="human") == ("crm owner: expected human, holds bot",)
