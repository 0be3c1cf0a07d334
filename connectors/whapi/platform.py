"""WhatsApp as a platform: one channel of Whapi, which is one number."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Literal

import httpx

from connectors.message import Address, ChannelCode, Outgoing, SendError
from connectors.platform import Answer, Desk, Finding, Profile, Request
from connectors.values import as_id
from connectors.whapi import capabilities, health, webhook
from connectors.whapi.client import WhapiClient
from connectors.whapi.identity import read_chat, user_of
from connectors.whapi.item import Ours
from connectors.whapi.watch import Watch
from notify.settings import whatsapp_chats
from omnicrm.setting import require
from omnicrm.settings import Settings

HEALTH_SECONDS = 60.0
_NEEDED = ("whapi_token", "whapi_channel_id", "whapi_webhook_secret")

Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Whatsapp:
    """Messages to the number of one Whapi channel."""

    name = "whatsapp"
    channel: ChannelCode = "WA"
    webhook_path = webhook.PATH
    webhook_methods = webhook.METHODS
    webhook_below = True
    max_body = webhook.MAX_BODY

    def __init__(
        self,
        settings: Settings,
        http: httpx.AsyncClient,
        clock: Clock = _utc_now,
        *,
        random_number: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        health_seconds: float = HEALTH_SECONDS,
    ) -> None:
        mentioned = settings.whapi_groups == "mentioned"
        require(settings, self.name, (*_NEEDED, *(("whapi_number",) if mentioned else ())))
        self.account = settings.whapi_channel_id
        shows = capabilities.TEXT if settings.whapi_interactive == "text" else capabilities.INTERACTIVE
        # An ordinary number, which WhatsApp bans for writing like a machine.
        self.capabilities = replace(shows, sends_per_second=settings.whapi_send_per_minute / 60)
        told = [address.removeprefix("+") for address in whatsapp_chats(settings)]
        ours = Ours(
            channel=settings.whapi_channel_id,
            number=user_of(settings.whapi_number) if settings.whapi_number else "",
            groups="mentioned" if mentioned else "off",
            stale_seconds=settings.whapi_stale_seconds,
            staff=frozenset(chat.user for chat in map(read_chat, told) if chat is not None),
        )
        self._webhook = webhook.Webhook(ours=ours, secrets=settings.whapi_webhook_secret)
        self._account = health.Account(ours=ours, secrets=settings.whapi_webhook_secret)
        self._clock = clock
        self._sleep = sleep
        self._health_seconds = health_seconds
        self.client = WhapiClient(
            http,
            base_url=settings.whapi_url,
            token=settings.whapi_token,
            timeout=settings.send_timeout_seconds,
            random_number=random_number,
        )

    def webhook(self, request: Request) -> Answer:
        """Verify and parse one call."""
        return self._webhook.answer(request, self._clock())

    async def send(self, to: Address, message: Outgoing, reference: str) -> str:
        """Send one fitted message to the chat that the customer wrote in; return WhatsApp's id. Raises ``SendError``."""
        chat_id = _chat_id(to) or await self.client.find_chat(to.user)
        return await self.client.send(chat_id, message, quoted=as_id(to.context.get("quoted")))

    async def signal(self, to: Address, signal: Literal["seen", "typing"]) -> None:
        """Show the customer that we read or write; what goes wrong is of no consequence."""
        message_id, chat_id = as_id(to.context.get("message_id")), _chat_id(to)
        try:
            if signal == "seen" and message_id:
                await self.client.mark_read(message_id)
            elif signal == "typing" and chat_id:
                await self.client.show_typing(chat_id)
        except SendError:
            # The answer that follows meets the same trouble and reports it.
            return

    async def profile(self, of: Address) -> Profile | None:
        """Look the customer up; a group has no profile. Raises ``NeedsOperator`` for an unlinked channel."""
        chat_id = _chat_id(of) or of.user.removeprefix("+")
        if chat_id.endswith("@g.us"):
            return None
        # Of a number, its digits; a hidden one is asked for as it stands.
        return await self.client.get_contact(chat_id if chat_id.endswith("@lid") else chat_id.partition("@")[0])

    async def check(self) -> list[Finding]:
        """The number's link, the plan's limits and the webhook, in Spanish."""
        return await health.check(self.client, self._account)

    async def listen(self, desk: Desk) -> None:
        """Watch whether the number is still linked. Runs until cancelled."""
        watch = Watch(self.client, self.account, seconds=self._health_seconds, clock=self._clock, sleep=self._sleep)
        await watch.listen(desk)


def _chat_id(address: Address) -> str | None:
    """The chat as the customer's own messages named it; without one, the user where that is no phone number."""
    known = as_id(address.context.get("chat_id"))
    if known or address.user.startswith("+"):
        return known
    return f"{address.user.removeprefix('lid:')}@lid" if address.user.startswith("lid:") else address.user
