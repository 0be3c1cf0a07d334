"""``POST /{id}/messages``: who may be written to, when, how fast, and what the phone then shows."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.calls import Call
from simulator.config import Channel, Json
from simulator.errors import (
    blocked,
    invalid,
    message_with_action,
    no_object,
    not_thread_owner,
    throttled,
    unknown_recipient,
    window_closed,
)
from simulator.phone import TYPING_SECONDS, Bubble, Phone
from simulator.rules import Accepted, check_message
from simulator.state import World

DAY_MS = 24 * 3600 * 1000
WINDOW_MS = DAY_MS  # after the customer's last action
HUMAN_AGENT_MS = 7 * DAY_MS
PRIVATE_REPLY_MS = 7 * DAY_MS
# Retired on 2026-04-27; they answer 100 since.
RETIRED_TAGS = ("CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE", "ACCOUNT_UPDATE")
_TYPES = ("RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY")
_NOTIFICATIONS = ("REGULAR", "SILENT_PUSH", "NO_PUSH")
_ACTIONS = ("typing_on", "typing_off", "mark_seen", "react", "unreact")
_THROTTLE_CODE: dict[Channel, int] = {"instagram": 80002, "messenger": 613}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a send came to. ``bubble`` and ``accepted`` are missing for sender actions."""

    phone: Phone
    answer: dict[str, Json]
    bubble: Bubble | None = None
    accepted: Accepted | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    phone: Phone
    named: bool = True  # whether the answer may name the recipient
    comment: str | None = None


def send(world: World, call: Call) -> Sent:
    """Carry out one call. Raises ``GraphError`` and changes nothing where Meta refuses."""
    parameters = call.parameters
    if "message" in parameters and "sender_action" in parameters:
        raise message_with_action()
    target = _target(world, call)
    phone = target.phone
    if phone.gone:
        raise unknown_recipient(phone.channel)
    if phone.blocked:
        raise blocked()
    if "sender_action" in parameters:
        _sender_action(world, phone, parameters)
        return Sent(phone=phone, answer={"recipient_id": phone.user})
    if "message" not in parameters:
        raise invalid("The parameter message is required")
    _check_options(phone, parameters)
    accepted = check_message(
        phone.channel,
        parameters["message"],
        world.attachments,
        world.knobs.messenger_text_unit,
        utility=parameters.get("messaging_type") == "UTILITY",
    )
    if target.comment is None and not _window_open(world, phone, parameters):
        raise window_closed(phone.channel)
    if phone.owner_app is not None:
        raise not_thread_owner(phone.channel)
    _pace(world, phone.channel, accepted)
    return _accept(world, target, accepted, parameters)


def _target(world: World, call: Call) -> _Target:
    recipient = call.parameters.get("recipient")
    if not isinstance(recipient, dict):
        raise invalid("The parameter recipient is required")
    if "comment_id" in recipient or "post_id" in recipient:
        return _commenter(world, str(recipient.get("comment_id", recipient.get("post_id"))))
    for name in ("user_ref", "notification_messages_token"):
        if name in recipient:
            if str(recipient[name]) not in world.references:
                raise invalid(f"Invalid {name}")
            return _Target(world.references[str(recipient[name])], named=name != "user_ref")
    if not isinstance(recipient.get("id"), (str, int)) or not str(recipient["id"]):
        raise invalid("Param recipient[id] must be a non-empty string")
    on = _channel_of_node(world, call.node)
    phone = world.recipient(str(recipient["id"]))
    if phone is None or on not in (None, phone.channel):
        raise unknown_recipient(on or "messenger")
    return _Target(phone)


def _channel_of_node(world: World, node: str) -> Channel | None:
    """Instagram's own id reaches Instagram users only; the Page reaches both."""
    if node == world.config.ig_id:
        return "instagram"
    if node in ("me", world.config.page_id):
        return None
    raise no_object(node)


def _commenter(world: World, comment_id: str) -> _Target:
    comment = world.comments.get(comment_id)
    spent = comment is None or comment_id in world.replied_comments
    if comment is None or spent or world.clock.now_ms() - comment.time > PRIVATE_REPLY_MS:
        raise invalid("The comment is invalid for a private reply", 2534025)
    return _Target(world.meet(comment.channel, comment.user), comment=comment_id)


def _check_options(phone: Phone, parameters: dict[str, Json]) -> None:
    kind, tag = parameters.get("messaging_type"), parameters.get("tag")
    if kind is not None and kind not in _TYPES:
        raise invalid(f"Param messaging_type must be one of {', '.join(_TYPES)}")
    if kind == "MESSAGE_TAG" and not tag:
        raise invalid("Param tag is required with messaging_type MESSAGE_TAG")
    if tag is not None and (tag in RETIRED_TAGS or tag not in ("HUMAN_AGENT", "CUSTOMER_FEEDBACK")):
        raise invalid("Invalid parameter")
    if kind == "UTILITY" and phone.channel == "instagram":
        raise invalid("Utility messages are not available on Instagram")
    if parameters.get("notification_type", "REGULAR") not in _NOTIFICATIONS:
        raise invalid(f"Param notification_type must be one of {', '.join(_NOTIFICATIONS)}")
    reply_to = parameters.get("reply_to")
    if reply_to is not None and (not isinstance(reply_to, dict) or phone.find(str(reply_to.get("mid"))) is None):
        raise invalid("Param reply_to[mid] is not a message of this conversation")


def _window_open(world: World, phone: Phone, parameters: dict[str, Json]) -> bool:
    if parameters.get("messaging_type") == "UTILITY":
        return True
    if phone.last_action is None:
        return False
    human = (
        parameters.get("messaging_type") == "MESSAGE_TAG" and parameters.get("tag") == "HUMAN_AGENT" and world.knobs.human_agent
    )
    return world.clock.now_ms() - phone.last_action <= (HUMAN_AGENT_MS if human else WINDOW_MS)


def _pace(world: World, channel: Channel, accepted: Accepted) -> None:
    account = world.config.account(channel)
    if accepted.is_media and not world.media[channel].take(world.knobs.media_rate):
        raise throttled(_THROTTLE_CODE[channel], account, channel)
    if not world.sends[channel].take(world.knobs.send_rate(channel)):
        raise throttled(_THROTTLE_CODE[channel], account, channel)


def _accept(world: World, target: _Target, accepted: Accepted, parameters: dict[str, Json]) -> Sent:
    phone = target.phone
    bubble = world.write(phone, "bot", accepted.content, metadata=accepted.metadata)
    world.accepted[phone.channel, phone.user] += 1
    answer: dict[str, Json] = {"recipient_id": phone.user} if target.named else {}
    answer["message_id"] = bubble.mid
    if accepted.reusable is not None:
        answer["attachment_id"] = new_attachment(world, accepted.reusable)
    if target.comment is not None:
        world.replied_comments.add(target.comment)
    control = parameters.get("thread_control")
    if isinstance(control, dict) and control.get("control_type") == "pass":
        phone.owner_app = str(control.get("app_id"))
    return Sent(phone=phone, answer=answer, bubble=bubble, accepted=accepted)


def new_attachment(world: World, kind: str) -> str:
    """Remember an attachment that can be sent again by its id."""
    attachment_id = str(687799999980546 + len(world.attachments))
    world.attachments[attachment_id] = kind
    return attachment_id


def _sender_action(world: World, phone: Phone, parameters: dict[str, Json]) -> None:
    action, payload = parameters["sender_action"], parameters.get("payload") or {}
    if action not in _ACTIONS:
        raise invalid(f"Param sender_action must be one of {', '.join(_ACTIONS)}")
    if action in ("react", "unreact"):
        bubble = phone.find(str(payload.get("message_id")))
        if bubble is None or (action == "react" and not payload.get("reaction")):
            raise invalid("Param payload needs the message_id of a message of this conversation, and a reaction")
        if action == "react":
            bubble.reactions["shop"] = str(payload["reaction"])
        else:
            bubble.reactions.pop("shop", None)
    elif action == "mark_seen":
        phone.seen = True
    else:
        phone.typing_until = world.clock.now() + TYPING_SECONDS if action == "typing_on" else 0.0
    phone.changed()
