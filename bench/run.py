"""One run: train both, then the same turns for both, never at the same time."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import database, load, measured, ours, server, stock
from bench.database import Database, round_trips
from bench.figures import Figure
from bench.load import Assistant
from bench.measured import Machinery, Run, Talk, Throughput
from bench.ours import Ours
from bench.plan import REGULAR, WINDOWS, Plan
from omnicrm.progress import step

RECEIPTS_PER_SECOND = 20.0
FLOODING_CONNECTIONS = 16
FLOODING_SENDERS = 400


class Lost(Exception):
    """A message that was acknowledged is not in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are: ``models`` outlives a run, ``folder`` is this run's own."""

    project: Path
    models: Path
    folder: Path
    logs: Path


async def measure(console: Console, plan: Plan, places: Places) -> list[Figure]:
    """Measure everything that ``plan`` asks for."""
    their_training, our_training = await _train(console, plan, places)
    async with AsyncExitStack() as stack:
        with step(console, "Start stock"):
            model = _stock_model(places)
            stocks = stock.running(places.logs, model.parents[1], model)
            theirs, their_ready = await stack.enter_async_context(stocks)
        with step(console, "Turns of stock") as tell:
            tell("new senders")
            their_first = await load.first_turns(theirs, plan.new_senders)
            their_windows = await _windows(plan, theirs, tell)
        with step(console, "Database"):
            db = await stack.enter_async_context(database.running(places.folder))
        with step(console, "Start ours"):
            running = ours.running(places.logs, places.project, _our_model(places), places.folder, db)
            mine, our_ready = await stack.enter_async_context(running)
        with step(console, "Turns of ours") as tell:
            our_first, question, trips = await _count(plan, mine, db, tell)
            our_windows = await _windows(plan, mine, tell)
        with step(console, "Crowds of both") as tell:
            (their_crowd, our_crowd), (their_regulars, our_regulars) = await _crowds(plan, (theirs, mine), tell)
        talks = [
            Talk(ready=ready, memory=server.resident(process), first=first, windows=windows, crowd=crowd, regulars=regulars)
            for ready, process, first, windows, crowd, regulars in (
                (their_ready, theirs.process, their_first, their_windows, their_crowd, their_regulars),
                (our_ready, mine.process, our_first, our_windows, our_crowd, our_regulars),
            )
        ]
        for talk, trained in zip(talks, (their_training, our_training), strict=True):
            talk.trained = trained
        with step(console, "Webhooks of ours") as tell:
            tell("while turns run at full rate")
            webhooks = await _webhooks_at_full_rate(plan, mine)
            tell("flooded")
            flood, replies = await _flood(plan, mine, db)
        machinery = Machinery(
            actions_memory=server.resident(mine.actions), question=question, trips=trips, webhooks=webhooks, flood=flood,
            turns_in_flood=replies,
        )
        return measured.figures(Run(stock=talks[0], ours=talks[1], machinery=machinery))


def _stock_model(places: Places) -> Path:
    return places.models / "stock" / "models" / "stock.tar.gz"


def _our_model(places: Places) -> Path:
    return places.models / "ours" / "ours.tar.gz"


async def _train(console: Console, plan: Plan, places: Places) -> tuple[float | None, float | None]:
    theirs = mine = None
    model = _stock_model(places)
    if plan.train or not model.is_file():
        with step(console, "Train stock"):
            project = model.parents[1]
            stock.make_project(project)
            theirs = await server.train(places.logs, "stock", project, model.parent, places.folder / "stock-cache")
    model = _our_model(places)
    if plan.train or not model.is_file():
        with step(console, "Train ours"):
            shutil.rmtree(model.parent, ignore_errors=True)
            mine = await server.train(places.logs, "ours", places.project, model.parent, places.folder / "our-cache")
    return (theirs, mine) if plan.train else (None, None)


async def _windows(plan: Plan, assistant: Assistant, tell: Callable[[str], None]) -> dict[int, list[float]]:
    # Turn 5 before and after the long ones: what else the machine does in these minutes must not look like growth.
    half = plan.short_senders // 2
    tell("turn 5")
    before = await load.conversations(assistant, half, {5: WINDOWS[5]})
    tell("turns 60 and 200")
    windows = await load.conversations(assistant, plan.long_senders, {60: WINDOWS[60], 200: WINDOWS[200]})
    tell("turn 5 again")
    after = await load.conversations(assistant, plan.short_senders - half, {5: WINDOWS[5]})
    return {5: before[5] + after[5], **windows}


async def _crowds(
    plan: Plan, assistants: Sequence[Assistant], tell: Callable[[str], None]
) -> tuple[list[Throughput], list[Throughput]]:
    """New senders and, when they have talked a while, the same: how fast each assistant was.

    In turns, a crowd for each: a machine is faster in one minute than in another.
    """
    new: list[list[Throughput]] = [[] for _ in assistants]
    last: list[list[str]] = [[] for _ in assistants]
    for number in range(1, plan.crowds + 1):
        tell(f"{plan.concurrent} at once, {number} of {plan.crowds}")
        for i, assistant in enumerate(assistants):
            last[i] = load.new_senders(plan.concurrent)
            new[i].append(await load.crowd(assistant, last[i], plan.turns_each))
    tell("on to turn 30")
    for assistant, senders in zip(assistants, last, strict=True):
        await load.crowd(assistant, senders, REGULAR - plan.turns_each)
    tell(f"{plan.concurrent} regulars at once")
    regulars = []
    for assistant, senders in zip(assistants, last, strict=True):
        regulars.append(await load.crowd(assistant, senders, plan.turns_each))
    crowds = [Throughput(sum(one.count for one in each), sum(one.seconds for one in each)) for each in new]
    return crowds, regulars


async def _count(
    plan: Plan, assistant: Ours, db: Database, tell: Callable[[str], None]
) -> tuple[list[float], list[float], dict[str, float]]:
    """First turns and knowledge questions with their times, and the round trips of each kind of turn."""
    sender, n = load.new_sender(), plan.counted_turns
    await assistant.turn(sender, assistant.lines[0])
    await assistant.turn(sender, assistant.question)
    tell("counting round trips")
    await db.count("all")
    counts = [await db.counts()]
    first = await load.first_turns(assistant, plan.new_senders)
    counts.append(await db.counts())
    await load.repeated(assistant, sender, assistant.lines[1], n)
    counts.append(await db.counts())
    question = await load.repeated(assistant, sender, assistant.question, n)
    counts.append(await db.counts())
    await db.count("none")
    turns = {"turn of a new sender": len(first), "turn": n, "turn with a knowledge question": n}
    steps = zip(turns.items(), counts, counts[1:], strict=False)
    return first, question, {kind: round_trips(before, after, made) for (kind, made), before, after in steps}


async def _webhooks_at_full_rate(plan: Plan, assistant: Ours) -> list[float]:
    """Seconds of every webhook while a crowd talks: its messages, and read receipts that come whether or not we keep up."""
    assistant.webhooks.seconds.clear()
    reader = load.new_sender()
    await assistant.turn(reader, assistant.lines[0])
    receipts: set[asyncio.Task[None]] = set()
    ended = time.perf_counter() + plan.webhook_seconds

    async def arrive() -> None:
        while time.perf_counter() < ended:
            receipts.add(asyncio.create_task(assistant.read(reader)))
            await asyncio.sleep(1 / RECEIPTS_PER_SECOND)

    await asyncio.gather(load.crowd_for(assistant, plan.concurrent, plan.webhook_seconds), arrive())
    await asyncio.gather(*receipts)
    return list(assistant.webhooks.seconds)


async def _flood(plan: Plan, assistant: Ours, db: Database) -> tuple[Throughput, float]:
    """Messages as fast as they are acknowledged, each of which is then found in the database. Raises ``Lost``."""
    senders = load.new_senders(FLOODING_SENDERS)
    stored, replies = await db.messages(), assistant.replies
    started = time.perf_counter()

    async def write(start: int) -> int:
        sent = 0
        while time.perf_counter() - started < plan.flood_seconds:
            await assistant.say(senders[(start + sent * FLOODING_CONNECTIONS) % len(senders)], assistant.lines[0])
            sent += 1
        return sent

    acknowledged = sum(await asyncio.gather(*(write(start) for start in range(FLOODING_CONNECTIONS))))
    seconds = time.perf_counter() - started
    replied = assistant.replies - replies
    found = await db.messages() - stored
    if found != acknowledged:
        raise Lost(f"{acknowledged} messages were acknowledged, {found} are stored")
    return Throughput(acknowledged, seconds), replied / seconds
