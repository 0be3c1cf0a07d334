"""``omnicrm smart-sync``."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from omnicrm.channels import NAMES
from people.terminal import terminal

if TYPE_CHECKING:
    import httpx
    from rich.console import Console

    from connectors.platform import Platform
    from omnicrm.settings import Settings
    from people.sync import SyncReport

FIELD_NAMES = {"name": "nombre", "phone": "teléfono", "email": "correo", "instagram_username": "usuario de Instagram"}
SKIPPED = {
    "changed": "cambiaron mientras corría",
    "held": "el dato es de otro cliente: quedó como propuesta",
    "refused": "una regla de tu tabla de clientes no lo permite",
}
ASKED = {"instagram": "IG", "messenger": "FB", "whatsapp": "WA"}

app = typer.Typer(
    name="smart-sync",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Fill the gaps of the clients who are there.",
)


@app.callback(invoke_without_command=True)
def smart_sync(
    apply: Annotated[bool, typer.Option("--apply", help="Write it; without this, only show what would be written.")] = False,
) -> None:
    """Fill the gaps of the clients who are there: names, phones, mails, usernames.

    From their conversations, identities and (with --apply) platform profiles. `omnicrm import undo` takes it back; a run that
    was cut off goes on where it was.
    """
    from crm.port import CrmRejected

    try:
        report = asyncio.run(_run(apply=apply))
    except CrmRejected as error:
        if error.sqlstate != "OC409":
            raise
        typer.echo("Otro smart-sync u otra importación está corriendo en este momento: espera a que termine.", err=True)
        raise typer.Exit(1) from None
    show(report, terminal())


async def _run(*, apply: bool) -> SyncReport:
    from connectors.http import http_client
    from crm.connect import open_crm
    from omnicrm.settings import Settings
    from people.sync import smart_sync as run

    settings = Settings.load()
    console = terminal(stderr=True)
    crm = await open_crm(settings)
    try:
        async with http_client(settings) as http:
            platforms, missing = build_platforms(settings, http)
            with console.status("Revisando clientes…") as status:
                report = await run(
                    crm,
                    platforms,
                    apply=apply,
                    by=getpass.getuser(),
                    sleep=asyncio.sleep,
                    tell=lambda done: status.update(f"Revisando clientes… {done:,}"),
                )
    finally:
        await crm.close()
    report.stopped.update(missing)
    return report


def build_platforms(settings: Settings, http: httpx.AsyncClient) -> tuple[Mapping[str, Platform], dict[str, str]]:
    """The platforms that have their settings, by channel; and for the others why they are not asked."""
    from connectors.registry import build
    from omnicrm.settings import SettingsError

    built: dict[str, Platform] = {}
    missing: dict[str, str] = {}
    for name, channel in ASKED.items():
        try:
            platform = build(name, settings, http)
        except SettingsError as error:  # noqa: PERF203 - three times
            missing[channel] = f"sin configurar ({str(error).partition(':')[0]})"
        else:
            built[platform.channel] = platform
    return built, missing


def show(report: SyncReport, console: Console) -> None:
    """Print what was done, or would be."""
    done = "escrito" if report.batch is not None else "nada que escribir" if report.applied else "ensayo: no se escribió nada"
    console.print(f"\n[bold]smart-sync[/bold] · {report.clients:,} clientes revisados · {done}")
    if report.resumed:
        console.print("  Siguió donde se había cortado la corrida anterior.")
    for channel in ASKED.values():
        _show_channel(report, channel, console)
    verb = "Se escribió" if report.applied else "Se escribiría"
    filled = ", ".join(f"{FIELD_NAMES.get(name, name)} {count:,}" for name, count in sorted(report.filled.items()))
    console.print(f"  {verb}: {filled or 'ningún dato'}.")
    for why, count in sorted(report.skipped.items()):
        console.print(f"  Sin escribir: {count:,}, {SKIPPED.get(why, why)}.")
    console.print(f"  Propuestas para unir clientes, por revisar: {report.proposals:,}.")
    if report.batch is not None:
        console.print(f"\nEscrito como lote {report.batch}. Para deshacerlo: omnicrm import undo {report.batch}")
    elif not report.applied:
        console.print("\nPara escribirlo: omnicrm smart-sync --apply")


def _show_channel(report: SyncReport, channel: str, console: Console) -> None:
    name = NAMES[channel]
    if channel in report.stopped:
        console.print(f"  {name}: {report.stopped[channel]}.", markup=False)
    if report.looked_up[channel]:
        console.print(f"  {name}: {report.looked_up[channel]:,} perfiles consultados, {report.found[channel]:,} encontrados.")
    elif report.to_look_up[channel]:
        wanted, seconds = report.to_look_up[channel], report.seconds[channel]
        console.print(f"  {name}: con --apply se consultarían {wanted:,} perfiles (unos {seconds:,.0f} s).")
