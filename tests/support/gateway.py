"""What stands before PostgREST in a Supabase project: it knows the keys and turns the new kind into a role."""

from __future__ import annotations

import asyncio
import secrets
import threading
from dataclasses import dataclass, field
from io import BytesIO

from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector, web

from tests.support.postgrest import key_of_role

_HOP_BY_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "apikey"}


def _secret_key() -> str:
    return "sb_secret_" + secrets.token_urlsafe(24)


def _publishable_key() -> str:
    return "sb_publishable_" + secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Keys:
    """The keys of one project; the first two in either kind."""

    secret: str = field(default_factory=_secret_key)
    publishable: str = field(default_factory=_publishable_key)
    service_jwt: str = field(default_factory=lambda: key_of_role("service_role"))
    anon_jwt: str = field(default_factory=lambda: key_of_role("anon"))

    def role_token(self, key: str) -> str | None:
        """Return the JWT that PostgREST gets for a key; None for a key of no project."""
        return {
            self.secret: self.service_jwt,
            self.publishable: self.anon_jwt,
            self.service_jwt: self.service_jwt,
            self.anon_jwt: self.anon_jwt,
        }.get(key)


class Gateway:
    """Serves ``/rest/v1`` in a thread of its own, so that any event loop or process may call it."""

    def __init__(self, postgrest_url: str, keys: Keys) -> None:
        self._upstream, self._keys = postgrest_url, keys
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    async def _start(self) -> str:
        # PostgREST may refuse a request before it has read the body, whose rest would be taken for the next one.
        connector = TCPConnector(force_close=True)
        self._session = ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False)
        application = web.Application(client_max_size=50_000_000)
        application.router.add_route("*", "/rest/v1/{path:.*}", self._forward)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _forward(self, request: web.Request) -> web.Response:
        key = request.headers.get("apikey")
        if key is None:
            return _refuse("No API key found in request", "No `apikey` request header or url param was found.")
        token = self._keys.role_token(key)
        if token is None:
            return _refuse("Invalid API key", "Double check your Supabase API key.")
        authorization = request.headers.get("Authorization")
        if authorization is not None and not _is_jwt(authorization) and authorization != f"Bearer {key}":
            return _refuse("Invalid Authorization header", "Not a JWT.")
        # A new key that is repeated in Authorization goes on as it is: PostgREST refuses it with PGRST301, as at Supabase.
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers["Authorization"] = authorization or f"Bearer {token}"
        path = request.raw_path.removeprefix("/rest/v1")
        body = BytesIO(await request.read())
        try:
            async with self._session.request(
                request.method, self._upstream + path, headers=headers, data=body, allow_redirects=False
            ) as answer:
                passed = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
                return web.Response(status=answer.status, headers=passed, body=await answer.read())
        except ClientError:
            return web.json_response({"message": "An invalid response was received from the upstream server"}, status=502)

    def close(self) -> None:
        """Stop serving."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()


def _is_jwt(authorization: str) -> bool:
    return authorization.startswith("Bearer ey") and authorization.count(".") == 2


def _refuse(message: str, hint: str) -> web.Response:
    return web.json_response({"message": message, "hint": hint}, status=401)
