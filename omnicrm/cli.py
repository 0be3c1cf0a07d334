"""The command line: ``omnicrm …``. Each command imports what it needs, so that ``--help`` answers at once."""

from __future__ import annotations

import asyncio
import enum
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from connectors.registry import commands as platform_commands
from notify.cli import notify_app, webhook_app
from people.cli import app as import_commands
from people.sync_cli import app as sync_command
from router.cli import app as apikey

# Before anything imports Rasa or TensorFlow: no calls home, no talk about graphics cards.
QUIET = {"RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "2", "SQLALCHEMY_SILENCE_UBER_WARNING": "1"}
PROJECT = Path(__file__).resolve().parent.parent
WRONG_SETTINGS = 2
INTERRUPTED = 130

app = typer.Typer(
    name="omnicrm",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Omnichannel CRM bot on Rasa: try it, set it up, check it.",
)


class Channel(str, enum.Enum):
    """The channels that a trial can speak."""

    instagram = "instagram"
    messenger = "messenger"
    whatsapp = "whatsapp"
    email = "email"


ChannelOption = Annotated[Channel, typer.Option(envvar="CHANNEL", help="Which customer you are.")]


@app.command()
def up(channel: ChannelOption = Channel.instagram) -> None:
    """Try it all here (make run).

    In a terminal it opens a chat; elsewhere it plays a written conversation over all channels and checks it.
    """
    from omnicrm.settings import read_dotenv
    from omnicrm.trial import up as run

    read_dotenv(PROJECT / ".env")  # one that cannot be read is said before anything starts
    raise typer.Exit(run(PROJECT, channel.value))


@app.command()
def train() -> None:
    """Train the model if its inputs changed."""
    from rich.console import Console

    from omnicrm import model
    from omnicrm.progress import step

    with step(Console(highlight=False), "Model") as tell:
        path = model.ensure(PROJECT, PROJECT / ".data" / "logs" / "train.log", tell)
    typer.echo(f"  {path.relative_to(PROJECT)}")


@app.command()
def migrate() -> None:
    """Bring the database up to date.

    DATABASE_URL, else the embedded one.
    """
    from omnicrm.database import bring_up_to_date
    from omnicrm.settings import Settings

    typer.echo(bring_up_to_date(Settings.load(), typer.echo))


@app.command()
def doctor() -> None:
    """Say in Spanish what is wrong, and the cure.

    Looks at settings, database, model, actions, channels and the Graph token. Ends with 1 when the bot cannot work.
    """
    from omnicrm.doctor import examine

    raise typer.Exit(asyncio.run(examine(PROJECT)))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def simulator(context: typer.Context) -> None:
    """Be the platforms and their customers on this machine."""
    from simulator.__main__ import main as run

    sys.argv = ["omnicrm simulator", *context.args]
    raise typer.Exit(run())


@app.command()
def chat(
    address: Annotated[str, typer.Option("--simulator", help="Address of a running simulator.")],
    channel: ChannelOption = Channel.instagram,
) -> None:
    """Chat over a simulator that runs already."""
    from omnicrm.chat import chat as run

    asyncio.run(run(address, channel.value))


app.add_typer(import_commands)
app.add_typer(sync_command)
for commands in platform_commands():
    app.add_typer(commands)
app.add_typer(notify_app)
app.add_typer(webhook_app)
app.add_typer(apikey)


def main(arguments: list[str] | None = None) -> None:  # noqa: UP007 - typer reads annotations at run time
    """Run the command line. Foreseen trouble ends with its own lines and a status, never with a traceback."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        app(arguments)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        status = _foreseen(error)
        if status is None:
            raise
        sys.stderr.write(f"{error}\n")
        sys.exit(status)


def _foreseen(error: Exception) -> int | None:
    from omnicrm.processes import ProcessFailed
    from omnicrm.settings import SettingsError

    if isinstance(error, SettingsError):
        return WRONG_SETTINGS
    if isinstance(error, ProcessFailed):
        return 1
    from crm.port import CrmError
    from omnicrm.conversation import BadConversation
    from omnicrm.migrate import MigrationError
    from omnicrm.model import TrainingFailed
    from omnicrm.trial import TrialRunning

    return 1 if isinstance(error, (BadConversation, CrmError, MigrationError, TrainingFailed, TrialRunning)) else None


if __name__ == "__main__":
    main()
