"""Written conversations: what a customer does, what must come back, and what the CRM must hold at the end.

One YAML file is one conversation::

    title: Pregunta un precio y se despide
    steps:
      - customer: "hola"            # or tap: "<title>", story_reply: "…", send: image, video, audio, file, sticker,
                                    # location, share or story_mention
        bot:                        # every reply, in order; a missing or an extra one is a problem
          - utter_saludar           # any variation of that response, slots filled in
          - contains: "120"         # or text: "exact"
    crm: {owner: human, orders: [{product: "Árnica", quantity: 2}]}
    channels: [instagram]           # only where it cannot happen on every channel; a single step can have it, too

A step with ``via: whatsapp`` goes on as the same person on that channel; such a conversation is played once, by one person who
has all channels. ``{telefono}``, ``{correo}`` and ``{usuario}`` stand for that person's number (10 digits), mail address, and a
word that nobody else has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

Json: TypeAlias = Any
MEDIA = ("image", "video", "audio", "file", "sticker", "location", "share")
ACTIONS = ("customer", "tap", "send", "story_reply")

# What a customer can answer with, at the end of a mail.
_CHOICES = re.compile(r"(?:\s*^\d+\. [^\n]*)+\s*\Z", re.MULTILINE)


class BadConversation(Exception):
    """The file does not say what a conversation needs; the message names file, step and cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One reply: a response of the domain (``utter``), its exact words (``text``), or a part of them (``contains``)."""

    kind: str
    value: str

    def matches(self, text: str, responses: Mapping[str, Json]) -> bool:
        """Whether these words are that reply."""
        return re.fullmatch(self.pattern(responses), _plain(text), re.DOTALL | re.IGNORECASE) is not None

    def pattern(self, responses: Mapping[str, Json]) -> str:
        """What these words look like, with single blanks; of a response any variation, with any value in its slots."""
        if self.kind == "contains":
            return f".*{re.escape(_plain(self.value))}.*"
        if self.kind == "text":
            return f"(?-i:{re.escape(_plain(self.value))})"
        variations = (variation.get("text") or "" for variation in responses.get(self.value, ()))
        return f"(?-i:{'|'.join(map(_filled, filter(None, variations))) or '(?!)'})"

    def __str__(self) -> str:
        return {"utter": self.value, "text": f"«{self.value}»", "contains": f"something with «{self.value}»"}[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing the customer does, and the replies that it must bring."""

    action: str
    value: str
    expected: tuple[Expected, ...]
    channels: tuple[str, ...] = ()
    via: str | None = None

    def on(self, channel: str) -> bool:
        """Whether it can happen on this channel."""
        return not self.channels or channel in self.channels

    def filled(self, words: Mapping[str, str]) -> Step:
        """The same with the person's own words in place of ``{telefono}`` and the like."""
        expected = tuple(replace(item, value=fill(item.value, words)) for item in self.expected)
        return replace(self, value=fill(self.value, words), expected=expected)

    def as_act(self) -> dict[str, Json]:
        """The simulator's ``/sim/say`` fields for it."""
        if self.action == "customer":
            return {"text": self.value}
        if self.action == "send":
            return {"story_mention": True} if self.value == "story_mention" else {"attachment": {"type": self.value}}
        return {self.action: self.value}

    def __str__(self) -> str:
        shown = {"tap": f"[{self.value}]", "send": f"({self.value})", "story_reply": f"(story) {self.value}"}
        return shown.get(self.action, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A whole written conversation."""

    title: str
    steps: tuple[Step, ...]
    crm: Mapping[str, Json] = field(default_factory=dict)
    channels: tuple[str, ...] = ()

    @property
    def across(self) -> bool:
        """Whether one person writes on several channels."""
        return any(step.via for step in self.steps)

    def on(self, channel: str) -> bool:
        """Whether it can happen on this channel; one that names none can happen on all."""
        return not self.channels or channel in self.channels


def load(path: Path) -> Conversation:
    """Read a conversation. Raises ``BadConversation``."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise BadConversation(f"{path}: not YAML: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("steps"), list) or not document["steps"]:
        raise BadConversation(f"{path}: needs a title and a list of steps")
    unknown = set(document) - {"title", "steps", "crm", "channels"}
    if unknown:
        raise BadConversation(f"{path}: unknown key {', '.join(sorted(unknown))}")
    steps = tuple(_step(raw, f"{path}, step {number}") for number, raw in enumerate(document["steps"], 1))
    title, channels = str(document.get("title") or path.stem), tuple(document.get("channels") or ())
    conversation = Conversation(title=title, steps=steps, crm=document.get("crm") or {}, channels=channels)
    if conversation.across and not steps[0].via:
        raise BadConversation(f"{path}, step 1: must say via which channel the person begins")
    return conversation


def fill(value: str, words: Mapping[str, str]) -> str:
    """Put the person's own words in place of their names in braces; other braces stay."""
    for name, word in words.items():
        value = value.replace("{" + name + "}", word)
    return value


def _step(raw: Json, where: str) -> Step:
    if not isinstance(raw, dict):
        raise BadConversation(f"{where}: must say what the customer does ({', '.join(ACTIONS)}) and what the bot answers")
    done = [action for action in ACTIONS if action in raw]
    unknown = set(raw) - {*ACTIONS, "bot", "channels", "via"}
    if len(done) != 1 or unknown:
        has = ", ".join(sorted(map(str, raw)))
        raise BadConversation(f"{where}: needs exactly one of {', '.join(ACTIONS)}, and bot; it has {has}")
    value = str(raw[done[0]])
    if done[0] == "send" and value not in (*MEDIA, "story_mention"):
        raise BadConversation(f"{where}: cannot send {value}; can send {', '.join((*MEDIA, 'story_mention'))}")
    expected = tuple(_expected(item, where) for item in raw.get("bot") or ())
    return Step(
        action=done[0], value=value, expected=expected, channels=tuple(raw.get("channels") or ()), via=raw.get("via")
    )


def _expected(raw: Json, where: str) -> Expected:
    if isinstance(raw, str):
        return Expected(kind="utter", value=raw)
    if isinstance(raw, dict) and len(raw) == 1 and (kind := next(iter(raw))) in ("text", "contains"):
        return Expected(kind=kind, value=str(raw[kind]))
    raise BadConversation(f"{where}: a reply is the name of a response, or text: …, or contains: …")


def responses_of(project: Path) -> dict[str, Json]:
    """The responses of the domain (a file or a folder of files)."""
    found: dict[str, Json] = {}
    for path in (project / "domain.yml", *sorted((project / "domain").glob("**/*.yml"))):
        if path.is_file():
            found.update(yaml.safe_load(path.read_text(encoding="utf-8")).get("responses") or {})
    return found


def compare(expected: Iterable[Expected], shown: Iterable[str], responses: Mapping[str, Json]) -> list[str]:
    """What is wrong with the replies of one step: missing, extra and other than expected ones, each as a sentence."""
    wanted, came = list(expected), list(shown)
    pairs = zip(wanted, came, strict=False)
    problems = [f"expected {want}, got «{text}»" for want, text in pairs if not want.matches(text, responses)]
    problems += [f"missing reply: {want}" for want in wanted[len(came) :]]
    problems += [f"extra reply: «{text}»" for text in came[len(wanted) :]]
    return problems


def compare_joined(expected: Iterable[Expected], shown: Iterable[str], responses: Mapping[str, Json]) -> list[str]:
    """The same for a channel on which all replies of a step are one message, with its choices as numbered lines at the end."""
    wanted, came = list(expected), list(shown)
    if not wanted or len(came) != 1:
        problems = [f"missing reply: {want}" for want in wanted] if not came else []
        return problems + [f"extra reply: «{text}»" for text in came[1 if wanted else 0 :]]
    said = _plain(_CHOICES.sub("", came[0]))
    pattern = r"\s*".join(want.pattern(responses) for want in wanted)
    if re.fullmatch(pattern, said, re.DOTALL | re.IGNORECASE):
        return []
    return [f"expected {', then '.join(map(str, wanted))}, got «{said}»"]


def compare_clients(expected: Mapping[str, Json], held: Mapping[str, Json]) -> list[str]:
    """Whether one person's channels are one client as expected; ``held``: ``omnicrm_conversation``'s answer by channel.

    ``one_client`` names channels that must be one client; ``proposed`` those that a person of the staff is yet to decide on.
    """
    problems = []
    named = [*(expected.get("one_client") or ()), *(expected.get("proposed") or ())]
    if missing := [channel for channel in named if held.get(channel) is None]:
        return [f"crm: nobody wrote via {channel}" for channel in missing]
    clients = {channel: str(held[channel]["client"]["id"]) for channel in expected.get("one_client") or ()}
    if len(set(clients.values())) > 1:
        problems.append(f"crm one_client: {', '.join(clients)} are different clients")
    for channel in expected.get("proposed") or ():
        if not held[channel].get("proposals"):
            problems.append(f"crm proposed: nothing is proposed for the client of {channel}")
        if str(held[channel]["client"]["id"]) in clients.values():
            problems.append(f"crm proposed: {channel} was joined already")
    return problems


def compare_crm(expected: Mapping[str, Json], held: Mapping[str, Json]) -> list[str]:
    """What the CRM holds other than expected; ``held`` is ``omnicrm_conversation``'s answer."""
    found = {
        "stage": held.get("stage"),
        "state": held.get("state"),
        "owner": held.get("owner"),
        "handover_reason": held.get("owner_reason"),
        "opted_out": held.get("opted_out"),
        "orders": held.get("orders"),
        "client": {name: (held.get("client") or {}).get(name) for name in expected.get("client") or {}},
    }
    unknown = [f"crm: nothing is known about {name}" for name in expected if name not in found]
    known = {name: value for name, value in expected.items() if name in found}
    return unknown + [
        f"crm {name}: expected {value}, holds {found[name]}" for name, value in known.items() if found[name] != value
    ]


def _plain(text: str) -> str:
    return " ".join(text.split())


def _filled(variation: str) -> str:
    """A response's text as a pattern, with any value in its ``{slots}``."""
    return ".*".join(re.escape(part) for part in re.split(r"\{[^{}]+\}", _plain(variation)))
