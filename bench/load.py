"""The customers: the same turns for whoever is measured."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Protocol

from bench.measured import Throughput
from bench.plan import PAUSE_SECONDS

_people = count(1)


class Assistant(Protocol):
    """Somebody to talk to."""

    @property
    def lines(self) -> Sequence[str]:
        """What customers say, over and over; each line is answered by one response of the domain."""

    async def turn(self, sender: str, line: str) -> float:
        """Say one line; return the seconds until it was answered. Raises ``Unanswered``."""


class Unanswered(Exception):
    """The assistant did not answer, or refused."""


def new_sender() -> str:
    """The id of somebody who never wrote before, as long as a platform's."""
    return str(70_000_000_000_000_000 + next(_people))


def new_senders(number: int) -> list[str]:
    """Several of them."""
    return [new_sender() for _ in range(number)]


async def first_turns(assistant: Assistant, senders: int) -> list[float]:
    """One turn of each new sender, one after the other."""
    samples = []
    for _ in range(senders):
        samples.append(await assistant.turn(new_sender(), assistant.lines[0]))
        await asyncio.sleep(PAUSE_SECONDS)
    return samples


async def repeated(assistant: Assistant, sender: str, line: str, turns: int) -> list[float]:
    """The same line again and again."""
    samples = []
    for _ in range(turns):
        samples.append(await assistant.turn(sender, line))
        await asyncio.sleep(PAUSE_SECONDS)
    return samples


async def conversations(assistant: Assistant, senders: int, windows: Mapping[int, Iterable[int]]) -> dict[int, list[float]]:
    """Whole conversations, one after the other, as long as the last window asks; the seconds of each window's turns."""
    timed = {turn: name for name, turns in windows.items() for turn in turns}
    samples: dict[int, list[float]] = defaultdict(list)
    for _ in range(senders):
        sender = new_sender()
        for turn in range(1, max(timed) + 1):
            if turn in timed:
                await asyncio.sleep(PAUSE_SECONDS)
            seconds = await assistant.turn(sender, _line(assistant, turn))
            if turn in timed:
                samples[timed[turn]].append(seconds)
    return dict(samples)


async def crowd(assistant: Assistant, senders: Sequence[str], turns: int) -> Throughput:
    """Senders who all talk at once, each waiting for an answer before the next line."""

    async def talk(sender: str) -> None:
        for turn in range(1, turns + 1):
            await assistant.turn(sender, _line(assistant, turn))

    started = time.perf_counter()
    await asyncio.gather(*(talk(sender) for sender in senders))
    return Throughput(len(senders) * turns, time.perf_counter() - started)


async def crowd_for(assistant: Assistant, senders: int, seconds: float) -> Throughput:
    """The same for a given time."""
    started = time.perf_counter()

    async def keep_talking(sender: str) -> int:
        turn = 0
        while time.perf_counter() - started < seconds:
            turn += 1
            await assistant.turn(sender, _line(assistant, turn))
        return turn

    turns = await asyncio.gather(*(keep_talking(sender) for sender in new_senders(senders)))
    return Throughput(sum(turns), time.perf_counter() - started)


def _line(assistant: Assistant, turn: int) -> str:
    return assistant.lines[(turn - 1) % len(assistant.lines)]
