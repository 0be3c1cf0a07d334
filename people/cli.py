"""``omnicrm import …``: contacts from a file, and taking a batch back."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from people.terminal import terminal

if TYPE_CHECKING:
    from rich.console import Console

    from connectors.message import Json
    from omnicrm.settings import Settings
    from people.importing import Report, Tell
    from people.table import Progress

app = typer.Typer(
    name="import",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Contacts from a file: rehearse, write, take back.",
)


@app.command()
def vambe(
    file: Annotated[Path, typer.Argument(help="Vambe's export: CSV, XLSX or JSON.", show_default=False)],
    apply: Annotated[bool, typer.Option("--apply", help="Write it; without this, only show what would be written.")] = False,
    map_: Annotated[
        Optional[list[str]],  # noqa: UP007, UP045 - typer reads it at run time
        typer.Option("--map", metavar="COLUMN=FIELD", help="Which field a column is; may be repeated."),
    ] = None,
    account: Annotated[str, typer.Option(help="Instagram account of the ids and usernames (default META_IG_ACCOUNT_ID).")] = "",
    details: Annotated[
        Optional[Path],  # noqa: UP007, UP045
        typer.Option(help="Write a CSV with every row that needs a look."),
    ] = None,
) -> None:
    """Import the contacts of Vambe.

    Shows what it would do; --apply does it, in one transaction that `omnicrm import undo` takes back. Needs DATABASE_URL,
    or uses the embedded database.
    """
    from people.columns import MapError
    from people.report import write_details
    from people.table import FileError

    console = terminal()
    try:
        report = _import(console, file, map_ or [], account, apply=apply)
        if details is not None:
            console.print(f"{write_details(report, details):,} renglones por revisar en {details}.", markup=False)
    except (FileError, MapError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"{error.filename or file}: {error.strerror}", err=True)
        raise typer.Exit(1) from None


def _import(console: Console, file: Path, maps: list[str], account: str, *, apply: bool) -> Report:
    from people.columns import read_map
    from people.database import connection
    from people.importing import Accounts, run_import
    from people.reading import open_table
    from people.report import show

    settings, mapped = _settings(), read_map(maps)
    accounts = Accounts(instagram=account or settings.meta_ig_account_id, page=settings.meta_page_id)
    with _progress(console) as (reading, tell):
        table = open_table(file, mapped, reading)
        with connection(settings) as connected:
            by = getpass.getuser()
            report = run_import(connected, table, source=file.name, by=by, accounts=accounts, apply=apply, tell=tell)
    show(report, table, console)
    if not report.changes:
        console.print("\nNada que escribir: todo lo que se puede usar ya estaba.")
    elif apply:
        console.print(f"\nEscrito como lote {report.batch}. Para deshacerlo: omnicrm import undo {report.batch}")
    else:
        console.print("\nPara escribirlo, el mismo comando con --apply.")
    return report


@app.command()
def undo(batch: Annotated[int, typer.Argument(help="Number of the batch, as `omnicrm import list` shows it.")]) -> None:
    """Take a batch back, of an import or of smart-sync.

    What happened since stays: who wrote, what somebody changed, who was joined.
    """
    from crm.port import CrmRejected
    from people.batches import show_undone
    from people.batches import undo as run
    from people.database import connection

    settings = _settings()
    told = {"OC404": f"No hay un lote {batch}: mira `omnicrm import list`.", "OC409": f"El lote {batch} ya se deshizo."}
    try:
        if settings.supabase_url and not settings.database_url:
            # Whoever imported has DATABASE_URL; this takes back what smart-sync filled.
            done = asyncio.run(_call(settings, "omnicrm_undo_batch", p_batch=batch, p_by=getpass.getuser()))
        else:
            with connection(settings) as connected:
                done = run(connected, batch, getpass.getuser())
    except CrmRejected as error:
        if error.sqlstate not in told:
            raise
        typer.echo(told[error.sqlstate], err=True)
        raise typer.Exit(1) from None
    show_undone(done, terminal())


@app.command(name="list")
def list_() -> None:
    """List the batches, the newest first."""
    from people.batches import show_list

    show_list(asyncio.run(_call(_settings(), "omnicrm_batches")), terminal())


async def _call(settings: Settings, function: str, **arguments: Json) -> Json:
    from crm.connect import open_crm

    crm = await open_crm(settings)
    try:
        return await crm.call(function, **arguments)
    finally:
        await crm.close()


def _settings() -> Settings:
    from omnicrm.settings import Settings

    return Settings.load()


@contextmanager
def _progress(console: Console) -> Iterator[tuple[Progress, Tell]]:
    """A bar while the file is read, then one that names each step. Shown to a person alone, and gone at the end."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal(stderr=True), transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Leyendo el archivo", total=1.0)

        def tell(what: str, share: float | None) -> None:
            bar.update(task, description=what, total=None if share is None else 1.0, completed=share or 0.0)

        yield (lambda share: bar.update(task, completed=share)), tell
