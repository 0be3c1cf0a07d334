"""Several bots share one database, without knowing of each other."""

from __future__ import annotations

from collections import Counter

from tests.support.load import Load, recount
from tests.support.scene import Scene


async def test_two_bots_answer_every_message_once_and_in_order(scene: Scene) -> None:
    for elsewhere in (False, True):
        await scene.start_bot(elsewhere=elsewhere, OMNICRM_TEST_THINKING="0.05", WORKER_CONCURRENCY="3")
    load = Load(scene.simulator, customers=10, messages=6)
    await load.start()
    assert await recount(load, scene.database.url) == Counter({"answered": 60})
    both = Counter[str]()
    for channel, user in load.people:
        both.update((await scene.held(channel, user))["dialogue"]["turns"])
    assert len(both) == 2, "one bot did all the work: nothing was shared"


async def test_a_bot_takes_over_what_a_killed_one_had_begun_and_both_never_answer(scene: Scene) -> None:
    doomed = await scene.start_bot(elsewhere=True, OMNICRM_TEST_THINKING="0.3")
    await scene.start_bot(OMNICRM_TEST_THINKING="0.1")
    load = Load(scene.simulator, customers=10, messages=3)
    await load.start()
    doomed.kill()
    await recount(load, scene.database.url)
