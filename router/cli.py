"""``omnicrm apikey …``: the keys of the API."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crm.port import Crm

app = typer.Typer(
    name="apikey",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keys of the API for other software (/api/v1).",
)


class ScopeName(str, enum.Enum):
    """What a key may do."""

    read = "read"
    send = "send"
    manage = "manage"


@app.callback()
def apikey() -> None:
    """Keys of the API for other software (/api/v1)."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is: shown as the author of what it does.")],
    scope: Annotated[list[ScopeName], typer.Option(help="What it may do; several times for several.")],
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until it expires; without this it does not.")] = None,
) -> None:
    """Make a key and show it, once."""
    from router.keys import new_key

    if not 1 <= len(name.strip()) <= 80:
        raise typer.BadParameter("a name has 1 to 80 characters", param_hint="NAME")
    made = new_key()
    expires = (datetime.now(timezone.utc) + timedelta(days=days)).isoformat() if days else None
    scopes = sorted({item.value for item in scope})

    async def run(crm: Crm) -> None:
        await crm.call(
            "omnicrm_api_key_create", p_id=made.id, p_name=name.strip(), p_hash=made.digest, p_scopes=scopes,
            p_expires_at=expires,
        )  # fmt: skip

    _on_crm(run)
    told = f"The key of {name.strip()} ({', '.join(scopes)}), shown this once: keep it where its holder keeps secrets."
    typer.echo(told, err=True)
    typer.echo(made.text)


@app.command("list")
def list_() -> None:
    """List all keys, without their secrets."""

    async def run(crm: Crm) -> Any:
        return await crm.call("omnicrm_api_key_list")

    keys = _on_crm(run)
    for key in keys:
        typer.echo(_line(key))
    if not keys:
        typer.echo("There is no key yet: omnicrm apikey create NAME --scope read")


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="The key's name, or the id in it.")]) -> None:
    """Revoke a key: its next request is refused."""

    async def run(crm: Crm) -> Any:
        return await crm.call("omnicrm_api_key_revoke", p_key=key)

    typer.echo(_line(_on_crm(run)))


def _line(key: Any) -> str:
    state = key["state"]
    if state == "revoked":
        state = f"revoked {_day(key['revoked_at'])}"
    elif key["expires_at"]:
        state = f"{'expires' if state == 'good' else state} {_day(key['expires_at'])}"
    used = f"last used {_day(key['last_used_at'])}" if key["last_used_at"] else "never used"
    return f"{key['id']}  {key['name']}  {','.join(key['scopes'])}  {state}  {used}"


def _day(moment: str) -> str:
    return moment[:10]


def _on_crm(run: Callable[[Crm], Awaitable[Any]]) -> Any:
    """Do this on the database of the settings. A refusal is its own line and ends with 1."""
    from crm.port import CrmRejected

    try:
        return asyncio.run(_opened(run))
    except CrmRejected as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from None


async def _opened(run: Callable[[Crm], Awaitable[Any]]) -> Any:
    from crm.connect import open_crm
    from omnicrm.settings import Settings

    crm = await open_crm(Settings.load())
    try:
        return await run(crm)
    finally:
        await crm.close()
