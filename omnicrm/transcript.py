"""How a message looks in a terminal, as the customer sees it."""

from __future__ import annotations

from rich.markup import escape

from simulator.client import PhoneMessage

MEDIA = {
    "image": "imagen",
    "video": "video",
    "audio": "audio",
    "file": "archivo",
    "sticker": "sticker",
    "location": "ubicación",
    "share": "publicación",
    "template": "tarjetas",
    "story_mention": "mención en una historia",
    "like_heart": "❤",
}


def lines(message: PhoneMessage) -> list[str]:
    """One message as rich markup: who, what, and below it what can be tapped."""
    who = {"customer": "[cyan]Cliente[/cyan]", "bot": "[magenta]Tienda[/magenta] "}.get(
        message.author, "[yellow]Persona[/yellow]"
    )
    body = [escape(line) for line in (message.text or "").splitlines()]
    for attachment in message.attachments:
        kind = str(attachment.get("type", "archivo"))
        if kind != "template" or not message.cards:
            body.append(f"[dim]({MEDIA.get(kind.partition('/')[0], escape(kind))})[/dim]")
    body += [
        f"[bold]▪ {escape(str(card.get('title', '')))}[/bold] [dim]{escape(str(card.get('subtitle') or ''))}[/dim]"
        for card in message.cards
    ]
    # A mail has its choices in its words.
    if message.buttons and message.subject is None:
        body.append("  ".join(f"[cyan]\\[{number} {escape(title)}][/cyan]" for number, title in enumerate(message.buttons, 1)))
    first, *rest = body or ["[dim](mensaje vacío)[/dim]"]
    return [f"{who} {first}", *(f"        {line}" for line in rest)]
