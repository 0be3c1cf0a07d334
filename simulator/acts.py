"""What a customer of Instagram or Messenger can do: each act changes the phone and makes the webhook items about it."""

from __future__ import annotations

from dataclasses import dataclass

from simulator import events
from simulator.config import Json
from simulator.errors import ControlError
from simulator.phone import Choice, Content
from simulator.scene import Act, Happening, Scene, Stage

GET_STARTED = "/get_started"


@dataclass(frozen=True, slots=True)
class MetaScene(Scene):
    """A scene that ends in webhook items."""

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
        return self.happening(bubble.mid, message={"mid": bubble.mid, **message, **self.extra})

    def only_on(self, channel: str, act: str) -> None:
        """Refuse an act that the other platform does not have."""
        if self.phone.channel != channel:
            raise ControlError(f"{act} happens on {channel} only")


# --- messages ------------------------------------------------------------------------------------------------------------


def _text(scene: MetaScene, text: Json) -> list[Happening]:
    if not isinstance(text, str) or not text:
        raise ControlError("text must be a non-empty string")
    return [scene.says(Content(text=text), text=text)]


def _attachment(scene: MetaScene, given: Json) -> list[Happening]:
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


def _story_reply(scene: MetaScene, given: Json) -> list[Happening]:
    scene.only_on("instagram", "a story reply")
    reply = {"text": given} if isinstance(given, str) else given
    if not isinstance(reply, dict) or not isinstance(reply.get("text"), str):
        raise ControlError('story_reply is the text, or {"text": …, "id": …, "url": …}')
    story = {
        "id": str(reply.get("id", "17858893269000001")),
        "url": reply.get("url") or events.media_address("instagram", "story"),
    }
    return [scene.says(Content(text=reply["text"]), text=reply["text"], reply_to={"story": story})]


def _story_mention(scene: MetaScene, given: Json) -> list[Happening]:
    scene.only_on("instagram", "a story mention")
    url = given.get("url") if isinstance(given, dict) else None
    return _attachment(scene, {"type": "story_mention", "url": url})


def _unsupported(scene: MetaScene, given: Json) -> list[Happening]:
    return [scene.says(Content(text="(unsupported)"), is_unsupported=True)]


# --- taps ----------------------------------------------------------------------------------------------------------------


def _tap(scene: MetaScene, title: Json) -> list[Happening]:
    choice = scene.phone.choice(str(title), scene.card)
    if choice.url is not None:
        return []  # a link opens a browser; nobody is told
    return _chosen(scene, choice)


def _chosen(scene: MetaScene, choice: Choice) -> list[Happening]:
    payload = choice.payload or ""
    if choice.quick:
        return [scene.says(Content(text=choice.title), text=choice.title, quick_reply={"payload": payload})]
    return [_posts_back(scene, choice.title, payload=payload)]


def _posts_back(scene: MetaScene, title: str, **postback: Json) -> Happening:
    bubble = scene.world.write(scene.phone, "customer", Content(text=title))
    scene.world.act(scene.phone)
    return scene.happening(bubble.mid, postback={"mid": bubble.mid, "title": title, **postback})


def _postback(scene: MetaScene, given: Json) -> list[Happening]:
    if not isinstance(given, dict) or not isinstance(given.get("title"), str):
        raise ControlError('postback is {"title": …, "payload": …} and what else it shall carry, e.g. referral')
    return [_posts_back(scene, **given)]


def _quick_reply(scene: MetaScene, given: Json) -> list[Happening]:
    if not isinstance(given, dict) or not isinstance(given.get("title"), str) or not isinstance(given.get("payload"), str):
        raise ControlError('quick_reply is {"title": …, "payload": …}, sent whether the phone shows it or not')
    return _chosen(scene, Choice(title=given["title"], payload=given["payload"], quick=True))


def _get_started(scene: MetaScene, given: Json) -> list[Happening]:
    payload = given if isinstance(given, str) else GET_STARTED
    return [_posts_back(scene, "Empezar", payload=payload)]


# --- what happens to messages ----------------------------------------------------------------------------------------------


def _react(scene: MetaScene, given: Json) -> list[Happening]:
    wish = {"emoji": given} if isinstance(given, str) else given
    if not isinstance(wish, dict):
        raise ControlError('react is an emoji, or {"emoji": …, "mid": …, "reaction": …}')
    target = scene.target({"mid": wish.get("mid")}, "bot", "agent")
    emoji = str(wish.get("emoji", "❤️"))
    target.reactions["customer"] = emoji
    scene.world.act(scene.phone)
    # Messenger writes the emoji in ES6 notation, Instagram as it is.
    written = "".join(f"\\u{{{ord(sign):X}}}" for sign in emoji) if scene.phone.channel == "messenger" else emoji
    reaction = {"mid": target.mid, "action": "react", "reaction": wish.get("reaction", "love"), "emoji": written}
    return [scene.happening(target.mid, reaction=reaction)]


def _unreact(scene: MetaScene, given: Json) -> list[Happening]:
    target = scene.target(given, "bot", "agent")
    target.reactions.pop("customer", None)
    return [scene.happening(target.mid, reaction={"mid": target.mid, "action": "unreact"})]


def _edit(scene: MetaScene, given: Json) -> list[Happening]:
    text = given if isinstance(given, str) else given.get("text") if isinstance(given, dict) else None
    if not isinstance(text, str):
        raise ControlError('edit is the new text of the last message, or {"text": …, "mid": …}')
    target = scene.target({"mid": given.get("mid")} if isinstance(given, dict) else {}, "customer")
    if target.edits >= 5:
        raise ControlError("a message can be edited 5 times at most")
    target.edits += 1
    target.content = Content(text=text)
    # The documentation's samples have num_edit as a string.
    return [scene.happening(target.mid, message_edit={"mid": target.mid, "text": text, "num_edit": str(target.edits)})]


def _unsend(scene: MetaScene, given: Json) -> list[Happening]:
    target = scene.target(given, "customer")
    target.unsent = True
    target.content = Content()
    return [scene.happening(target.mid, message={"mid": target.mid, "is_deleted": True})]


# --- receipts and other facts ----------------------------------------------------------------------------------------------


def _read(scene: MetaScene, given: Json) -> list[Happening]:
    target = scene.target(given, "bot", "agent")
    seen = {"mid": target.mid} if scene.phone.channel == "instagram" else {"watermark": target.time}
    return [scene.happening(target.mid, read=seen)]


def _delivered(scene: MetaScene, given: Json) -> list[Happening]:
    scene.only_on("messenger", "a delivery receipt")
    target = scene.target(given, "bot", "agent")
    return [scene.happening(target.mid, delivery={"mids": [target.mid], "watermark": target.time})]


def _referral(scene: MetaScene, given: Json) -> list[Happening]:
    referral = given if isinstance(given, dict) else {"ref": str(given), "source": "SHORTLINK", "type": "OPEN_THREAD"}
    scene.world.act(scene.phone)
    return [scene.happening(referral=referral)]


def _optin(scene: MetaScene, given: Json) -> list[Happening]:
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

STAGE = Stage(scene=MetaScene, acts=ACTS, details=("card", "extra"))
