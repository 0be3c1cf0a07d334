"""How much a run measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sizes of one run. Stock and ours get exactly the same turns."""

    train: bool
    """Train both anew and say how long it took; otherwise use the models of an earlier run."""
    new_senders: int
    short_senders: int
    """Senders who talk up to turn 6."""
    long_senders: int
    """Senders who talk up to turn 202."""
    concurrent: int = 20
    turns_each: int
    crowds: int
    """How many crowds of new senders come, one after the other."""
    webhook_seconds: float
    flood_seconds: float
    counted_turns: int
    """Turns over which database round trips are counted."""


FULL = Plan(
    train=True, new_senders=100, short_senders=34, long_senders=2, turns_each=10, crowds=3, webhook_seconds=15.0,
    flood_seconds=5.0, counted_turns=30,
)  # fmt: skip
QUICK = Plan(
    train=False, new_senders=20, short_senders=7, long_senders=1, turns_each=5, crowds=3, webhook_seconds=5.0,
    flood_seconds=2.0, counted_turns=5,
)  # fmt: skip

# The turns of one sender that are timed under the name of the middle one.
WINDOWS = {5: range(4, 7), 60: range(58, 63), 200: range(198, 203)}
# How many turns a regular customer has behind them.
REGULAR = 30
# What a customer takes to read, at least: without it the next line would meet the book-keeping of the last answer.
PAUSE_SECONDS = 0.05
