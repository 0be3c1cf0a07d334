"""What a run has measured, and the report that comes of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.figures import Figure, at_most, percentile, times_stock, under

MILLISECONDS = 1000.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Things done in some seconds."""

    count: int
    seconds: float

    @property
    def per_second(self) -> float:
        """How many a second."""
        return self.count / self.seconds


@dataclass(kw_only=True)
class Talk:
    """What customers saw of one assistant; all times in seconds, memory in megabytes."""

    trained: float | None = None
    ready: float
    memory: float
    first: Sequence[float]
    windows: Mapping[int, Sequence[float]]
    crowd: Throughput
    regulars: Throughput
    """The same with customers who have been there for long."""


@dataclass(kw_only=True)
class Machinery:
    """What there is to know of ours alone."""

    actions_memory: float
    question: Sequence[float]
    trips: dict[str, float]
    """Database round trips per turn before its reply leaves, per kind of turn."""
    webhooks: Sequence[float]
    flood: Throughput
    turns_in_flood: float
    """Replies a second that left meanwhile."""


@dataclass(kw_only=True)
class Run:
    """Both sides."""

    stock: Talk
    ours: Talk
    machinery: Machinery


def figures(run: Run) -> list[Figure]:
    """Every figure with its goal, in the order of the report."""
    return [*_start(run), *_turns(run), *_load(run)]


def _start(run: Run) -> list[Figure]:
    ours, stock = run.ours, run.stock
    training = Figure(name="training", unit="s", ours=ours.trained, stock=stock.trained)
    return [
        *([training] if ours.trained is not None else []),
        Figure(name="start until the first answer", unit="s", ours=ours.ready, stock=stock.ready),
        under(700, name="memory of the bot", unit="MB", ours=ours.memory, stock=stock.memory),
        Figure(name="memory of the action server", unit="MB", ours=run.machinery.actions_memory),
    ]


def _turns(run: Run) -> list[Figure]:
    ours, stock = run.ours, run.stock
    shown = _pair("turn of a new sender", ours.first, stock.first)
    for turn in ours.windows:
        shown += _pair(f"turn {turn} of a sender", ours.windows[turn], stock.windows[turn])
    growth = at_most(1.3, name="turn 200 over turn 5, p50", unit="times", ours=_growth(ours), stock=_growth(stock))
    return [*shown, growth, *_pair("turn with a knowledge question", run.machinery.question)]


def _load(run: Run) -> list[Figure]:
    ours, stock, own = run.ours, run.stock, run.machinery
    webhooks = [seconds * MILLISECONDS for seconds in own.webhooks]
    return [
        _times("turns at 20 concurrent, new senders", ours.crowd, stock.crowd),
        _times("turns at 20 concurrent, after 30 turns", ours.regulars, stock.regulars),
        Figure(name="webhook at full rate, p50", unit="ms", ours=percentile(webhooks, 50)),
        under(100, name="webhook at full rate, p99", unit="ms", ours=percentile(webhooks, 99)),
        Figure(name="webhooks flooded, committed", unit="events/s", ours=own.flood.per_second, better="higher"),
        Figure(name="replies meanwhile", unit="replies/s", ours=own.turns_in_flood, better="higher"),
        *(at_most(3, name=f"round trips, {kind}", unit="calls", ours=trips) for kind, trips in own.trips.items()),
    ]


def _times(name: str, ours: Throughput, stock: Throughput) -> Figure:
    return times_stock(5, name=name, unit="turns/s", better="higher", ours=ours.per_second, stock=stock.per_second)


def _growth(talk: Talk) -> float:
    return percentile(talk.windows[200], 50) / percentile(talk.windows[5], 50)


def _pair(name: str, ours: Sequence[float], stock: Sequence[float] = ()) -> list[Figure]:
    """Median and 99th percentile, in milliseconds."""
    return [
        Figure(
            name=f"{name}, p{percent}", unit="ms", ours=percentile(ours, percent) * MILLISECONDS,
            stock=percentile(stock, percent) * MILLISECONDS if stock else None,
        )  # fmt: skip
        for percent in (50, 99)
    ]
