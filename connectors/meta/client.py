"""The part of Meta's Graph API that we call: send, sender actions, profiles, and what a health check reads."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import quote

import async_timeout
import httpx

from connectors.message import Json, NeedsOperator, OutcomeUnknown, Outgoing, Retry, SendError
from connectors.meta.errors import TOKEN_CODES, document_of, rest_of, transport_error
from connectors.meta.render import action_body, send_body
from connectors.meta.signature import appsecret_proof
from connectors.meta.values import as_mid
from connectors.platform import Profile
from connectors.values import as_object, as_text

CONNECT_SECONDS = 3.0
# Asking for more (locale, gender…) fails the whole call where one permission is missing.
PROFILE_FIELDS = {"messenger": "first_name,last_name,profile_pic", "instagram": "name,username,profile_pic"}

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "omnicrm"}
_JSON_HEADERS = {**_HEADERS, "Content-Type": "application/json"}


class GraphClient:
    """Calls Graph for one Page and the Instagram account linked to it.

    The token travels in a header only. ``clock`` is monotonic, in seconds: a limit that Meta announces is kept by not calling.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        version: str,
        page_id: str,
        token: str,
        app_secret: str,
        app_id: str = "",
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._root = f"{base_url.rstrip('/')}/{version}"
        self._page_id = page_id
        self._token = token
        self._app_secret = app_secret
        self._app_id = app_id
        self._longest = timeout + 2 * CONNECT_SECONDS
        self._timeout = httpx.Timeout(timeout, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS).as_dict()
        self._clock = clock
        self._rest_until = 0.0
        # Worked out once: most calls go there.
        self._messages = self._address(f"{page_id}/messages")

    async def send_instagram_message(self, recipient_id: str, message: Outgoing) -> str:
        """Send one fitted message to an Instagram customer (IGSID); return its id. Raises ``SendError``."""
        # Whether Instagram takes `metadata` is documented nowhere.
        return await self._send(send_body(recipient_id, message))

    async def send_messenger_message(self, recipient_id: str, message: Outgoing, metadata: str | None = None) -> str:
        """Send one fitted message to a Messenger customer (PSID); return its id. Raises ``SendError``.

        ``metadata`` comes back in the echo of this message.
        """
        return await self._send(send_body(recipient_id, message, metadata))

    async def send_action(self, recipient_id: str, action: Literal["mark_seen", "typing_on", "typing_off"]) -> None:
        """Show the customer that we read or write. Raises ``SendError``."""
        await self._post(action_body(recipient_id, action))

    async def get_user_profile(self, user_id: str, platform: Literal["instagram", "messenger"]) -> Profile | None:
        """Look a customer up; None where Meta will not say.

        Raises ``NeedsOperator`` for a dead token, and ``Retry`` where Meta wants us to wait; else nothing.
        """
        try:
            document = await self.get(quote(user_id, safe=""), fields=PROFILE_FIELDS[platform])
        except NeedsOperator as error:
            if error.code and error.code.split("/")[0] in map(str, TOKEN_CODES):
                raise
            return None
        except Retry as error:
            if error.after is not None:
                raise
            return None
        except SendError:
            return None
        full_name = " ".join(filter(None, (as_text(document.get("first_name")), as_text(document.get("last_name")))))
        profile = Profile(
            name=as_text(document.get("name")) or full_name or None,
            username=as_text(document.get("username")),
            picture_url=as_text(document.get("profile_pic")),
        )
        return profile if profile != Profile() else None

    async def get(self, path: str, **parameters: str) -> dict[str, Json]:
        """Read one node or edge as the Page. Raises ``SendError``."""
        return await self._call("GET", self._address(path, **parameters), self._token)

    async def debug_token(self) -> dict[str, Json]:
        """What Meta knows about our token; needs the app's id. Raises ``SendError``."""
        # The one call that takes a token as parameter.
        with _token_addresses_unlogged():
            app_token = f"{self._app_id}|{self._app_secret}"
            address = httpx.URL(f"{self._root}/debug_token", params={"input_token": self._token})
            document = await self._call("GET", address, app_token)
        return as_object(document.get("data"))

    async def _send(self, body: dict[str, Json]) -> str:
        document = await self._post(body)
        message_id = as_mid(document.get("message_id"))
        if message_id is None:
            raise OutcomeUnknown("Meta aceptó el mensaje sin decir su id")
        return message_id

    async def _post(self, body: dict[str, Json]) -> dict[str, Json]:
        rest = self._rest_until - self._clock()
        if rest > 0:
            raise Retry("Llegamos al límite de envíos de Meta", after=rest)
        return await self._call("POST", self._messages, self._token, body)

    def _address(self, path: str, **parameters: str) -> httpx.URL:
        proof = appsecret_proof(self._token, self._app_secret)
        return httpx.URL(f"{self._root}/{path}", params={**parameters, "appsecret_proof": proof})

    async def _call(
        self, method: str, address: httpx.URL, token: str, body: dict[str, Json] | None = None
    ) -> dict[str, Json]:
        request = httpx.Request(
            method,
            address,
            headers={**(_HEADERS if body is None else _JSON_HEADERS), "Authorization": f"Bearer {token}"},
            content=None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
            extensions={"timeout": self._timeout},
        )
        try:
            # httpx bounds each wait, this the whole call: an answer may come in drops.
            async with async_timeout.timeout(self._longest):
                # A redirect would carry the token somewhere else.
                response = await self._http.send(request, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL, asyncio.TimeoutError) as error:
            # Without `from`: the request in httpx's error holds the token.
            raise transport_error(error) from None
        rest = rest_of(response.headers)
        if rest:
            self._rest_until = self._clock() + rest
        return document_of(response, (self._token, self._app_secret), self._page_id)


@contextmanager
def _token_addresses_unlogged() -> Iterator[None]:
    """Keep httpx from logging addresses with a token in them."""

    def is_harmless(record: logging.LogRecord) -> bool:
        return "input_token=" not in record.getMessage()

    logger = logging.getLogger("httpx")
    logger.addFilter(is_harmless)
    try:
        yield
    finally:
        logger.removeFilter(is_harmless)
