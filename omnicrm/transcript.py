"""How a message looks in a terminal, as the customer sees it."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

MEDIA = {
    "image": "imagen", "video": "video", "audio": "audio", "file": "archivo", "sticker": "sticker", "location": "ubicación",
    "share": "publicación", "template": "tarjetas", "story_mention": "mención en una historia",
}  # fmt: skip


def lines(message: Any) -> list[str]:
    """One message of ``GET /sim/phone`` as rich markup: who, what, and below it what can be tapped."""
    who = "[cyan]Cliente[/cyan]" if message["from"] == "customer" else "[magenta]Tienda[/magenta] "
    body = [escape(line) for line in str(message.get("text") or "").splitlines()]
    for attachment in message.get("attachments") or ():
        kind = str(attachment.get("type", "archivo"))
        if kind != "template" or not message.get("cards"):
            body.append(f"[dim]({MEDIA.get(kind, escape(kind))})[/dim]")
    for card in message.get("cards") or ():
        body.append(f"[bold]▪ {escape(str(card.get('title', '')))}[/bold] [dim]{escape(str(card.get('subtitle') or ''))}[/dim]")
    titles = message.get("buttons") or ()
    if titles:
        body.append("  ".join(f"[reverse] {number} {escape(title)} [/reverse]" for number, title in enumerate(titles, 1)))
    first, *rest = body or ["[dim](mensaje vacío)[/dim]"]
    return [f"{who} {first}", *(f"        {line}" for line in rest)]
