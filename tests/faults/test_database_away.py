"""The database goes away and comes back: webhooks are refused until it is there, and nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tests.support.eventually import eventually
from tests.support.load import Load, recount
from tests.support.postgres import PostgresServer
from tests.support.scene import Scene


@contextmanager
def away(server: PostgresServer) -> Iterator[None]:
    """Stopped as by a crash; started again whatever happens."""
    server.stop()
    try:
        yield
    finally:
        server.start()


def counted(scene: Scene, name: str, least: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many webhooks were answered with this status."""

    async def look() -> bool:
        return (await scene.simulator.stats())["webhooks"]["by_status"].get(name, 0) >= least

    return look


async def test_a_database_that_stops_under_load_loses_nothing_and_doubles_nothing(
    scene: Scene, postgres_server: PostgresServer
) -> None:
    await scene.start_bot()
    load = Load(scene.simulator, customers=6, messages=15)
    speaking = load.start()
    await eventually(counted(scene, "200", 20), every=0.02)
    with away(postgres_server):
        await eventually(counted(scene, "503", 20))
        await speaking
    await recount(load, scene.database.url)
    told = (await scene.simulator.stats(wait=10))["webhooks"]
    assert set(told["by_status"]) == {"200", "503"}
    assert told["given_up"] == 0


async def test_a_bot_that_starts_before_its_database_works_once_it_is_there(
    scene: Scene, postgres_server: PostgresServer
) -> None:
    with away(postgres_server):
        await scene.start_bot()
        assert (await scene.simulator.say("instagram", "900001", "hola")).status == 503
    await scene.settled("instagram")
    assert (await scene.phone("instagram")).texts == ["eco: hola"]
