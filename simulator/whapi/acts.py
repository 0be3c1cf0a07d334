"""What a customer of WhatsApp can do: each act changes the phone and makes the objects of Whapi's webhooks about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from simulator.config import Json
from simulator.errors import ControlError
from simulator.phone import Bubble, Choice, Content, Phone
from simulator.scene import Act, Happening, Scene, Stage
from simulator.whapi import messages
from simulator.whapi.media import attachment
from simulator.whapi.sending import reached

_URL = re.compile(r"https?://\S+")
# A tapped id comes back with a prefix.
_PREFIX = {"button": "ButtonsV3:", "row": "ListV3:"}
NOISE = ("unknown", "system", "call", "ephemeral")


@dataclass(frozen=True, slots=True)
class WhatsAppScene(Scene):
    """A scene that ends in webhook objects. With the detail ``group`` the customer acts in that group."""

    @property
    def chat(self) -> Phone:
        """Where it happens: the customer's own chat, or the group."""
        group = self.details.get("group")
        return self.phone if group is None else self.world.meet("whatsapp", str(group), self.details.get("group_name"))

    def tells(self, item: dict[str, Any], mid: str | None = None) -> Happening:
        """An object for the webhook."""
        return Happening(phone=self.chat, item=item, mid=mid)

    def says(self, content: Content, kind: str, shown: Json, context: dict[str, Json] | None = None) -> Happening:
        """A new message of this customer."""
        chat = self.chat
        bubble = self.world.write(chat, "customer", content)
        self.world.act(chat)
        context = {**(context or {}), **self._context()}
        author = None if chat is self.phone else self.phone
        more = {**({"context": context} if context else {}), **self.extra}
        message = messages.inbound(chat, bubble.mid, kind, shown, self.time, author=author, **more)
        self.world.whapi.messages[bubble.mid] = message
        return self.tells(messages.said(message), bubble.mid)

    def acts(self, target: str, kind: str, **details: Json) -> Happening:
        """An action upon a message: it has an id of its own and is no bubble."""
        mid = self.world.new_mid("whatsapp")
        chat = self.chat
        author = None if chat is self.phone else self.phone
        action = {"target": target, "type": kind, **details}
        return self.tells(messages.said(messages.inbound(chat, mid, "action", action, self.time, author=author)), mid)

    def meant(self, given: Json, *authors: str) -> Bubble:
        """The message meant, in the chat where it happens. Raises ``ControlError``."""
        return Scene(self.world, self.chat, self.time, self.details).target(given, *authors)

    def _context(self) -> dict[str, Json]:
        context: dict[str, Json] = {}
        if "reply_to" in self.details:
            mid = str(self.details["reply_to"])
            known = self.world.whapi.messages.get(mid)
            context = messages.quoted(known) if known is not None else {"quoted_id": mid}
        if "mentions" in self.details:
            context["mentions"] = self.details["mentions"]
        if "ad" in self.details:
            context["ad"] = self.details["ad"]
        return context


# --- messages ------------------------------------------------------------------------------------------------------------


def _text(scene: WhatsAppScene, text: Json) -> list[Happening]:
    if not isinstance(text, str) or not text:
        raise ControlError("text must be a non-empty string")
    found = _URL.search(text)
    if found is None:
        return [scene.says(Content(text=text), "text", {"body": text})]
    preview = {"body": text, "title": "Producto", "description": "Una página", "url": found[0], "canonical": found[0]}
    return [scene.says(Content(text=text), "link_preview", preview)]


def _attachment(scene: WhatsAppScene, given: Json) -> list[Happening]:
    caption, items = scene.details.get("text"), given if isinstance(given, list) else [given]
    if not items:
        raise ControlError("attachment must not be empty")
    happenings = []
    for number, item in enumerate(items):  # WhatsApp sends several as messages of their own; the caption stands on the first
        words = caption if number == 0 else None
        kind, shown = attachment(scene.world.whapi, item, words)
        content = Content(text=words, attachments=({"type": kind, **(shown if isinstance(shown, dict) else {})},))
        happenings.append(scene.says(content, kind, shown))
    return happenings


def _unsupported(scene: WhatsAppScene, given: Json) -> list[Happening]:
    kind = given if isinstance(given, str) else "event"
    return [scene.says(Content(text="(unsupported)"), kind, {})]


def _noise(scene: WhatsAppScene, kind: Json) -> list[Happening]:
    """What no person wrote: it changes nothing on the phone."""
    if kind not in NOISE:
        raise ControlError(f"noise is one of {', '.join(NOISE)}")
    mid, shown = scene.world.new_mid("whatsapp"), {"body": "notice"} if kind == "system" else {}
    if kind == "ephemeral":
        return [scene.acts(mid, "ephemeral", ephemeral=86400)]
    source = "system" if kind == "system" else "unknown"
    message = messages.inbound(scene.chat, mid, kind, shown, scene.time, **{"source": source, **scene.extra})
    return [scene.tells(messages.said(message), mid)]


def _order(scene: WhatsAppScene, given: Json) -> list[Happening]:
    order = {
        "order_id": "1234567890123",
        "seller": scene.world.config.whapi_number,
        "title": "",
        "text": "",
        "token": "AR6xBKbXZn0Xwmu76Ksyd7rnxI+Rx87HfinVlW4lwXa6JA==",
        "item_count": 1,
        "currency": "MXN",
        "total_price": 250000,
        "status": "new",
        **(given if isinstance(given, dict) else {}),
    }
    return [scene.says(Content(text="(order)"), "order", order)]


# --- taps ----------------------------------------------------------------------------------------------------------------


def _tap(scene: WhatsAppScene, title: Json) -> list[Happening]:
    chat = scene.chat
    bubble, choice = chat.find_choice(str(title), scene.card)
    if choice.kind == "option":
        return _voted(scene, bubble, [choice.title])
    if choice.kind not in _PREFIX:
        return []  # url, call and copy stay on the phone: no webhook
    bubble.tapped.add(choice.title)
    known = scene.world.whapi.messages.get(bubble.mid)
    # What was sent as interactive is quoted as a template message.
    context = {**messages.quoted(known), "quoted_type": "hsm"} if known is not None else {}
    return [_replies(scene, choice, context)]


def _replies(scene: WhatsAppScene, choice: Choice, context: dict[str, Json]) -> Happening:
    kind = "list_reply" if choice.kind == "row" else "buttons_reply"
    prefix = str(scene.details.get("prefix", _PREFIX[choice.kind]))
    reply = {"type": kind, kind: {"id": f"{prefix}{choice.payload}", "title": choice.title}}
    return scene.says(Content(text=choice.title), "reply", reply, context)


def _postback(scene: WhatsAppScene, given: Json) -> list[Happening]:
    if not isinstance(given, dict) or not isinstance(given.get("title"), str) or not isinstance(given.get("payload"), str):
        raise ControlError('postback is {"title": …, "payload": …}, sent whether the phone shows it or not; "list": true')
    kind = "row" if given.get("list") else "button"
    return [_replies(scene, Choice(title=given["title"], payload=given["payload"], kind=kind), {})]


def _vote(scene: WhatsAppScene, given: Json) -> list[Happening]:
    words = given if isinstance(given, list) else [given]
    polls = (b for b in reversed(scene.chat.bubbles) if any(choice.kind == "option" for choice in b.content.choices))
    poll = next(polls, None)
    if poll is None or not set(words) <= {choice.title for choice in poll.content.choices}:
        raise ControlError("the newest poll on the phone has no such option")
    return _voted(scene, poll, [str(word) for word in words])


def _voted(scene: WhatsAppScene, poll: Bubble, words: list[str]) -> list[Happening]:
    """A vote is told as an action, and as the whole tally."""
    before = scene.world.whapi.messages[poll.mid]
    voter = messages.wa_id_of(scene.phone)
    results = []
    for result in before["poll"]["results"]:
        voters = [one for one in result["voters"] if one != voter] + ([voter] if result["name"] in words else [])
        results.append({**result, "voters": voters, "count": len(voters)})
    tally = {**before["poll"], "results": results, "total": sum(result["count"] for result in results)}
    scene.world.whapi.messages[poll.mid] = {**before, "poll": tally}
    scene.world.act(scene.chat)
    vote = scene.acts(poll.mid, "vote", votes=[result["id"] for result in results if result["name"] in words])
    old, new = ({"type": "poll", "poll": state} for state in (before["poll"], tally))
    return [vote, scene.tells(messages.update(poll.mid, vote.item["value"], old, new, "poll"), poll.mid)]


# --- what happens to messages ----------------------------------------------------------------------------------------------


def _react(scene: WhatsAppScene, given: Json) -> list[Happening]:
    wish = {"emoji": given} if isinstance(given, str) else given
    if not isinstance(wish, dict):
        raise ControlError('react is an emoji, or {"emoji": …, "mid": …}')
    target = scene.meant({"mid": wish.get("mid")}, "bot", "agent")
    target.reactions["customer"] = str(wish.get("emoji", "👍"))
    return [scene.acts(target.mid, "reaction", emoji=target.reactions["customer"])]


def _unreact(scene: WhatsAppScene, given: Json) -> list[Happening]:
    target = scene.meant(given, "bot", "agent")
    target.reactions.pop("customer", None)
    return [scene.acts(target.mid, "reaction", emoji="")]


def _edit(scene: WhatsAppScene, given: Json) -> list[Happening]:
    text = given if isinstance(given, str) else given.get("text") if isinstance(given, dict) else None
    if not isinstance(text, str):
        raise ControlError('edit is the new text of the last message, or {"text": …, "mid": …}')
    target = scene.meant({"mid": given.get("mid")} if isinstance(given, dict) else {}, "customer")
    before, after = ({"type": "text", "text": {"body": words}} for words in (target.content.text or "", text))
    target.edits += 1
    target.content = Content(text=text)
    known = scene.world.whapi.messages[target.mid]
    scene.world.whapi.messages[target.mid] = {**known, **after}
    action = scene.acts(target.mid, "edit", edited_type="text", edited_content={"body": text})
    return [action, scene.tells(messages.update(target.mid, action.item["value"], before, after, "text"), target.mid)]


def _unsend(scene: WhatsAppScene, given: Json) -> list[Happening]:
    target = scene.meant(given, "customer")
    target.unsent = True
    target.content = Content()
    scene.world.whapi.messages.pop(target.mid, None)
    return [scene.acts(target.mid, "delete"), scene.tells(messages.removed(target.mid), target.mid)]


# --- receipts and other facts ----------------------------------------------------------------------------------------------


def _reaches(word: str) -> Act:
    def act(scene: WhatsAppScene, given: Json) -> list[Happening]:
        target = scene.meant(given, "bot", "agent")
        return [Happening(phone=scene.chat, item=reached(scene.world, scene.chat, target.mid, word).item, mid=target.mid)]

    return act


def _typing(scene: WhatsAppScene, given: Json) -> list[Happening]:
    presence = {"contact_id": messages.wa_id_of(scene.phone), "status": "typing" if given else "online"}
    return [scene.tells(messages.event("presences", presence, "presences"))]


def _call(scene: WhatsAppScene, given: Json) -> list[Happening]:
    call = {
        "id": scene.world.new_mid("whatsapp").partition("-")[0],
        "chat_id": messages.chat_id_of(scene.chat),
        "status": given if isinstance(given, str) else "missed",
        "from": messages.wa_id_of(scene.phone),
        "timestamp": scene.time // 1000,
        "group_call": False,
        "video_call": False,
        "offline_call": False,
    }
    return [scene.tells(messages.event("calls", call, "calls"))]


ACTS: dict[str, Act] = {
    "text": _text,
    "attachment": _attachment,
    "unsupported": _unsupported,
    "noise": _noise,
    "cart": _order,
    "tap": _tap,
    "postback": _postback,
    "vote": _vote,
    "react": _react,
    "unreact": _unreact,
    "edit": _edit,
    "unsend": _unsend,
    "delivered": _reaches("delivered"),
    "read": _reaches("read"),
    "played": _reaches("played"),
    "typing": _typing,
    "call": _call,
}

STAGE = Stage(
    scene=WhatsAppScene,
    acts=ACTS,
    details=("card", "extra", "prefix", "group", "group_name", "mentions", "ad"),
)
