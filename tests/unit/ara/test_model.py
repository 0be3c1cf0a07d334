"""A model answers with a finished text, or with an error that says what kind of trouble it is and nothing more."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from ara.model import (
    MAX_RESPONSE_BYTES,
    HttpModel,
    ModelError,
    ModelGarbage,
    ModelRefused,
    ModelThrottled,
    ModelTimeout,
    ModelUnavailable,
)

KEY = "sk-very-secret"
MESSAGES = [{"role": "user", "content": "¿precio-privado?"}]


def completion(content: Any = "Cuesta $120.", **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop", **more}]}


async def ask(handler: Callable[[httpx.Request], Any], timeout: float = 5.0) -> str:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        return await HttpModel(client, base_url="https://llm.test/v1/", model="m", api_key=KEY, timeout=timeout).complete(
            MESSAGES
        )


async def test_the_request_is_an_openai_chat_completion():
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=completion())

    assert await ask(handler) == "Cuesta $120."
    assert str(seen[0].url) == "https://llm.test/v1/chat/completions"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    body = json.loads(seen[0].content)
    assert (body["model"], body["messages"]) == ("m", MESSAGES)
    assert "tools" not in body


@pytest.mark.parametrize(("status", "kind"), [
    (400, ModelRefused), (401, ModelRefused), (403, ModelRefused), (404, ModelRefused), (302, ModelRefused),
    (429, ModelThrottled), (408, ModelUnavailable), (500, ModelUnavailable), (502, ModelUnavailable), (503, ModelUnavailable),
    (529, ModelUnavailable),
])  # fmt: skip
async def test_a_status_says_what_kind_of_trouble_it_is(status: int, kind: type[ModelError]):
    with pytest.raises(kind, match=str(status)):
        await ask(
            lambda request: httpx.Response(status, headers={"location": "https://evil.test"}, text="quota of precio-privado")
        )


@pytest.mark.parametrize(("header", "after"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("", None)])
async def test_a_throttle_tells_how_long_to_wait(header: str, after: float | None):
    with pytest.raises(ModelThrottled) as caught:
        await ask(lambda request: httpx.Response(429, headers={"retry-after": header}))
    assert caught.value.after == after


@pytest.mark.parametrize("content", [
    b"", b"<html>", b"[]", b"null", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b'{"choices": [{"message": null}]}',
    b"\xff\xfe", b'{"choices": {"0": 1}}', b"[" * 20_000,
    *(json.dumps(document).encode() for document in (
        completion(""), completion("   "), completion(None), completion(3), completion({"text": "x"}), completion([]),
        completion(finish_reason="length"), completion(finish_reason="content_filter"), completion(finish_reason="tool_calls"),
        {"choices": [{"message": {"content": "x", "tool_calls": [{"function": {"name": "drop"}}]}, "finish_reason": "stop"}]},
        {"error": {"message": "no"}},
    )),
])  # fmt: skip
async def test_anything_but_a_finished_text_is_garbage(content: bytes):
    with pytest.raises(ModelGarbage):
        await ask(lambda request: httpx.Response(200, content=content))


async def test_text_in_parts_is_joined():
    assert await ask(
        lambda request: httpx.Response(200, json=completion([{"type": "text", "text": "Hola, "}, {"text": "qué tal"}]))
    ) == ("Hola, qué tal")


async def test_a_huge_answer_is_not_read_to_its_end():
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 65_536
            yield b"x" * 65_536

    with pytest.raises(ModelGarbage, match="larger"):
        await ask(lambda request: httpx.Response(200, content=endless()))
    assert read <= MAX_RESPONSE_BYTES + 2 * 65_536


async def test_a_small_body_that_unpacks_to_a_huge_one_is_refused():
    packed = gzip.compress(b" " * (MAX_RESPONSE_BYTES * 4))
    with pytest.raises(ModelGarbage, match="larger"):
        await ask(lambda request: httpx.Response(200, headers={"content-encoding": "gzip"}, content=packed))


@pytest.mark.parametrize(("error", "kind"), [
    (httpx.ConnectError("refused"), ModelUnavailable), (httpx.ReadError("reset"), ModelUnavailable),
    (httpx.RemoteProtocolError("half"), ModelUnavailable), (httpx.ReadTimeout("slow"), ModelTimeout),
    (httpx.ConnectTimeout("slow"), ModelTimeout), (httpx.DecodingError("gzip"), ModelUnavailable),
])  # fmt: skip
async def test_a_broken_line_is_told_by_its_kind(error: Exception, kind: type[ModelError]):
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(kind):
        await ask(handler)


async def test_the_whole_answer_has_one_time_limit_even_when_it_trickles():
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    with pytest.raises(ModelTimeout):
        await ask(lambda request: httpx.Response(200, content=trickle()), timeout=0.1)


async def test_nobody_can_set_more_than_twenty_seconds():
    async with httpx.AsyncClient() as client:
        model = HttpModel(client, base_url="http://x", model="m", api_key=KEY, timeout=90)
    assert model._timeout == 20.0


async def test_neither_key_nor_texts_show_in_errors_and_logs(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, logger="ara")
    for response in (httpx.Response(500, text="secreto"), httpx.Response(200, text="secreto"), httpx.Response(401, text=KEY)):
        with pytest.raises(ModelError) as caught:
            await ask(lambda request, response=response: response)
        shown = f"{caught.value!r}{caught.value.__cause__!r}{caplog.text}"
        assert not any(word in shown for word in (KEY, "secreto", "precio-privado"))


async def test_a_key_that_no_header_can_carry_is_an_error_of_the_model():
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, json=completion()))
    ) as client:
        with pytest.raises(ModelError):
            await HttpModel(client, base_url="https://llm.test", model="m", api_key="clave-ñ-\u20ac").complete(MESSAGES)
