"""``omnicrm whapi …``: setting up the Whapi channel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from omnicrm.settings import Settings

app = typer.Typer(
    name="whapi",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="WhatsApp through Whapi: set up its webhook.",
)


@app.callback()
def whapi() -> None:
    """WhatsApp through Whapi: set up its webhook."""


@app.command()
def setup(
    url: Annotated[str, typer.Option(help="Our public address, such as https://bot.example.com.")],
    apply: Annotated[bool, typer.Option("--apply", help="Change it; without this, only show what would change.")] = False,
) -> None:
    """Point Whapi's webhook at this bot.

    Other webhooks and settings of the channel stay. Needs WHAPI_TOKEN and WHAPI_WEBHOOK_SECRET.
    """
    from connectors.message import SendError
    from connectors.whapi.setup import SetupError
    from omnicrm.settings import Settings, SettingsError

    try:
        asyncio.run(_setup(Settings.load(), url, apply))
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except (SendError, SetupError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


async def _setup(settings: Settings, url: str, apply: bool) -> None:
    from connectors.http import http_client
    from connectors.whapi.setup import setup as run

    async with http_client(settings) as http:
        await run(settings, http, url, apply, typer.echo)
