"""What a customer can do: each act changes the phone and makes the webhook items that Meta would send about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from simulator import events
from simulator.config import Json
from simulator.errors import ControlError
from simulator.phone import Bubble, Choice, Content, Phone
from simulator.state import World

GET_STARTED = "/get_started"
DETAILS = ("channel", "user", "name", "card", "reply_to", "extra", "timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One webhook item, and the message that it is about."""

    phone: Phone
    item: dict[str, Json]
    mid: str | None = None


Act: TypeAlias = Callable[["Scene", Json], list[Happening]]


@dataclass(frozen=True, slots=True)
class Scene:
    """Who acts, when, and with which extra details (``reply_to``, ``extra``, ``title``…)."""

    world: World
    phone: Phone
    time: int
    details: dict[str, Json]

    def happening(self, mid: str | None = None, **event: Json) -> Happening:
        """An item from this customer."""
        account = self.world.config.account(self.phone.channel)
        return Happening(phone=self.phone, item=events.from_customer(account, self.phone.user, self.time, **event), mid=mid)

    def says(self, content: Content, **message: Json) -> Happening:
        """A new message of this customer, which opens the window."""
        bubble = self.world.write(self.phone, "customer", content)
        self.world.act(self.phone)
        if "reply_to" in self.details:
            message["reply_to"] = {"mid": str(self.details["reply_to"]), "is_self_reply": False}
        extra = self.details.get("extra", {})
        if not isinstance(extra, dict):
            raise ControlError("extra must be an object: it is merged into the message")
        return self.happening(bubble.mid, message={"mid": bubble.mid, **message, **extra})

    def only_on(self, channel: str, act: str) -> None:
        """Refuse an act that the other platform does not have."""
        if self.phone.channel != channel:
            raise ControlError(f"{act} happens on {channel} only")


def perform(world: World, phone: Phone, request: dict[str, Json]) -> tuple[str | None, list[Happening]]:
    """Carry out the one act that a request of ``POST /sim/say`` holds.

    Returns the address that a tapped link opened (else None) and the webhook items. Raises ``ControlError``.
    """
    unknown = set(request) - set(ACTS) - set(DETAILS)
    if unknown:
        raise ControlError(f"unknown keys {sorted(unknown)}; beside one act there can be {', '.join(DETAILS)}")
    wanted = [name for name in ACTS if name in request]
    if "attachment" in wanted and "text" in wanted:
        wanted.remove("text")  # the caption
    if len(wanted) != 1:
        raise ControlError(f"say exactly one of {', '.join(ACTS)}; got {wanted or 'none'}")
    timestamp = request.get("timestamp", world.clock.now_ms())
    if isinstance(timestamp, bool) or not isinstance(timestamp, int):
        raise ControlError("timestamp must be milliseconds since 1970")
    scene = Scene(world, phone, timestamp, request)
    happenings = ACTS[wanted[0]](scene, request[wanted[0]])
    if not happenings:
        choice = phone.choice(str(request["tap"]), request.get("card"))
        return choice.url, []
    return None, happenings


# --- messages ------------------------------------------------------------------------------------------------------------


def _text(scene: Scene, text: Json) -> list[Happening]:
    if not isinstance(text, str) or not text:
        raise ControlError("text must be a non-empty string")
    return [scene.says(Content(text=text), text=text)]


def _attachment(scene: Scene, given: Json) -> list[Happening]:
    items = [events.attachment(scene.phone.channel, item) for item in (given if isinstance(given, list) else [given])]
    if not items:
        raise ControlError("attachment must not be empty")
    caption = scene.details.get("text")
    shown = Content(attachments=tuple(items), text=caption if scene.phone.channel == "messenger" else None)
    if caption is None:
        return [scene.says(shown, attachments=items)]
    if scene.phone.channel == "messenger":
        return [scene.says(shown, text=caption, attachments=items)]
    # Instagram splits a caption off: two messages with ids of their own, the attachment first.
    return [scene.says(shown, attachments=items), scene.says(Content(text=caption), text=caption)]


def _story_reply(scene: Scene, given: Json) -> list[Happening]:
    scene.only_on("instagram", "a story reply")
    reply = {"text": given} if isinstance(given, str) else given
    if not isinstance(reply, dict) or not isinstance(reply.get("text"), str):
        raise ControlError('story_reply is the text, or {"text": …, "id": …, "url": …}')
    story = {
        "id": str(reply.get("id", "17858893269000001")),
        "url": reply.get("url") or events.media_address("instagram", "story"),
    }
    return [scene.says(Content(text=reply["text"]), text=reply["text"], reply_to={"story": story})]


def _story_mention(scene: Scene, given: Json) -> list[Happening]:
    scene.only_on("instagram", "a story mention")
    url = given.get("url") if isinstance(given, dict) else None
    return _attachment(scene, {"type": "story_mention", "url": url})


def _unsupported(scene: Scene, given: Json) -> list[Happening]:
    return [scene.says(Content(text="(unsupported)"), is_unsupported=True)]


# --- taps ----------------------------------------------------------------------------------------------------------------


def _tap(scene: Scene, title: Json) -> list[Happening]:
    card = scene.details.get("card")
    if card is not None and not isinstance(card, int):
        raise ControlError("card must be a number, counted from 1")
    choice = scene.phone.choice(str(title), card)
    if choice.url is not None:
        return []  # a link opens a browser; nobody is told
    return _chosen(scene, choice)


def _chosen(scene: Scene, choice: Choice) -> list[Happening]:
    payload = choice.payload or ""
    if choice.quick:
        return [scene.says(Content(text=choice.title), text=choice.title, quick_reply={"payload": payload})]
    return [_posts_back(scene, choice.title, payload=payload)]


def _posts_back(scene: Scene, title: str, **postback: Json) -> Happening:
    bubble = scene.world.write(scene.phone, "customer", Content(text=title))
    scene.world.act(scene.phone)
    return scene.happening(bubble.mid, postback={"mid": bubble.mid, "title": title, **postback})


def _postback(scene: Scene, given: Json) -> list[Happening]:
    if not isinstance(given, dict) or not isinstance(given.get("title"), str):
        raise ControlError('postback is {"title": …, "payload": …} and what else it shall carry, e.g. referral')
    return [_posts_back(scene, **given)]


def _quick_reply(scene: Scene, given: Json) -> list[Happening]:
    if not isinstance(given, dict) or not isinstance(given.get("title"), str) or not isinstance(given.get("payload"), str):
        raise ControlError('quick_reply is {"title": …, "payload": …}, sent whether the phone shows it or not')
    return _chosen(scene, Choice(title=given["title"], payload=given["payload"], quick=True))


def _get_started(scene: Scene, given: Json) -> list[Happening]:
    payload = given if isinstance(given, str) else GET_STARTED
    return [_posts_back(scene, "Empezar", payload=payload)]


# --- what happens to messages ----------------------------------------------------------------------------------------------


def _target(scene: Scene, given: Json, *authors: str) -> Bubble:
    mid = given if isinstance(given, str) else given.get("mid") if isinstance(given, dict) else None
    if mid is not None:
        found = scene.phone.find(str(mid))
    else:
        found = next((b for b in reversed(scene.phone.bubbles) if b.author in authors and not b.unsent), None)
    if found is None:
        raise ControlError("the phone shows no such message")
    return found


def _react(scene: Scene, given: Json) -> list[Happening]:
    wish = {"emoji": given} if isinstance(given, str) else given
    if not isinstance(wish, dict):
        raise ControlError('react is an emoji, or {"emoji": …, "mid": …, "reaction": …}')
    target = _target(scene, {"mid": wish.get("mid")}, "bot", "agent")
    emoji = str(wish.get("emoji", "❤️"))
    target.reactions["customer"] = emoji
    scene.world.act(scene.phone)
    # Messenger writes the emoji in ES6 notation, Instagram as it is.
    written = "".join(f"\\u{{{ord(sign):X}}}" for sign in emoji) if scene.phone.channel == "messenger" else emoji
    reaction = {"mid": target.mid, "action": "react", "reaction": wish.get("reaction", "love"), "emoji": written}
    return [scene.happening(target.mid, reaction=reaction)]


def _unreact(scene: Scene, given: Json) -> list[Happening]:
    target = _target(scene, given, "bot", "agent")
    target.reactions.pop("customer", None)
    return [scene.happening(target.mid, reaction={"mid": target.mid, "action": "unreact"})]


def _edit(scene: Scene, given: Json) -> list[Happening]:
    text = given if isinstance(given, str) else given.get("text") if isinstance(given, dict) else None
    if not isinstance(text, str):
        raise ControlError('edit is the new text of the last message, or {"text": …, "mid": …}')
    target = _target(scene, {"mid": given.get("mid")} if isinstance(given, dict) else {}, "customer")
    if target.edits >= 5:
        raise ControlError("a message can be edited 5 times at most")
    target.edits += 1
    target.content = Content(text=text)
    # The documentation's samples have num_edit as a string.
    return [scene.happening(target.mid, message_edit={"mid": target.mid, "text": text, "num_edit": str(target.edits)})]


def _unsend(scene: Scene, given: Json) -> list[Happening]:
    target = _target(scene, given, "customer")
    target.unsent = True
    target.content = Content()
    return [scene.happening(target.mid, message={"mid": target.mid, "is_deleted": True})]


# --- receipts and other facts ----------------------------------------------------------------------------------------------


def _read(scene: Scene, given: Json) -> list[Happening]:
    target = _target(scene, given, "bot", "agent")
    seen = {"mid": target.mid} if scene.phone.channel == "instagram" else {"watermark": target.time}
    return [scene.happening(target.mid, read=seen)]


def _delivered(scene: Scene, given: Json) -> list[Happening]:
    scene.only_on("messenger", "a delivery receipt")
    target = _target(scene, given, "bot", "agent")
    return [scene.happening(target.mid, delivery={"mids": [target.mid], "watermark": target.time})]


def _referral(scene: Scene, given: Json) -> list[Happening]:
    referral = given if isinstance(given, dict) else {"ref": str(given), "source": "SHORTLINK", "type": "OPEN_THREAD"}
    scene.world.act(scene.phone)
    return [scene.happening(referral=referral)]


def _optin(scene: Scene, given: Json) -> list[Happening]:
    if not isinstance(given, dict):
        raise ControlError('optin is the object to send, e.g. {"ref": …, "user_ref": …}')
    for name in ("user_ref", "notification_messages_token"):
        if name in given:
            scene.world.references[str(given[name])] = scene.phone
    return [scene.happening(optin=given)]


ACTS: dict[str, Act] = {
    "text": _text,
    "attachment": _attachment,
    "story_reply": _story_reply,
    "story_mention": _story_mention,
    "unsupported": _unsupported,
    "tap": _tap,
    "postback": _postback,
    "quick_reply": _quick_reply,
    "get_started": _get_started,
    "react": _react,
    "unreact": _unreact,
    "edit": _edit,
    "unsend": _unsend,
    "read": _read,
    "delivered": _delivered,
    "referral": _referral,
    "optin": _optin,
}
