"""The one pool of connections to platforms: httpx for whoever calls, aiohttp underneath.

httpx's own transport looks at every idle connection for every request, and takes over twice the time of aiohttp's.
"""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from urllib.request import getproxies

import aiohttp
import async_timeout
import httpx
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
    return httpx.AsyncClient(transport=AiohttpTransport(), timeout=timeout, follow_redirects=False)


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
        progress = SimpleNamespace(left=False, limit=None, seconds=given.get("read"))
        try:
            body = await request.aread()
            async with async_timeout.timeout(None) as progress.limit, session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=body or None,
                skip_auto_headers=_NO_OWN_HEADERS,
                allow_redirects=False,
                timeout=_timeout(given),
                trace_request_ctx=progress,
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

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_departure)  # type: ignore[arg-type] # aiohttp's annotation is of another type
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=httpx.create_ssl_context()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # httpx does
            # Asked of the environment for every request: only where there is a proxy to be found.
            trust_env=bool(getproxies().keys() & {"http", "https", "all"}),
            trace_configs=[tracing],
        )
        return self._session


async def _note_departure(_session: object, context: SimpleNamespace, _headers: object) -> None:
    """aiohttp is about to write the request's first byte: from now on the answer is waited for."""
    progress = context.trace_request_ctx
    progress.left = True
    if progress.seconds is not None:
        progress.limit.update(asyncio.get_running_loop().time() + progress.seconds)


def _timeout(given: dict[str, float | None]) -> aiohttp.ClientTimeout:
    connect, pool = given.get("connect"), given.get("pool")
    return aiohttp.ClientTimeout(
        total=None,
        connect=None if connect is None else connect + (pool or connect),
        sock_connect=connect,
        # aiohttp 3.9 can leave this timer running on a connection that is kept: it ends the next request on it at once, as if
        # that had been sent and not answered. The answer's time is kept in `handle_async_request`.
        sock_read=None,
    )
