"""One call of Whapi from request to reply: faults, token, the call itself, its echo and statuses, the record of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TypeAlias

from simulator.config import Json
from simulator.faults import Fault, Faults
from simulator.reply import Reply, refused_below, spoilt
from simulator.state import World
from simulator.traffic import Plan, Traffic
from simulator.whapi import endpoints, packing, sending
from simulator.whapi.calls import Call, authenticate, find
from simulator.whapi.errors import WhapiError, of_fault, unauthorized
from simulator.whapi.rules import KINDS
from simulator.whapi.sending import Result

# What is asked of the API: method, path, which kind of call it is in the words of the faults, and who answers.
_CHAT: tuple[tuple[str, str, str, Callable[..., Result]], ...] = (
    ("POST", rf"messages/({'|'.join(KINDS)})", "send", sending.send),
    ("PUT", r"messages/([^/]+)", "sender_action", sending.read),
    ("PUT|DELETE", r"messages/([^/]+)/reaction", "sender_action", sending.react),
    ("DELETE", r"messages/([^/]+)", "sender_action", sending.delete),
    ("PUT", r"presences/([^/]+)", "sender_action", sending.presence),
)
_REST: tuple[tuple[str, str, str, Callable[..., Json]], ...] = (
    ("GET", r"messages/list", "other", endpoints.history),
    ("GET", r"messages/list/([^/]+)", "other", endpoints.history),
    ("GET", r"messages/([^/]+)", "other", endpoints.message),
    ("GET", r"health", "health", endpoints.health),
    ("GET", r"settings", "settings", endpoints.settings),
    ("PATCH", r"settings", "settings", endpoints.change_settings),
    ("DELETE", r"settings", "settings", endpoints.reset_settings),
    ("GET", r"settings/events", "settings", endpoints.events),
    ("POST", r"contacts", "profile", endpoints.check_contacts),
    ("GET", r"contacts", "profile", endpoints.contacts),
    ("GET", r"contacts/lids/([^/]+)", "profile", endpoints.lid),
    ("GET|HEAD", r"contacts/([^/]+)", "profile", endpoints.contact),
    ("GET", r"contacts/([^/]+)/profile", "profile", endpoints.profile),
    ("POST", r"media", "attachment", endpoints.upload),
)
_NEEDS_NUMBER = ("send", "sender_action", "profile", "attachment")
_Answer: TypeAlias = Callable[[World, Call], Json]


class Gateway:
    """Whapi's API over one world."""

    def __init__(self, world: World, traffic: Traffic) -> None:
        self.world = world
        self.traffic = traffic

    async def answer(self, call: Call) -> Reply:
        """Answer one call, or misbehave as asked to."""
        world, where = self.world, _where(call)
        user = self._user(call)
        record = world.remember(
            {
                "api": "whapi",
                "method": call.method,
                "path": "/" + call.path,
                "where": where,
                "user": user,
                "channel": "whatsapp",
                "query": call.query,
                "body": call.public_body(),
                "token_from": call.token_from,
            }
        )
        fault = world.faults.take(where, user, "whatsapp")
        reply = await self._reply(call, where, fault)
        reply.wait += world.knobs.latency
        world.counts["whapi_status", "none" if reply.cut else str(reply.status)] += 1
        record.update(
            status=None if reply.cut else reply.status, answer=reply.body, fault=fault.name if fault is not None else None
        )
        return reply

    def _user(self, call: Call) -> str | None:
        to = call.body.get("to")
        if call.path.startswith(("presences/", "contacts/")):
            to = call.path.split("/")[1]
        named = re.fullmatch(r"messages/([^/]+)(/reaction)?", call.path)
        if named and named[1] in self.world.whapi.messages:
            to = self.world.whapi.messages[named[1]]["chat_id"]
        phone = find(self.world, to) if isinstance(to, str) else None
        return phone.user if phone is not None else None

    async def _reply(self, call: Call, where: str, fault: Fault | None) -> Reply:
        if fault is not None and not fault.accepts:
            return refused_below(fault) or _error(of_fault(fault), fault.seconds)
        try:
            authenticate(self.world, call)
            if where in _NEEDS_NUMBER and self.world.whapi.status != "AUTH":
                raise unauthorized()
            reply = await self._carry_out(call)
        except WhapiError as error:
            if fault is not None:
                Faults.give_back(fault)
            return _error(error)
        if fault is None:
            return reply
        if fault.name == "no_message_id":
            reply.body = {"sent": True}
        return spoilt(reply, fault)

    async def _carry_out(self, call: Call) -> Reply:
        for method, path, _, chat in _CHAT:
            if found := _match(method, path, call):
                result = chat(self.world, call, *found.groups())
                await self._tell(result)
                return Reply(body=result.body)
        for method, path, _, rest in _REST:
            if found := _match(method, path, call):
                return Reply(body=rest(self.world, call, *found.groups()))
        return await self._other(call)

    async def _other(self, call: Call) -> Reply:
        """The answers that are no plain JSON."""
        if call.method == "GET" and call.path == "limits":
            limits = self.world.whapi.limits
            return Reply(body=limits) if limits is not None else Reply(status=204, raw=b"")
        if call.method == "POST" and call.path == "settings/webhook_test":
            await self._test(endpoints.check_test(call))
            return Reply(body={"success": True})
        if call.method == "GET" and (found := re.fullmatch(r"media/([^/]+)", call.path)):
            file = endpoints.file_of(self.world, found[1])
            return Reply(raw=file.content, headers={"content-type": file.mime_type})
        raise WhapiError(404, "Not Found", f"there is no {call.method} /{call.path}")

    async def _test(self, webhook: dict[str, Json]) -> None:
        # What its body holds is not documented.
        document = {"event": webhook["event"], "channel_id": self.world.config.whapi_channel_id}
        door = packing.door_of(webhook, webhook["event"])
        webhooks = self.traffic.webhooks
        test = webhooks.prepare_raw(packing.to_bytes(document), packing.headers_of(webhook), (), door)
        await webhooks.deliver(test, retry=False)

    async def _tell(self, result: Result) -> None:
        """Echo and statuses, before the answer or after it."""
        echoes, spawn = self.world.knobs.echoes, self.traffic.webhooks.spawn
        late = list(result.echo) if echoes == "after" else []
        if result.echo and echoes == "before":
            # In a task of its own: a caller who hangs up does not take the echo back.
            await asyncio.shield(spawn(self.traffic.send(result.echo, Plan())))
        late += result.statuses
        if self.world.knobs.statuses == "reversed":
            late.reverse()
        if late:
            spawn(self.traffic.later(*late))


def _match(method: str, path: str, call: Call) -> re.Match[str] | None:
    return re.fullmatch(path, call.path) if call.method in method.split("|") else None


def _where(call: Call) -> str:
    found = (where for method, path, where, _ in (*_CHAT, *_REST) if _match(method, path, call))
    return next(found, "attachment" if call.path.startswith("media/") else "other")


def _error(error: WhapiError, wait: float = 0.0) -> Reply:
    return Reply(status=error.status, body=error.body(), headers=dict(error.headers), wait=wait)
