"""One Graph call from request to reply: faults, authentication, the call itself, its echo, the record of it."""

from __future__ import annotations

import asyncio
import secrets

from simulator import nodes, sending
from simulator.calls import Call, authenticate
from simulator.config import Channel, Config, Json
from simulator.errors import GraphError, usage_headers
from simulator.faults import Fault, Faults
from simulator.reply import Reply, refused_below, spoilt
from simulator.state import World
from simulator.traffic import Plan, Traffic


class Graph:
    """Meta's API over one world."""

    def __init__(self, world: World, traffic: Traffic) -> None:
        self.world = world
        self.traffic = traffic

    async def answer(self, call: Call) -> Reply:
        """Answer one call, or misbehave as asked to."""
        world = self.world
        where, user = _where(world.config, call), _user(call)
        phone = world.recipient(user) if user is not None else None
        channel = phone.channel if phone is not None else None
        record = world.remember(
            {
                "api": "graph",
                "method": call.method,
                "path": "/" + "/".join(call.path),
                "version": f"v{call.version}.0",
                "where": where,
                "user": user,
                "channel": channel,
                "body": call.public_parameters(),
                "token_from": call.token_from,
                "proof": "appsecret_proof" in call.parameters,
            }
        )
        fault = world.faults.take(where, user, channel)
        reply = await self._reply(call, where, fault, channel)
        reply.wait += world.knobs.latency
        self._note(record, reply, fault)
        reply.headers = {
            "facebook-api-version": f"v{call.version}.0",
            "x-fb-trace-id": secrets.token_urlsafe(8),
            **reply.headers,
        }
        return reply

    async def _reply(self, call: Call, where: str, fault: Fault | None, channel: Channel | None) -> Reply:
        if fault is not None and not fault.accepts:
            return self._refusal(fault, channel)
        try:
            authenticate(self.world, call)
            if where in ("send", "sender_action"):
                reply = await self._send(call)
            else:
                reply = Reply(body=nodes.endpoint(call)(self.world, call))
        except GraphError as error:
            if fault is not None:
                Faults.give_back(fault)
            return _error(error)
        return reply if fault is None else self._spoilt(reply, fault, channel)

    async def _send(self, call: Call) -> Reply:
        if call.method != "POST":
            raise GraphError("Unsupported get request.", 100, 33, type="GraphMethodException")
        sent = sending.send(self.world, call)
        if sent.bubble is not None and sent.accepted is not None:
            app_id = int(self.world.config.app_id) if self.world.config.app_id.isdigit() else 0
            echo = self.traffic.echo(sent.phone, sent.bubble, sent.accepted.echo, app_id)
            echoes = self.world.knobs.echoes
            if echoes == "before":
                # In a task of its own: a caller who hangs up does not take the echo back.
                await asyncio.shield(self.traffic.webhooks.spawn(self.traffic.send([echo], Plan())))
            elif echoes == "after":
                self.traffic.webhooks.spawn(self.traffic.later(echo))
        channel = sent.phone.channel
        account = self.world.config.account(channel)
        return Reply(body=sent.answer, headers=usage_headers(account, channel, percent=1))

    def _refusal(self, fault: Fault, channel: Channel | None) -> Reply:
        below = refused_below(fault)
        if below is not None:
            return below
        reply = _error(fault.error(self.world.config, channel))
        reply.wait = fault.seconds
        return reply

    def _spoilt(self, reply: Reply, fault: Fault, channel: Channel | None) -> Reply:
        """The call was carried out; the answer goes wrong."""
        if fault.name == "no_message_id":
            reply.body = {name: value for name, value in reply.body.items() if name != "message_id"}
        elif fault.name == "1357046":
            return _error(fault.error(self.world.config, channel))
        return spoilt(reply, fault)

    def _note(self, record: dict[str, Json], reply: Reply, fault: Fault | None) -> None:
        error = reply.body.get("error") if isinstance(reply.body, dict) else None
        status = "none" if reply.cut else str(reply.status)
        self.world.counts["graph_status", status] += 1
        if error is not None:
            code = f"{error['code']}/{error['error_subcode']}" if "error_subcode" in error else str(error["code"])
            self.world.counts["graph_error", code] += 1
        record.update(
            status=None if reply.cut else reply.status, answer=reply.body, fault=fault.name if fault is not None else None
        )


def _where(config: Config, call: Call) -> str:
    own = ("me", config.page_id, config.ig_id)
    if call.method == "GET" and len(call.path) == 1 and call.node not in own and call.where == "other":
        return "profile"
    return call.where


def _user(call: Call) -> str | None:
    return call.user if call.user is not None or len(call.path) != 1 else call.node


def _error(error: GraphError) -> Reply:
    return Reply(status=error.status, body=error.body(secrets.token_urlsafe(9)), headers=dict(error.headers))
