"""``omnicrm notify …`` and ``omnicrm webhook …``: try the notices, and set up webhooks that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crm.port import Crm
    from omnicrm.settings import Settings


def _app(name: str, about: str) -> typer.Typer:
    made = typer.Typer(
        name=name, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=about
    )
    # A group of one command would otherwise be that command.
    made.callback()(lambda: None)
    return made


notify_app = _app("notify", "Notices to the staff: who is told what.")
webhook_app = _app("webhook", "Signed webhooks for programs of your own.")

Number = Annotated[int, typer.Argument(help="Its number, as `omnicrm webhook list` shows it.")]


@notify_app.command()
def test() -> None:
    """Send one test notice to everybody who is told anything, and say what happened.

    Ends with 1 when one of them could not be told.
    """
    from notify.trial import try_targets
    from omnicrm.settings import Settings

    raise typer.Exit(asyncio.run(try_targets(Settings.load(), typer.echo)))


@webhook_app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where events are posted, https://…")],
    events: Annotated[str, typer.Option(help="Types or families between commas, such as message,client.merged.")] = "",
) -> None:
    """Post events to an address from now on.

    Prints the secret that signs them, once.
    """
    from notify import webhooks

    _run(lambda settings, crm: webhooks.add(settings, crm, url, events, typer.echo))


@webhook_app.command(name="list")
def list_() -> None:
    """Show all webhooks and how they do."""
    from notify import webhooks

    _run(lambda _, crm: webhooks.show(crm, typer.echo))


@webhook_app.command()
def remove(webhook: Number) -> None:
    """Stop one for good; what was not delivered yet is dropped."""
    from notify import webhooks

    _run(lambda _, crm: webhooks.remove(crm, webhook, typer.echo))


@webhook_app.command()
def rotate(webhook: Number) -> None:
    """Give one a new secret.

    For a day events carry two signatures, of the new and of the old one.
    """
    from notify import webhooks

    _run(lambda _, crm: webhooks.rotate(crm, webhook, typer.echo))


@webhook_app.command()
def enable(webhook: Number) -> None:
    """Switch one on again that was switched off; what waited is delivered."""
    from notify import webhooks

    _run(lambda _, crm: webhooks.enable(crm, webhook, typer.echo))


@webhook_app.command(name="test")
def test_webhook(webhook: Number) -> None:
    """Post one `webhook.test` event now, and say what came back."""
    from notify import webhooks

    _run(lambda settings, crm: webhooks.try_one(settings, crm, webhook, typer.echo))


def _run(work: Callable[[Settings, Crm], Awaitable[Any]]) -> None:
    """Do something with the database; ends with 1 and one line where the person asked for what cannot be."""
    from crm.connect import open_crm
    from crm.port import CrmRejected
    from notify.webhooks import Refused
    from omnicrm.settings import Settings

    async def run() -> None:
        settings = Settings.load()
        crm = await open_crm(settings)
        try:
            await work(settings, crm)
        finally:
            await crm.close()

    try:
        asyncio.run(run())
    except Refused as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except CrmRejected as error:
        typer.echo(f"{error.message}. `omnicrm webhook list` shows all.", err=True)
        raise typer.Exit(1) from None
