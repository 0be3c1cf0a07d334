"""What each operation does: one call of the database, or an act and then a look at what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from connectors.message import Json
from crm.port import CrmRejected
from router import cursor
from router.call import Call, Reply
from router.problem import Problem
from router.send import not_running, send

Handler = Callable[[Call], Awaitable[Reply]]

# A cursor that somebody wrote by hand: no date, no number, no id.
_BAD_CURSOR = ("22P02", "22003", "22007", "22008")


# --- read ------------------------------------------------------------------------------------------------------------------


def _one(function: str, argument: str) -> Handler:
    """The handler of one thing by its id."""

    async def handler(call: Call) -> Reply:
        return Reply(body=await _look(call, function, argument))

    return handler


async def _look(call: Call, function: str, argument: str, thing: Json = None) -> Json:
    """One thing: that of the path, or ``thing``."""
    return await call.bot.crm.call(function, **{f"p_{argument}": thing or call.ids[argument]})


def _list(function: str, *inside: str) -> Handler:
    """The handler of a list; ``inside`` names the id in the path that it belongs to."""

    async def handler(call: Call) -> Reply:
        filters = {**call.query, **{name: call.ids[name] for name in inside}}
        given = filters.pop("cursor", None)
        after = cursor.read(given, call.route.name, filters) if given else None
        arguments = {f"p_{name}": value for name, value in filters.items()}
        try:
            page = await call.bot.crm.call(function, p_after=after, **arguments)
        except CrmRejected as error:
            if given and error.sqlstate in _BAD_CURSOR:
                raise Problem("invalid-cursor", "This cursor cannot be read.") from None
            raise
        following = page["next"] and cursor.write(call.route.name, filters, page["next"])
        return Reply(body={"items": page["items"], "next": following})

    return handler


# --- send ------------------------------------------------------------------------------------------------------------------


async def _send_to_conversation(call: Call) -> Reply:
    target = await call.bot.crm.call("omnicrm_api_target", p_conversation=call.ids["conversation"])
    return await send(call, target)


async def _send_to_client(call: Call) -> Reply:
    channel = call.body["channel"]
    ours = [account for account, platform in call.bot.platforms.items() if platform.channel == channel]
    if not ours:
        raise not_running(channel, call.bot.platforms)
    target = await call.bot.crm.call(
        "omnicrm_api_client_target", p_client=call.ids["client"], p_channel=channel, p_accounts=ours
    )
    if target.get("refused"):
        raise Problem("no-conversation", f"Nothing is known on {channel} by which this client could be written to.")
    if "conversation" not in target and call.body["author"] != "agent":
        raise Problem("no-conversation", f"The client never wrote on {channel}: only a person may write first (author: agent).")
    return await send(call, target)


# --- act -------------------------------------------------------------------------------------------------------------------


Arguments = Callable[[Call], Mapping[str, Any]]


def _act(function: str, place: str, who: str, show: str, arguments: Arguments = lambda call: {}) -> Handler:
    """The handler of an act on the thing ``place``, which is looked at then; ``who`` is the argument that names the actor."""

    async def handler(call: Call) -> Reply:
        actor = {who: call.person} if who else {}
        await call.bot.crm.call(function, **{f"p_{place}": call.ids[place]}, **actor, **arguments(call))
        return Reply(body=await _look(call, show, place))

    return handler


def _takeover(call: Call) -> Mapping[str, Any]:
    return {"p_seconds": float(call.body.get("hours", call.bot.settings.takeover_hours)) * 3600}


def _tags(call: Call) -> Mapping[str, Any]:
    return {"p_add": call.body.get("add", []), "p_remove": call.body.get("remove", [])}


def _stage(call: Call) -> Mapping[str, Any]:
    return {"p_stage": call.body["stage"], "p_reason": call.body.get("reason")}


def _status(status: str) -> Callable[[Call], Mapping[str, Any]]:
    return lambda call: {"p_status": status}


async def _edit_client(call: Call) -> Reply:
    changes = {name: call.body[name] for name in ("name", "phone", "email") if name in call.body}
    result = await call.bot.crm.call("omnicrm_edit_client", p_client=call.ids["client"], p_changes=changes, p_by=call.person)
    if "refused" in result:
        told = f"The {result['kind']} belongs to client {result['client']}; proposal {result['proposal']} is to join the two."
        raise Problem("conflict", told)
    return Reply(body=await _look(call, "omnicrm_api_client", "client"))


async def _merge(call: Call) -> Reply:
    body = call.body
    made = await call.bot.crm.call(
        "omnicrm_merge", p_keep=body["keep"], p_gone=body["gone"], p_reason=body.get("reason"), p_by=call.person
    )
    return Reply(status=201, body=await _look(call, "omnicrm_api_merge", "merge", str(made["merge"])))


HANDLERS: Mapping[str, Handler] = {
    "send_to_conversation": _send_to_conversation,
    "send_to_client": _send_to_client,
    "message": _one("omnicrm_api_message", "message"),
    "conversations": _list("omnicrm_api_conversations"),
    "conversation": _one("omnicrm_api_conversation", "conversation"),
    "messages": _list("omnicrm_api_messages", "conversation"),
    "clients": _list("omnicrm_api_clients"),
    "client": _one("omnicrm_api_client", "client"),
    "proposals": _list("omnicrm_api_proposals"),
    "merges": _list("omnicrm_api_merges"),
    "orders": _list("omnicrm_api_orders"),
    "take_over": _act("omnicrm_take_over", "conversation", "p_person", "omnicrm_api_conversation", _takeover),
    "hand_back": _act("omnicrm_hand_back", "conversation", "p_by", "omnicrm_api_conversation"),
    "close": _act("omnicrm_close", "conversation", "p_by", "omnicrm_api_conversation"),
    "tag": _act("omnicrm_tag", "client", "", "omnicrm_api_client", _tags),
    "set_stage": _act("omnicrm_set_stage", "client", "p_by", "omnicrm_api_client", _stage),
    "edit_client": _edit_client,
    "accept_proposal": _act("omnicrm_accept_proposal", "proposal", "p_by", "omnicrm_api_proposal"),
    "refuse_proposal": _act("omnicrm_refuse_proposal", "proposal", "p_by", "omnicrm_api_proposal"),
    "merge": _merge,
    "unmerge": _act("omnicrm_unmerge", "merge", "p_by", "omnicrm_api_merge"),
    "confirm_order": _act("omnicrm_decide_order", "order", "p_by", "omnicrm_api_order", _status("confirmed")),
    "cancel_order": _act("omnicrm_decide_order", "order", "p_by", "omnicrm_api_order", _status("cancelled")),
}
