"""From an HTTP request to an HTTP answer: verify, parse, commit, and only then 200."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sanic import response
from sanic.request import Request as SanicRequest
from sanic.response import HTTPResponse

from connectors.message import AnyEvent
from connectors.platform import Platform, Request
from crm.port import CrmError

logger = logging.getLogger(__name__)

LARGE = 256 * 1024

Receive = Callable[[Sequence[AnyEvent]], Awaitable[Any]]


async def take_webhook(platform: Platform, receive: Receive, request: SanicRequest) -> HTTPResponse:
    """Answer one call of a platform; the route must be a streaming one, because each platform has its own size.

    200 after the events are committed; 503 when they cannot be, so that the platform delivers again; 413 over the
    platform's size; else what the platform's own check says (401, 403, 400).
    """
    body = await read_body(request, platform.max_body)
    if body is None:
        return response.text("too large", status=413)
    call = Request(
        method=request.method, path=request.path, query={name: values[0] for name, values in request.args.items()},
        headers={name.lower(): value for name, value in request.headers.items()}, body=body,
    )  # fmt: skip
    # A mail of 25 MB takes half a second to read: the loop, and every customer on it, would wait.
    answer = platform.webhook(call) if len(body) < LARGE else await asyncio.to_thread(platform.webhook, call)
    if answer.status == 200 and answer.events:
        try:
            await receive(answer.events)
        except CrmError as error:
            logger.error("webhook not stored action=receive error=%s", error)
            return response.text("try again later", status=503)
    return response.text(answer.text, status=answer.status)


async def read_body(request: SanicRequest, limit: int) -> bytes | None:
    """The body of a streamed request; None as soon as it is known to be over the limit."""
    if int(request.headers.get("content-length") or 0) > limit:
        return None
    body = bytearray()
    while request.stream is not None and (chunk := await request.stream.read()):
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
