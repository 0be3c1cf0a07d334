"""Sending: one rich message, fitted to its channel, into the queue of its conversation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from connectors.fit import fit_turn
from connectors.message import Json, Outgoing
from connectors.platform import Platform
from router.call import Call, Reply
from router.problem import Problem
from router.routes import PREFIX
from router.schemas import MAX_PARTS

_SHOWN = ("text", "buttons", "quick_replies", "cards", "media")


async def send(call: Call, target: Json) -> Reply:
    """Queue the message for the conversation that ``omnicrm_api_target`` found. Raises ``Problem`` and ``CrmError``."""
    bot = call.bot
    platform = _platform(target, bot.platforms)
    result = await bot.crm.call(
        "omnicrm_send_message", p_target=target, p_author=call.body["author"], p_person=call.person,
        p_parts=parts(call.body, platform), p_request_key=_request_key(call), p_digest=_digest(call),
        p_max_age=bot.settings.reply_max_age_of(platform.channel), p_takeover_seconds=bot.settings.takeover_hours * 3600,
    )  # fmt: skip
    if "refused" in result:
        raise _refused(result)
    bot.wake()
    messages = [{"id": message, "href": f"{PREFIX}/messages/{message}"} for message in result["messages"]]
    headers = {"Location": messages[0]["href"], **({"Idempotent-Replayed": "true"} if result["replayed"] else {})}
    body = {"status": "accepted", "conversation": result["conversation"], "messages": messages}
    return Reply(status=202, body=body, headers=headers)


def parts(body: Mapping[str, Any], platform: Platform) -> list[Json]:
    """What the channel needs for this message, as the database keeps it. Raises ``Problem`` for more than it bears."""
    message = Outgoing.from_json({name: body[name] for name in _SHOWN if name in body})
    fitted = fit_turn([message], platform.capabilities)
    if len(fitted) > MAX_PARTS:
        told = f"On {platform.name} this would be {len(fitted)} messages; at most {MAX_PARTS} are sent at once."
        raise Problem("too-long", told)
    return [{"message": part.to_json(), "payloads": part.payloads()} for part in fitted]


def _platform(target: Json, platforms: Mapping[str, Platform]) -> Platform:
    platform = platforms.get(f"{target['channel']}:{target['account']}")
    if platform is None:
        raise not_running(f"{target['channel']} of this account", platforms)
    return platform


def not_running(what: str, platforms: Mapping[str, Platform]) -> Problem:
    """The problem of a channel that this bot does not run."""
    running = sorted({platform.channel for platform in platforms.values()})
    return Problem("channel-not-running", f"This bot does not run {what}.", {"running": running})


def _request_key(call: Call) -> str | None:
    return f"{call.key.id}:{call.idempotency_key}" if call.idempotency_key else None


def _digest(call: Call) -> str:
    """A name for what is asked: the same operation on the same thing with the same body."""
    asked = [call.route.name, dict(call.ids), dict(call.body)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _refused(result: Json) -> Problem:
    why, until = result["refused"], result.get("window_until")
    if why == "window":
        told = f"The platform takes messages only for a while after the customer wrote: until {until}."
        return Problem("window-closed", told, {"window_until": until})
    if why == "opted-out":
        return Problem("opted-out", "The client asked for no messages: only a person may write to them.")
    if why == "reused":
        return Problem("key-reused", "This Idempotency-Key was used with another body or for another conversation.")
    return Problem("conflict", "The conversation belongs to another client.")
