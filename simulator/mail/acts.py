"""What a customer does in a mail program: write, answer, attach, answer with a number."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from simulator.config import MAIL_ROUTES, Json
from simulator.errors import ControlError
from simulator.mail.arrival import VERDICTS, Arrival, forged_results
from simulator.mail.quoting import STYLES, write
from simulator.mail.reading import Letter, read
from simulator.mail.writing import Draft, File, answer_subject, compose
from simulator.phone import Content
from simulator.samples import sample
from simulator.scene import Act, Happening, Scene, Stage

DEFAULT_SUBJECT = "Consulta"
# What the other channels call an attachment, as a mail carries it.
_TYPES = {
    "image": ("image/jpeg", "foto.jpg"),
    "video": ("video/mp4", "video.mp4"),
    "audio": ("audio/mpeg", "audio.mp3"),
    "file": ("application/pdf", "documento.pdf"),
    "document": ("application/pdf", "documento.pdf"),
    "logo": ("image/png", "image001.png"),  # of a signature: inline, with a Content-ID
    "calendar": ("text/calendar", "invite.ics"),
}


@dataclass(frozen=True, slots=True)
class MailScene(Scene):
    """A scene that ends in a mail to the shop."""

    def writes(self, text: str, files: tuple[File, ...] = (), answered: Letter | None = None) -> Happening:
        """Compose, put it among the customer's own mails, and send it."""
        style = self._one_of("style", "gmail", STYLES)
        answered = answered or self._answered()
        quote = answered if self.details.get("quote", True) else None
        name = self.phone.name or self.phone.user.partition("@")[0].capitalize()
        mid = self.world.new_mid("email")
        raw = compose(
            Draft(
                message_id=mid,
                sender=(name, self.phone.user),
                to=self._to(answered),
                cc=self._text("cc"),
                subject=self._subject(answered, text),
                body=write(style, text, quote),
                time=self.time / 1000,
                answered=answered,
                files=files,
                headers=self._headers(),
                charset=self._text("charset") or "utf-8",
            )
        )
        return self.sends(raw, text)

    def sends(self, raw: bytes, text: str) -> Happening:
        """A mail of this customer, as bytes."""
        letter = read(raw, self.world.clock.now())
        content = Content(text=text, subject=letter.subject, attachments=letter.attachments)
        bubble = self.world.write(self.phone, "customer", content, mid=letter.message_id or None)
        self.world.act(self.phone)
        recipient = next(iter(letter.to), self.world.config.mail_address)
        return_path = self._text("return_path")
        sender = self.phone.user if return_path is None else return_path
        self.world.mail.note("in", sender, (recipient,), raw, letter)
        arrival = Arrival(
            raw=raw,
            sender=sender,
            recipient=recipient,
            author=letter.from_address,
            verdict=self._one_of("auth", "pass", VERDICTS),
            route=None if "via" not in self.details else self._one_of("via", "imap", MAIL_ROUTES),
        )
        return Happening(phone=self.phone, item=arrival, mid=bubble.mid)

    def _answered(self) -> Letter | None:
        """The mail that this one answers: the one named, else the shop's last one, unless the thread is ``new``."""
        letters = self.world.mail.letters
        if "reply_to" in self.details:
            mid = str(self.details["reply_to"])
            if mid not in letters:
                raise ControlError("reply_to must be the Message-ID of a mail that went through")
            return letters[mid]
        last = None if self.details.get("new") else self.phone.last("bot", "agent")
        return letters.get(last.mid) if last is not None else None

    def _to(self, answered: Letter | None) -> str:
        given = self._text("to")
        if given is not None:
            return given
        config = self.world.config
        return config.mail_address if answered is None else answered.reply_to or answered.from_address

    def _subject(self, answered: Letter | None, text: str) -> str:
        given = self._text("subject")
        if given is not None:
            return given
        if not text and answered is None:
            return ""  # who sends a photo alone writes no subject either
        return DEFAULT_SUBJECT if answered is None else answer_subject(answered.subject)

    def _headers(self) -> dict[str, Json]:
        headers = self.details.get("headers", {})
        if not isinstance(headers, dict):
            raise ControlError("headers must be an object: name to text, to a list of texts, or to null to take it away")
        if self.details.get("forged"):
            return {"Authentication-Results": forged_results(self.world.config, self.phone.user), **headers}
        return headers

    def _text(self, name: str) -> str | None:
        value = self.details.get(name)
        if value is not None and not isinstance(value, str):
            raise ControlError(f"{name} must be text")
        return value

    def _one_of(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.details.get(name, default)
        if value not in allowed:
            raise ControlError(f"{name} must be one of {', '.join(allowed)}")
        return str(value)


def _text(scene: MailScene, text: Json) -> list[Happening]:
    if not isinstance(text, str):
        raise ControlError("text must be a string")
    return [scene.writes(text)]


def _attachment(scene: MailScene, given: Json) -> list[Happening]:
    files = tuple(_file(item) for item in (given if isinstance(given, list) else [given]))
    if not files:
        raise ControlError("attachment must not be empty")
    caption = scene.details.get("text")
    return [scene.writes(caption if isinstance(caption, str) else "", files)]


def _file(given: Json) -> File:
    if isinstance(given, str):
        given = {"type": given}
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise ControlError('an attachment is a type or {"type": …, "name": …, "mime_type": …, "content": base64, "inline": …}')
    if given["type"] not in _TYPES and "/" not in given["type"]:
        raise ControlError(f"no attachment type {given['type']!r} in email; there are {', '.join(_TYPES)}, and any MIME type")
    mime_type, name = _TYPES.get(given["type"], (given["type"], "adjunto"))
    mime_type = str(given.get("mime_type", mime_type))
    try:
        content = base64.b64decode(str(given["content"]), validate=True) if "content" in given else sample(mime_type)
    except binascii.Error as error:
        raise ControlError("content must be base64") from error
    shown = given.get("name", name)
    return File(
        name=None if shown is None else str(shown),
        mime_type=mime_type,
        content=content,
        inline=bool(given.get("inline")),
        cid=str(given["cid"]) if "cid" in given else "logo@shop" if given["type"] == "logo" else None,
    )


def _tap(scene: MailScene, title: Json) -> list[Happening]:
    """Answer the mail that offers this choice with its number."""
    bubble, choice = scene.phone.find_choice(str(title))
    return [scene.writes(choice.payload or "", answered=scene.world.mail.letters.get(bubble.mid))]


ACTS: dict[str, Act] = {"text": _text, "attachment": _attachment, "tap": _tap}

STAGE = Stage(
    scene=MailScene,
    acts=ACTS,
    details=(
        "subject",
        "new",
        "to",
        "cc",
        "style",
        "quote",
        "charset",
        "headers",
        "return_path",
        "auth",
        "forged",
        "via",
        "card",
    ),
)
