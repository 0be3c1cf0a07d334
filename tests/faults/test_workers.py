"""The bot is several processes: one that waits and some that work. They live and die together, and lose nothing."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import Callable

import psutil  # type: ignore[import-untyped]

from omnicrm.processes import Child, answers, free_ports, until
from tests.support.customer import Customer
from tests.support.eventually import eventually
from tests.support.real_bot import START_SECONDS, RealBot

PRICE = "cuánto cuesta el extracto de árnica?"


async def started(real: RealBot, name: str, without: str = "") -> Child:
    """Another bot, which was asked to be two processes."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    child = real.start_bot(name, address, without=without, SANIC_WORKERS="2")
    await until(functools.partial(answers, address), child, START_SECONDS)
    return child


def copies_of(first: psutil.Process) -> list[psutil.Process]:
    return [child for child in first.children() if child.cmdline() == first.cmdline()]


async def both_workers(bot: Child) -> list[psutil.Process]:
    """The copies of a bot's first process that serve."""
    first = psutil.Process(bot.process.pid)

    async def found() -> list[psutil.Process]:
        copies = copies_of(first)
        return copies if len(copies) == 2 else []

    return await eventually(found, within=START_SECONDS)


def shared(processes: list[psutil.Process]) -> float:
    """How much of their memory processes share, of 1."""
    held = [process.memory_full_info() for process in processes]
    return 1 - sum(one.uss for one in held) / sum(one.rss for one in held)


async def test_the_bot_is_two_processes_that_share_most_of_their_memory(
    real: RealBot, new_customer: Callable[..., Customer]
) -> None:
    workers = await both_workers(real.children["bot"])
    customers = [new_customer() for _ in range(6)]
    for customer in customers:
        await customer.says(PRICE)
    for customer in customers:
        await customer.held(within=60)
        assert len(await customer.texts()) == 1
    assert shared(workers) > 0.5


async def test_a_worker_that_is_killed_ends_the_bot_and_what_it_had_is_done_by_another(
    real: RealBot, new_customer: Callable[..., Customer]
) -> None:
    child = await started(real, "bot-bereft")
    workers = await both_workers(child)
    customers = [new_customer() for _ in range(10)]
    await asyncio.gather(*(customer.says(PRICE) for customer in customers))
    os.kill(workers[0].pid, signal.SIGKILL)
    assert await asyncio.to_thread(child.process.wait, 60) == 1
    assert "start the bot again" in child.last_lines()
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    for customer in customers:
        held = await customer.held(within=60)
        assert len(await customer.texts()) == 1 or held["attention"]


async def test_workers_end_with_the_first_process_however_it_ends(real: RealBot) -> None:
    for number, status in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        child = await started(real, f"bot-{number.name}")
        workers = await both_workers(child)
        os.kill(child.process.pid, number)
        assert await asyncio.to_thread(child.process.wait, 60) == status
        gone, alive = await asyncio.to_thread(psutil.wait_procs, workers, 30)
        assert len(gone) == 2, alive


async def test_without_a_lock_store_that_rasa_takes_for_shared_it_is_one_process_and_ends_well(real: RealBot) -> None:
    child = await started(real, "bot-alone", without="lock_store")
    assert copies_of(psutil.Process(child.process.pid)) == []
    os.kill(child.process.pid, signal.SIGTERM)
    # Sanic minds the signal once the model is loaded; before, it ends the process as it ends any.
    assert await asyncio.to_thread(child.process.wait, 60) in (0, -signal.SIGTERM)
