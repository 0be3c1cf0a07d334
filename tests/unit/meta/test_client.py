"""What goes over the wire to Graph, and what comes of its answers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from connectors.message import (
    Address,
    BadPayload,
    Button,
    NeedsOperator,
    OutcomeUnknown,
    Outgoing,
    Retry,
    SendError,
    WindowClosed,
)
from connectors.meta.client import GraphClient
from connectors.meta.platform import Instagram as instagram
from connectors.meta.platform import Messenger as messenger
from connectors.platform import Profile
from omnicrm.settings import Settings

TOKEN = "EAAtoken"
SETTINGS = Settings(
    meta_access_token=TOKEN,
    meta_page_id="104098558513421",
    meta_ig_account_id="17841470026191358",
    meta_app_secret=("test_app_secret", "old_secret"),
    meta_verify_token="palabra",
    meta_graph_url="https://graph.test",
    meta_graph_version="v25.0",
    send_timeout_seconds=7.0,
)
Handler = Callable[[httpx.Request], httpx.Response]
HOLA = Outgoing(text="Hola")
CUSTOMER = Address(channel="FB", account="104098558513421", user="53")


class Graph:
    """A transport that answers with what it is given and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def sent(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]


def accepted(mid: str = "m_1") -> httpx.Response:
    return httpx.Response(200, json={"recipient_id": "53", "message_id": mid})


def refused(code: int, subcode: int | None = None) -> httpx.Response:
    return httpx.Response(400, json={"error": {"message": "nope", "code": code, "error_subcode": subcode}})


def client(graph: Graph, **changes: Any) -> GraphClient:
    settings = {"base_url": "https://graph.test", "version": "v25.0", "page_id": "104", "token": TOKEN}
    return GraphClient(graph.http, **{**settings, "app_secret": "test_app_secret", **changes})


async def test_a_messenger_message_goes_out_as_the_plan_says() -> None:
    graph = Graph(accepted("m_out"))
    assert await messenger(SETTINGS, graph.http).send(CUSTOMER, HOLA, "omnicrm:7") == "m_out"
    [request] = graph.requests
    assert request.method == "POST"
    assert request.url.path == "/v25.0/104098558513421/messages"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.url.params["appsecret_proof"] == "d6c4deea04dad311877a7fc71b2040fadb5f611475eeec72bb3c0bfad16d5e04"
    assert graph.sent == [
        {"recipient": {"id": "53"}, "messaging_type": "RESPONSE", "message": {"text": "Hola", "metadata": "omnicrm:7"}}
    ]
    assert request.extensions["timeout"] == {"connect": 3.0, "read": 7.0, "write": 7.0, "pool": 3.0}


async def test_an_instagram_message_goes_out_through_its_page_without_metadata() -> None:
    graph = Graph(accepted())
    await instagram(SETTINGS, graph.http).send(CUSTOMER, HOLA, "omnicrm:7")
    assert graph.requests[0].url.path == "/v25.0/104098558513421/messages"
    assert graph.sent == [{"recipient": {"id": "53"}, "messaging_type": "RESPONSE", "message": {"text": "Hola"}}]


async def test_seen_and_typing_are_requests_of_their_own_and_their_failure_is_silent() -> None:
    graph = Graph(httpx.Response(200, json={"recipient_id": "53"}), httpx.ConnectError("down"), refused(10, 2018278))
    platform = messenger(SETTINGS, graph.http)
    await platform.signal(CUSTOMER, "seen")
    await platform.signal(CUSTOMER, "typing")
    await platform.signal(CUSTOMER, "typing")
    assert [body["sender_action"] for body in graph.sent] == ["mark_seen", "typing_on", "typing_on"]
    assert all(set(body) == {"recipient", "sender_action"} for body in graph.sent)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused(10, 2018278), WindowClosed),
        (refused(190, 463), NeedsOperator),
        (httpx.Response(200, json={"error": {"message": "x", "code": 100}}), BadPayload),
        (httpx.Response(200, json={"recipient_id": "53"}), OutcomeUnknown),
        (httpx.Response(200, json={"message_id": ""}), OutcomeUnknown),
        (httpx.Response(200, text="ok"), OutcomeUnknown),
        (httpx.Response(302, headers={"location": "https://elsewhere.test/"}), NeedsOperator),
        (httpx.ConnectError("refused"), Retry),
        (httpx.PoolTimeout("busy"), Retry),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.RemoteProtocolError("gone"), OutcomeUnknown),
    ],
)
async def test_what_went_wrong_says_what_to_do(answer: httpx.Response | Exception, kind: type[SendError]) -> None:
    graph = Graph(answer)
    with pytest.raises(kind) as raised:
        await client(graph).send_messenger_message("53", HOLA)
    assert type(raised.value) is kind
    assert len(graph.requests) == 1
    assert TOKEN not in str(raised.value)


async def test_an_empty_message_is_never_sent() -> None:
    graph = Graph()
    with pytest.raises(BadPayload):
        await client(graph).send_instagram_message("53", Outgoing(buttons=(Button(title="x"),)))
    assert graph.requests == []


async def test_an_answer_in_drops_does_not_hold_a_send_for_ever() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    graph = Graph()
    graph.http = httpx.AsyncClient(transport=httpx.MockTransport(never))
    with pytest.raises(OutcomeUnknown):
        await client(graph, timeout=-5.9).send_messenger_message("53", HOLA)


async def test_a_limit_that_meta_announces_is_kept_by_not_calling() -> None:
    now = [100.0]
    usage = json.dumps({"104": [{"type": "messenger", "call_count": 100, "estimated_time_to_regain_access": 2}]})
    full = httpx.Response(200, json={"message_id": "m_1"}, headers={"X-Business-Use-Case-Usage": usage})
    graph = Graph(full, accepted("m_2"))
    calls = client(graph, clock=lambda: now[0])
    assert await calls.send_messenger_message("53", HOLA) == "m_1"
    now[0] += 30
    with pytest.raises(Retry) as raised:
        await calls.send_messenger_message("53", HOLA)
    assert raised.value.after == pytest.approx(90.0)
    assert len(graph.requests) == 1
    now[0] += 90
    assert await calls.send_messenger_message("53", HOLA) == "m_2"


async def test_messenger_profile() -> None:
    graph = Graph(httpx.Response(200, json={"first_name": "Ana", "last_name": "López", "profile_pic": "https://p", "id": "53"}))
    profile = await messenger(SETTINGS, graph.http).profile(CUSTOMER)
    assert profile == Profile(name="Ana López", picture_url="https://p")
    assert graph.requests[0].url.path == "/v25.0/53"
    assert graph.requests[0].url.params["fields"] == "first_name,last_name,profile_pic"


async def test_instagram_profile_with_what_may_be_null() -> None:
    graph = Graph(httpx.Response(200, json={"name": None, "username": "ana", "profile_pic": None, "id": "53"}))
    profile = await instagram(SETTINGS, graph.http).profile(CUSTOMER)
    assert profile == Profile(username="ana")
    assert graph.requests[0].url.params["fields"] == "name,username,profile_pic"


@pytest.mark.parametrize(
    "answer",
    [
        refused(230), refused(9010), refused(100, 33), refused(100, 2018218), refused(100, 2018247), refused(10), refused(200),
        httpx.Response(200, json={}), httpx.Response(200, json={"id": "53"}), httpx.Response(500, text="oops"),
        httpx.Response(404, text="not found"), httpx.ReadTimeout("slow"), httpx.ConnectError("down"),
    ],
)  # fmt: skip
async def test_a_customer_whom_meta_will_not_show_has_no_profile(answer: httpx.Response | Exception) -> None:
    assert await client(Graph(answer)).get_user_profile("53", "instagram") is None


async def test_a_dead_token_is_told_even_by_a_profile() -> None:
    with pytest.raises(NeedsOperator):
        await client(Graph(refused(190, 463))).get_user_profile("53", "messenger")


async def test_an_id_stays_one_segment_of_the_address() -> None:
    graph = Graph(httpx.Response(200, json={}))
    await client(graph).get_user_profile("../me?x=1", "messenger")
    assert graph.requests[0].url.raw_path.startswith(b"/v25.0/..%2Fme%3Fx%3D1?")


async def test_the_token_is_in_no_address_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    # Whoever opened the bot's own client before, in this process, has quieted it.
    caplog.set_level(logging.DEBUG, "httpx")
    told = httpx.Response(200, json={"data": {"is_valid": True}})
    graph = Graph(accepted(), refused(190), httpx.ReadTimeout("x"), httpx.Response(200, json={}), told, accepted())
    calls = client(graph, app_id="123", token="EAA|secreto")
    await calls.send_messenger_message("53", HOLA)
    for _ in range(2):
        with pytest.raises(SendError):
            await calls.send_messenger_message("53", HOLA)
    await calls.get_user_profile("53", "messenger")
    assert await calls.debug_token() == {"is_valid": True}
    await calls.send_messenger_message("53", HOLA)
    assert sum("input_token" in str(request.url) for request in graph.requests) == 1
    assert sum("secreto" in str(request.url) for request in graph.requests) == 1
    assert "secreto" not in caplog.text
    assert "graph.test" in caplog.text
