"""The one pool of connections to platforms: httpx for whoever calls, aiohttp underneath.

httpx's own transport looks at every idle connection for every request, and takes over twice the time of aiohttp's.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from urllib.request import getproxies

import aiohttp
import async_timeout
import httpx
from aiohttp.connector import Connection
from yarl import URL

from omnicrm.settings import Settings

MAX_CONNECTIONS = 100
KEEP_ALIVE_SECONDS = 30.0
CONNECT_SECONDS = 3.0
# httpx has written them, or decided against them.
_NO_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


def http_client(settings: Settings) -> httpx.AsyncClient:
    """A client that is quick to give up connecting, and follows no redirects: a token must not go with one."""
    # httpx logs every address at INFO, and with it the proof that Meta wants of each call.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    timeout = httpx.Timeout(settings.send_timeout_seconds, connect=CONNECT_SECONDS)
    return PlainClient(transport=AiohttpTransport(), timeout=timeout, trust_env=False)


class PlainClient(httpx.AsyncClient):
    """httpx without what platforms must not have of it, and what costs time in every call: cookies, redirects, log-ins."""

    async def send(self, request: httpx.Request, **_options: Any) -> httpx.Response:
        """Send one request and read its whole answer."""
        return await self._transport.handle_async_request(request)


@dataclass(slots=True)
class _Progress:
    """How far a request is. ``left``: some of it may have been written; from then on its answer is waited for."""

    limit: async_timeout.Timeout
    seconds: float | None
    left: bool = False


_progress: ContextVar[_Progress] = ContextVar("request_progress")


class _NotingRequest(aiohttp.ClientRequest):
    """aiohttp's request, which notes when its first byte is about to be written."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        progress = _progress.get()
        progress.left = True
        if progress.seconds is not None:
            progress.limit.update(asyncio.get_running_loop().time() + progress.seconds)
        return await super().send(conn)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Carries httpx's requests over aiohttp's connections, which are opened in the loop of the first request.

    Raises ``httpx.ConnectError`` or ``ConnectTimeout`` when nothing of the request left this machine, ``ReadError``,
    ``ReadTimeout`` or ``RemoteProtocolError`` when some of it may have.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read its whole answer."""
        session = self._session or self._open()
        given = request.extensions.get("timeout", {})
        limit = async_timeout.timeout(None)
        progress = _Progress(limit, given.get("read"))
        noted = _progress.set(progress)
        try:
            body = await request.aread()
            async with limit, session.request(
                request.method,
                _address(str(request.url)),
                headers=[(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=body or None,
                allow_redirects=False,
                timeout=_timeout(given.get("connect"), given.get("pool")),
            ) as answer:
                content = await answer.read()
                return httpx.Response(answer.status, headers=answer.raw_headers, content=content, request=request)
        except asyncio.TimeoutError as error:
            kind = httpx.ReadTimeout if progress.left else httpx.ConnectTimeout
            raise kind(type(error).__name__, request=request) from error
        except aiohttp.ClientPayloadError as error:
            raise httpx.RemoteProtocolError(type(error).__name__, request=request) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            broken = httpx.ReadError if progress.left else httpx.ConnectError
            raise broken(type(error).__name__, request=request) from error
        finally:
            _progress.reset(noted)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=httpx.create_ssl_context()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # httpx does
            request_class=_NotingRequest,
            skip_auto_headers=_NO_OWN_HEADERS,
            # Asked of the environment for every request: only where there is a proxy to be found.
            trust_env=bool(getproxies().keys() & {"http", "https", "all"}),
        )
        return self._session


@lru_cache(maxsize=256)
def _address(text: str) -> URL:
    return URL(text, encoded=True)


@cache
def _timeout(connect: float | None, pool: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None,
        connect=None if connect is None else connect + (pool or connect),
        sock_connect=connect,
        # aiohttp 3.9 can leave this timer running on a connection that is kept: it ends the next request on it at once, as if
        # that had been sent and not answered. The answer's time is kept in `handle_async_request`.
        sock_read=None,
    )
