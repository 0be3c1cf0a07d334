"""Asking a language model: any server that speaks OpenAI's chat completions. Never logs keys or texts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Protocol

import httpx

# The whole of a question to the model, connecting included, in seconds.
MAX_SECONDS = 20.0
MAX_RESPONSE_BYTES = 256 * 1024
MAX_TOKENS = 300


class ModelError(Exception):
    """No usable answer. The message names the kind of trouble and never quotes the request or the response."""


class ModelTimeout(ModelError):
    """It took longer than it may."""


class ModelUnavailable(ModelError):
    """Not reachable, or its own fault (5xx)."""


class ModelThrottled(ModelError):
    """Too many questions, or the account is empty (429). ``after``: seconds that the server asks to wait, where it says so."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class ModelRefused(ModelError):
    """It will not answer until a person mends key, address or model name (other 4xx, redirects)."""


class ModelGarbage(ModelError):
    """It answered, but not with a finished text: not JSON, too big, cut off, filtered, a call of a tool."""


class ChatModel(Protocol):
    """What ``ara.answer`` needs of a model."""

    async def complete(self, messages: Sequence[dict[str, str]]) -> str:
        """The model's text for some messages. Raises ``ModelError``."""


class HttpModel:
    """A model behind ``{base_url}/chat/completions``. The HTTP client is shared and closed by its owner."""

    def __init__(
        self, client: httpx.AsyncClient, *, base_url: str, model: str, api_key: str, timeout: float = MAX_SECONDS
    ) -> None:
        self._client = client
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        self._key = api_key
        self._timeout = min(timeout, MAX_SECONDS)

    def __repr__(self) -> str:
        return f"HttpModel({self._url!r}, {self._model!r})"

    async def complete(self, messages: Sequence[dict[str, str]]) -> str:
        """Ask once, without retry: the customer waits. Raises ``ModelError``; total time at most ``timeout`` seconds."""
        body = {"model": self._model, "messages": list(messages), "max_tokens": MAX_TOKENS, "temperature": 0.2}
        try:
            status, headers, content = await asyncio.wait_for(self._post(body), self._timeout)
        except (asyncio.TimeoutError, httpx.TimeoutException):
            raise ModelTimeout(f"no answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as error:
            raise ModelUnavailable(type(error).__name__) from None
        if status != 200:
            raise _refusal(status, headers)
        return _read(content)

    async def _post(self, body: dict[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        headers = {"Authorization": f"Bearer {self._key}"}
        content = b""
        async with self._client.stream(
            "POST", self._url, json=body, headers=headers, timeout=self._timeout, follow_redirects=False
        ) as response:
            if response.status_code != 200:
                return response.status_code, response.headers, b""
            # Counted after decompression, so that a small body cannot grow without end.
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    raise ModelGarbage(f"the answer is larger than {MAX_RESPONSE_BYTES} bytes")
        return 200, response.headers, content


def _refusal(status: int, headers: httpx.Headers) -> ModelError:
    if status == 429:
        return ModelThrottled("status 429", _seconds(headers.get("retry-after", "")))
    if status >= 500 or status == 408:
        return ModelUnavailable(f"status {status}")
    return ModelRefused(f"status {status}")


def _seconds(value: str) -> float | None:
    # The other form of Retry-After, a date, is not worth parsing here: the default pause serves.
    return float(value) if value.isascii() and value.isdigit() else None


def _read(content: bytes) -> str:
    try:
        choice = json.loads(content)["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        text = message["content"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ModelGarbage("not a chat completion") from None
    if finish not in (None, "stop", "eos", "end_turn"):
        raise ModelGarbage("the answer did not come to its end")
    if message.get("tool_calls") or message.get("function_call"):
        raise ModelGarbage("it wanted to call a tool")
    if isinstance(text, list):
        text = "".join(part.get("text") or "" for part in text if isinstance(part, dict))
    if not isinstance(text, str) or not text.strip():
        raise ModelGarbage("an empty answer")
    return text
