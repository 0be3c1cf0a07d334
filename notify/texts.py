"""What the staff reads: who, where, why and a link, in plain Spanish. Never what a customer wrote. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notify.settings import Target
from omnicrm.channels import NAMES

REASON_LENGTH = 160
NAME_LENGTH = 60
# More lines than this make nobody read them; the rest is counted.
DIGEST_LINES = 40

# Why an answer did not leave, by the code that `omnicrm_next_send` gives.
FAILURES = {
    "window": "ya pasó el tiempo en que la plataforma deja contestar",
    "unreachable": "ya no recibe mensajes de la tienda",
    "expired": "no pudo salir a tiempo y ya era vieja",
    "failed": "la plataforma la rechazó",
    "not_ours": "otra aplicación tiene la conversación",
}
# Reasons that say no more than the notice itself.
_OBVIOUS = frozenset({"pide una persona", "pidió hablar con una persona", "reportó un problema"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to tell, as ``omnicrm_claim_notices`` gives it. ``count``: how many notices it stands for."""

    kind: str
    count: int = 1
    channel: str | None = None
    account: str | None = None
    conversation: str | None = None
    client: str | None = None
    user: str | None = None
    name: str | None = None
    username: str | None = None
    at: str | None = None
    detail: Mapping[str, Any]

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Item:
        """Read the database's document."""
        return Item(**{name: document[name] for name in Item.__dataclass_fields__ if name in document})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message to one target: its subject, its words, and what it is about, for machines."""

    subject: str
    text: str
    items: tuple[Item, ...]


def tell(items: Sequence[Item], *, link: str, held: str = "") -> Told:
    """Write a message. ``held``: the quiet hours that kept its items back, if they did; one line per conversation then."""
    if held:
        return _digest(items, link, held)
    first = items[0]
    more = first.count - 1
    lines = [f"{headline(first)}.", *_reason_line(first), *([f"Y {more} más."] if more else [])]
    if first.kind in _ADVICE:
        lines.append(_ADVICE[first.kind].replace("{subscription}", str(first.detail.get("subscription", ""))))
    lines += _link_line(first, link)
    return Told(subject=headline(first) + (f" (y {more} más)" if more else ""), text="\n".join(lines), items=tuple(items))


def _digest(items: Sequence[Item], link: str, held: str) -> Told:
    by_conversation: dict[tuple[str | None, ...], list[Item]] = {}
    for item in items:
        place = (item.conversation,) if item.conversation else (None, item.channel, item.account, item.kind)
        by_conversation.setdefault(place, []).append(item)
    lines = [_digest_line(group, link) for group in by_conversation.values()]
    shown, left = lines[:DIGEST_LINES], len(lines) - DIGEST_LINES
    total = sum(item.count for item in items)
    subject = "Un aviso" if total == 1 else f"{total} avisos"
    text = "\n".join([f"{subject} de las horas de silencio ({held}):", *shown, *([f"Y {left} más."] if left > 0 else [])])
    return Told(subject=f"{subject} de las horas de silencio", text=text, items=tuple(items))


def _digest_line(group: Sequence[Item], link: str) -> str:
    first = group[0]
    said = []
    for item in group:
        reason = reason_of(item)
        said.append(_SAID[item.kind] + (f" ({reason})" if reason else ""))
    more = sum(item.count - 1 for item in group)
    line = f"- {_sentence(who(first))}: {'; '.join(said)}" + (f", y {more} más" if more else "") + "."
    return " ".join([line, *_link_line(first, link)])


# What each kind says of whoever it is about.
_SAID = {
    "handover": "pide hablar con una persona",
    "hot_lead": "hizo un pedido",
    "complaint": "tiene una queja",
    "channel_down": "no puede enviar mensajes",
    "channel_up": "ya puede enviar mensajes otra vez",
    "token": "está en riesgo su acceso",
    "send_failed": "no recibió una respuesta",
    "webhook_off": "se apagó",
    "test": "es un aviso de prueba",
}


_OUR_WORDS = ("correo", "prueba local", "la tienda", "un cliente", "webhook")
# What to do, or not to do, about it.
_ADVICE = {
    "channel_down": "Los mensajes esperan y salen solos cuando se arregle. Revisa con: omnicrm doctor",
    "webhook_off": "Para encenderlo otra vez: omnicrm webhook enable {subscription}",
}


def headline(item: Item) -> str:
    """Who and what, in one line without a full stop."""
    return _sentence(_headline(item, who(item)))


def _sentence(line: str) -> str:
    """A line that begins with a capital where it begins with a word of ours: a handle stays as it is."""
    return line[:1].upper() + line[1:] if line.startswith(_OUR_WORDS) else line


def _headline(item: Item, name: str) -> str:
    if item.kind == "send_failed":
        return f"A {name} no le llegó una respuesta"
    if item.kind == "token":
        return f"El acceso a {name} está en riesgo"
    if item.kind == "webhook_off":
        return f"Se apagó el {name}"
    if item.kind == "test":
        return "Aviso de prueba"
    return f"{name} {_SAID[item.kind]}"


def who(item: Item) -> str:
    """The client's name or masked handle and their channel; an account of ours; a webhook's host."""
    if item.kind == "webhook_off":
        return f"webhook a {_one_line(item.detail.get('host'), NAME_LENGTH)}"
    channel = NAMES.get(item.channel or "", item.channel or "")
    if item.conversation is None:
        account = masked(item.account or "")
        return f"{channel} ({account})" if account else channel or "la tienda"
    handle = f"@{_masked_word(item.username)}" if item.username else masked(item.user or "")
    return f"{_one_line(item.name, NAME_LENGTH) or handle or 'un cliente'} ({channel})"


def reason_of(item: Item) -> str:
    """Why, in a few words; empty where there is nothing to add."""
    detail = item.detail
    if item.kind == "hot_lead":
        product = _one_line(detail.get("product"), REASON_LENGTH)
        quantity = detail.get("quantity")
        return f"{quantity} × {product}" if product and quantity is not None else product
    told = _one_line(detail.get("text") or detail.get("reason"), REASON_LENGTH).rstrip(".")
    if item.kind == "send_failed":
        return FAILURES.get(told, told)
    return "" if told.lower() in _OBVIOUS else told


def _reason_line(item: Item) -> list[str]:
    reason = reason_of(item)
    if not reason:
        return []
    label = {"hot_lead": "Pedido: ", "token": "", "test": ""}.get(item.kind, "Motivo: ")
    return [f"{label}{reason}."]


def _link_line(item: Item, link: str) -> list[str]:
    return [link.replace("{conversation}", item.conversation)] if link and item.conversation else []


def masked(handle: str) -> str:
    """A handle that its owner recognises and nobody else can use: ``…5678``, ``an…@x.mx``."""
    handle = _one_line(handle.removeprefix("unverified:"), 200)
    if "@" in handle and not handle.endswith(("@s.whatsapp.net", "@g.us", "@lid")):
        local, _, domain = handle.rpartition("@")
        return f"{local[:2]}…@{domain.partition(':')[0]}"
    digits = re.sub(r"\D", "", handle)
    return f"…{digits[-4:]}" if len(digits) > 4 else _masked_word(handle)


def masked_target(target: str) -> str:
    """A target as logs and the doctor show it."""
    found = Target.read(target)
    return f"{found.means} {masked(found.address)}" if found.address else found.means


def _masked_word(word: str) -> str:
    word = _one_line(word, 200)
    return f"{word[:3]}…" if len(word) > 3 else word


def _one_line(value: object, limit: int) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split()) if value is not None else ""
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
