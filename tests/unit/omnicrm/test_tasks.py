"""Tasks end when they are told to, whatever becomes of a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from omnicrm import tasks


async def deaf(times: int) -> None:
    """A task that loses its first cancellations."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # noqa: PERF203 - that is the fault
            continue
    await asyncio.Event().wait()


async def failing() -> None:
    """A task that cannot be ended without trouble."""
    try:
        await asyncio.Event().wait()
    finally:
        raise RuntimeError("closing failed")


async def test_a_task_that_lost_a_cancellation_is_cancelled_again(monkeypatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_SECONDS", 0.01)
    ending = [asyncio.create_task(deaf(times)) for times in (0, 1, 3)]
    await asyncio.sleep(0)
    await tasks.end(ending)
    assert all(task.cancelled() for task in ending)


async def test_what_a_task_raises_and_one_that_has_ended_harm_nobody() -> None:
    done, raising = asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(failing())
    await done
    await tasks.end([done, raising])
    assert isinstance(raising.exception(), RuntimeError)


async def test_no_tasks_are_ended_at_once() -> None:
    await tasks.end([])


async def test_within_gives_what_was_worked_out_and_what_was_raised() -> None:
    assert await tasks.within(5, asyncio.sleep(0, "done")) == "done"
    with pytest.raises(RuntimeError):
        await tasks.within(0.01, failing())


async def test_within_ends_what_takes_too_long() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(asyncio.TimeoutError):
        await tasks.within(0.01, endless())
    assert ended.is_set()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_that_comes_as_the_work_ends_is_not_lost(turns: int) -> None:
    begun = asyncio.Event()

    async def waits_again_and_again() -> None:
        while True:
            await tasks.within(5, begun.wait())
            begun.clear()

    task = asyncio.create_task(waits_again_and_again())
    await asyncio.sleep(0.01)
    begun.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    assert (await asyncio.wait({task}, timeout=2))[1] == set()
