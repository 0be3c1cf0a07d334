"""The part of Whapi's API that we call: send, presence, contacts, and what health check and set-up read and write."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from urllib.parse import quote

import async_timeout
import httpx

from connectors.message import Json, NeedsOperator, OutcomeUnknown, Outgoing, Retry, SendError, Unreachable
from connectors.platform import Profile
from connectors.values import as_id, as_list, as_object, as_text
from connectors.whapi.errors import document_of, transport_error
from connectors.whapi.render import LONGEST_TYPING, render

CONNECT_SECONDS = 3.0
# Where Whapi names no time to wait: doubling from the first to the longest.
FIRST_REST, LONGEST_REST = 1.0, 60.0
# How long a "typing…" of ours stands; the answer ends it.
TYPING_SECONDS = 5


class WhapiClient:
    """Calls Whapi for one channel, which is one number.

    The token travels in a header only. ``random_number`` gives [0, 1); ``clock`` is monotonic, in seconds: a limit that
    Whapi announces is kept by not calling.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        token: str,
        timeout: float = 10.0,
        random_number: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._root = base_url.rstrip("/")
        self._token = token
        # Whether Whapi answers before or after it typed is documented nowhere.
        wait = timeout + LONGEST_TYPING
        self._longest = wait + 2 * CONNECT_SECONDS
        self._timeout = httpx.Timeout(wait, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS)
        self._random = random_number
        self._clock = clock
        self._rest_until = 0.0
        self._refusals = 0

    async def send(self, chat_id: str, message: Outgoing, quoted: str | None = None) -> str:
        """Send one fitted message to a chat; return its id. Raises ``SendError``."""
        path, body = render(chat_id, message, quoted=quoted, jitter=self._random())
        document = await self._paced(path, body)
        message_id = as_id(as_object(document.get("message")).get("id"))
        if document.get("sent") is not True or message_id is None:
            raise OutcomeUnknown("Whapi no confirmó el envío")
        return message_id

    async def mark_read(self, message_id: str) -> None:
        """Show the customer that their message was read. Raises ``SendError``."""
        await self._call("PUT", f"messages/{_segment(message_id)}")

    async def show_typing(self, chat_id: str) -> None:
        """Show "typing…". Raises ``SendError``."""
        await self._call("PUT", f"presences/{_segment(chat_id)}", {"presence": "typing", "delay": TYPING_SECONDS})

    async def get_contact(self, contact_id: str) -> Profile | None:
        """Look a customer up; None where Whapi does not know them.

        Raises ``NeedsOperator`` for an unlinked channel, and ``Retry`` where Whapi names a time to wait; else nothing.
        """
        try:
            document = await self._call("GET", f"contacts/{_segment(contact_id)}")
        except NeedsOperator:
            raise
        except Retry as error:
            if error.after is not None:
                raise
            return None
        except SendError:
            return None
        profile = Profile(
            # What they call themselves, else how our phone's address book has them.
            name=as_text(document.get("pushname")) or as_text(document.get("name")),
            picture_url=as_text(document.get("profile_pic_full")) or as_text(document.get("profile_pic")),
        )
        return profile if profile != Profile() else None

    async def find_chat(self, phone: str) -> str:
        """The chat of a number (E.164) that never wrote to us. Raises ``SendError``; never ``OutcomeUnknown``.

        WhatsApp alone knows which of a number's forms it uses, above all in Mexico: ids are never built.
        """
        try:
            document = await self._call("POST", "contacts", {"contacts": [phone], "force_check": False, "blocking": "wait"})
        except OutcomeUnknown as error:
            raise Retry(error.detail, error.code) from None
        for contact in map(as_object, as_list(document.get("contacts"))):
            wa_id = as_id(contact.get("wa_id"))
            if contact.get("status") == "valid" and wa_id:
                return wa_id if "@" in wa_id else f"{wa_id}@s.whatsapp.net"
        raise Unreachable("Este número no tiene WhatsApp")

    async def get_health(self) -> dict[str, Json]:
        """The channel's state. Does not start a channel that somebody stopped. Raises ``SendError``."""
        return await self._call("GET", "health?wakeup=false")

    async def get_limits(self) -> dict[str, Json]:
        """The plan's limits; empty where it has none (204). Raises ``SendError``."""
        return await self._call("GET", "limits")

    async def get_settings(self) -> dict[str, Json]:
        """The channel's settings, webhooks with their secret headers among them. Raises ``SendError``."""
        return await self._call("GET", "settings")

    async def change_settings(self, changes: dict[str, Json]) -> None:
        """Change these settings; others stay, but a list is replaced as a whole. Raises ``SendError``."""
        await self._call("PATCH", "settings", changes)

    async def _paced(self, path: str, body: dict[str, Json]) -> dict[str, Json]:
        rest = self._rest_until - self._clock()
        if rest > 0:
            raise Retry("Whapi pide escribir más despacio", after=rest)
        try:
            document = await self._call("POST", path, body)
        except Retry as error:
            if error.code == "HTTP 429":
                error.after = error.after or min(LONGEST_REST, FIRST_REST * 2**self._refusals)
                self._refusals = min(self._refusals + 1, 10)
                self._rest_until = self._clock() + error.after
            raise
        self._refusals = 0
        return document

    async def _call(self, method: str, path: str, body: dict[str, Json] | None = None) -> dict[str, Json]:
        try:
            # httpx bounds each wait, this the whole call: an answer may come in drops.
            async with async_timeout.timeout(self._longest):
                response = await self._http.request(
                    method,
                    f"{self._root}/{path}",
                    json=body,
                    headers={"Authorization": f"Bearer {self._token}"},
                    timeout=self._timeout,
                    # A redirect would carry the token somewhere else.
                    follow_redirects=False,
                )
        except (httpx.HTTPError, httpx.InvalidURL, asyncio.TimeoutError) as error:
            # Without `from`: the request in httpx's error holds the token.
            raise transport_error(error) from None
        return document_of(response, (self._token,))


def _segment(identifier: str) -> str:
    """An id as one segment of the address."""
    return quote(identifier, safe="@")
