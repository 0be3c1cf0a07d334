"""The batches that imports and enrichment left, and taking one back."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any

from psycopg import sql
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from connectors.message import Json
from people.database import Connection, set_limits

SHOWN_CLIENTS = 10
KEPT_REASONS = {
    "wrote": "ya escribió por algún canal", "conversation": "ya tiene una conversación",
    "merged": "se unió con otro cliente", "used": "otro programa lo usa",
    "changed": "alguien cambió sus datos después", "writes": "escribe con una de las identidades",
}  # fmt: skip
_STATUS = {"running": "a medias", "applied": "escrito", "undone": "deshecho"}
_KIND = {"import": "importación", "sync": "smart-sync"}
# Every foreign key of one column to clients, of tables that are not ours.
_REFERENCES = """
    select n.nspname, t.relname, a.attname
    from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
    where c.contype = 'f' and c.confrelid = 'public.clients'::regclass and c.conparentid = 0
        and n.nspname <> 'omnicrm' and c.conrelid <> 'public.conversations'::regclass
"""


def undo(connected: Connection, batch: int, by: str) -> dict[str, Json]:
    """Take a batch back in one transaction, sparing clients that other software's tables point at.

    Returns what ``omnicrm_undo_batch`` does. Raises ``psycopg.Error`` with OC404 or OC409.
    """
    with connected.transaction():
        set_limits(connected)
        used = _used(connected, batch)
        row = connected.execute(
            "select public.omnicrm_undo_batch(%s, %s, to_jsonb(%s::text[]))", (batch, by, sorted(used))
        ).fetchone()
    return dict(row[0]) if row else {}


def _used(connected: Connection, batch: int) -> set[str]:
    found: set[str] = set()
    for schema, table, column in connected.execute(_REFERENCES).fetchall():
        statement = sql.SQL(
            "select distinct r.{column}::text from {table} r join omnicrm.batch_changes b on b.client_id = r.{column} "
            "where b.batch_id = %s and b.what = 'client'"
        ).format(column=sql.Identifier(column), table=sql.Identifier(schema, table))
        found |= {str(value) for (value,) in connected.execute(statement, (batch,))}
    return found


def show_undone(done: dict[str, Json], console: Console) -> None:
    """Print what was taken back, and what stays and why."""
    console.print(f"Lote {done['batch']} deshecho.")
    console.print(
        f"  Clientes quitados: {done['removed']:,}. Datos devueltos a como estaban: {done['fields']:,}. "
        f"Identidades quitadas: {done['identities']:,}. Propuestas retiradas: {done['proposals']:,}.",
    )  # fmt: skip
    left: list[list[str]] = done["left"]
    if left:
        console.print(f"\n  Se quedaron {len(left):,} clientes:")
    for why, count in Counter(reason for _, reason in left).most_common():
        ids = [client for client, reason in left if reason == why]
        more = f" y {count - SHOWN_CLIENTS:,} más" if count > SHOWN_CLIENTS else ""
        console.print(f"    {count:,} porque {KEPT_REASONS.get(why, why)}: {', '.join(ids[:SHOWN_CLIENTS])}{more}")


def show_list(batches: list[dict[str, Any]], console: Console) -> None:
    """Print all batches, the newest first."""
    if not batches:
        console.print("Todavía no hay lotes.")
        return
    grid = Grid("lote", "qué", "de", "cuándo", "estado", "nuevos", "completados", box=None, pad_edge=False)
    for column in (grid.columns[0], *grid.columns[5:]):
        column.justify = "right"
    for batch in batches:
        report = batch["report"]
        outcomes = report.get("outcomes", {})
        # Data that a smart-sync filled, clients that an import did.
        updated = outcomes.get("updated", 0) if outcomes else sum(report.get("filled", {}).values())
        # PostgreSQL writes as many digits of a second as it has; Python 3.10 takes three or six.
        when = datetime.fromisoformat(re.sub(r"\.\d+", "", batch["created_at"])).astimezone()
        grid.add_row(
            str(batch["id"]), _KIND.get(batch["kind"], batch["kind"]), escape(batch["source"]), f"{when:%Y-%m-%d %H:%M}",
            _STATUS.get(batch["status"], batch["status"]), f"{outcomes.get('created', 0):,}", f"{updated:,}",
        )  # fmt: skip
    console.print(grid)
