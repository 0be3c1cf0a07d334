"""Tasks end when they are told to, whatever becomes of a cancellation."""

from __future__ import annotations

import asyncio

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
