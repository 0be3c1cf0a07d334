"""``python -m bench.events``: what webhooks cost a turn while nobody, and while somebody, follows.

Receive, claim and answer of one turn, one after the other, on an embedded PostgreSQL that does not wait for its disk: an event
is written in the turn's own transactions, so the number of waits stays what it was, and they would hide what is measured. The
ways take turns, so that whatever else the machine does falls on all of them alike; "before" is the same database without its
triggers.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg

from bench import database
from connectors.message import Address, Inbound, event_to_json
from crm.connect import open_crm
from crm.port import Crm
from notify.service import utc_now
from omnicrm.settings import Settings

ROUNDS, TURNS, WARM = 60, 20, 3
CUSTOMERS = 100
ACCOUNT = "17841470026191358"
WAYS = ("before", "0 webhooks", "1 webhook")
TABLES = ("omnicrm.messages", "omnicrm.threads", "public.clients", "omnicrm.people")


async def turn(crm: Crm, number: int) -> float:
    """One turn of a customer who is known; returns its milliseconds."""
    address = Address(channel="IG", account=ACCOUNT, user=str(number % CUSTOMERS))
    event = Inbound(
        key=f"bench-{number}", address=address, timestamp=utc_now(), platform_id=f"bench-{number}", text="¿Tienen árnica?",
        opens_window=86400,
    )  # fmt: skip
    started = time.perf_counter()
    await crm.call("omnicrm_receive", p_events=[event_to_json(event)])
    claimed = await crm.call(
        "omnicrm_claim", p_worker="bench", p_accounts=[f"IG:{ACCOUNT}"], p_limit=1, p_lease_seconds=30
    )
    (work,) = claimed["work"]
    document = {
        "handled": [message["id"] for message in work["inbound"]], "ignored": {}, "dialogue": {"events": []}, "effects": [],
        "replies": [{"message": {"text": "Sí, claro."}, "payloads": []}],
    }  # fmt: skip
    send = {"p_thread": work["thread"], "p_token": work["token"], "p_lease_seconds": 30, "p_rate": 1e6}
    step = await crm.call("omnicrm_answer", **send, p_turn=document, p_reply_max_age=3600)
    took = (time.perf_counter() - started) * 1000
    # Not part of the measure: the reply was sent, and with that the conversation is given back.
    sent = {"message": step["send"]["id"], "outcome": "sent", "platform_id": f"sent-{number}"}
    await crm.call("omnicrm_next_send", **send, p_settled=sent)
    return took


async def prepare(admin: psycopg.AsyncConnection[tuple[object, ...]], way: str) -> None:
    """Set the database up for one way."""
    for table in TABLES:
        await admin.execute(f"alter table {table} {'disable' if way == 'before' else 'enable'} trigger user")
    await admin.execute("delete from omnicrm.feed")
    await admin.execute("delete from omnicrm.subscriptions")
    if way == "1 webhook":
        await admin.execute("insert into omnicrm.subscriptions (url, secret) values ('https://crm.example.com', 'whsec_AAAA')")


async def measure(folder: Path) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Milliseconds of each turn, and how many events were written, by way."""
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    events = dict.fromkeys(WAYS, 0)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(database.running(folder))
        connected = await psycopg.AsyncConnection.connect(running.dsn, autocommit=True)
        admin = await stack.enter_async_context(connected)
        await admin.execute("alter database postgres set synchronous_commit = off")
        crm = await open_crm(Settings(database_url=running.dsn))
        numbers = iter(range(sys.maxsize))
        # Everybody is known, and every plan is made.
        for _ in range(2 * CUSTOMERS):
            await turn(crm, next(numbers))
        for _ in range(ROUNDS):
            for way in WAYS:
                await prepare(admin, way)
                for _ in range(WARM):
                    await turn(crm, next(numbers))
                took[way] += [await turn(crm, next(numbers)) for _ in range(TURNS)]
                written = await (await admin.execute("select count(*) from omnicrm.feed")).fetchone()
                events[way] += int(written[0]) if written else 0
        await crm.close()
    return took, events


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="omnicrm-bench-") as folder:
        took, events = asyncio.run(measure(Path(folder)))
    print(f"receive + claim + answer of one turn, {ROUNDS} × {TURNS} turns each")
    before = statistics.median(took["before"])
    for way, times in took.items():
        middle, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        more = f"{middle - before:+.2f} ms ({middle / before - 1:+.1%})"
        told = events[way] / (ROUNDS * (TURNS + WARM))
        print(f"  {way:<11} median {middle:5.2f} ms  {more:<18} p95 {p95:5.2f} ms   {told:.1f} events a turn")


if __name__ == "__main__":
    main()
