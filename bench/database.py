"""The embedded PostgreSQL of a run, and how often it is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from crm.embedded import EmbeddedServer
from omnicrm.migrate import migrate

# A backend that falls idle tells its counts after 10 s (PGSTAT_IDLE_INTERVAL in PostgreSQL's pgstat.c).
COUNTS_SETTLE_SECONDS = 11.0
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# Not part of a turn before its delivery: taking the webhook in, the customer's name, giving a conversation back; and what goes
# on beside all turns, such as looking for notices to send.
ELSEWHERE = frozenset(
    ("omnicrm_receive", "omnicrm_set_profile", "omnicrm_release", "omnicrm_schema_version", "omnicrm_claim_notices",
     "omnicrm_claim_events", "omnicrm_lease", "omnicrm_close_silent", "omnicrm_prune", "omnicrm_prune_told", "omnicrm_recall",
     "omnicrm_remember", "omnicrm_report_account", "omnicrm_unheard")
)  # fmt: skip


class NotDurable(Exception):
    """The database would acknowledge what it has not written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the database has counted since it was made."""

    calls: Mapping[str, int]
    """Calls of each public function."""
    leases: int
    """Conversations handed to a worker."""
    settled: int
    """Sends whose outcome was told: each one in a call of ``omnicrm_next_send`` after the delivery."""


def round_trips(before: Counts, after: Counts, turns: int) -> float:
    """Calls per turn that come before its reply leaves.

    A claim that found nothing looks like one that did, so claims are counted by the conversations that they handed out; in a
    run of one customer each is a call of its own. Of ``omnicrm_next_send`` those that settle a send come after the delivery;
    one that ``omnicrm_answer`` makes itself, where a reply may not leave at once, counts here as if it were a round trip.
    """
    made = {name: calls - before.calls.get(name, 0) for name, calls in after.calls.items() if name not in ELSEWHERE}
    made["omnicrm_claim"] = after.leases - before.leases
    made["omnicrm_next_send"] = made.get("omnicrm_next_send", 0) - (after.settled - before.settled)
    return sum(made.values()) / turns


class Database:
    """A running server with our schema."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def counts(self) -> Counts:
        """All counts, once every backend has told its own."""
        await asyncio.sleep(COUNTS_SETTLE_SECONDS)
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            calls = await connection.execute(
                "select funcname, calls from pg_stat_user_functions where schemaname = 'public' and funcname like 'omnicrm%'"
            )
            counted = {str(name): int(number) for name, number in await calls.fetchall()}
            rest = await connection.execute("""
                select (select coalesce(sum(lease_token), 0) from omnicrm.threads),
                    (select count(*) from omnicrm.messages where direction = 'out' and platform_id is not null)
            """)
            leases, settled = map(int, await rest.fetchone() or (0, 0))
            return Counts(calls=counted, leases=leases, settled=settled)

    async def count(self, calls: str) -> None:
        """Count calls (``all``) or not (``none``), which a shop's database does not do either and which costs some time."""
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            await connection.execute(sql.SQL("alter system set track_functions = {}").format(sql.Literal(calls)))
            await connection.execute("select pg_reload_conf()")

    async def messages(self) -> int:
        """How many customers' messages are stored."""
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            found = await connection.execute("select count(*) from omnicrm.messages where direction = 'in'")
            (number,) = await found.fetchone() or (0,)
            return int(number)


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[Database]:
    """A new database in this folder; stopped at the end. Raises ``NotDurable``."""
    embedded = await asyncio.to_thread(EmbeddedServer, data_dir)
    try:
        await asyncio.to_thread(migrate, embedded.dsn)
        async with await psycopg.AsyncConnection.connect(embedded.dsn, autocommit=True) as connection:
            for name, wanted in DURABLE.items():
                found = await (await connection.execute("select current_setting(%s)", (name,))).fetchone()
                if found != (wanted,):
                    raise NotDurable(f"{name} is {found and found[0]}, must be {wanted}")
        yield Database(embedded.dsn)
    finally:
        await asyncio.to_thread(embedded.close)
