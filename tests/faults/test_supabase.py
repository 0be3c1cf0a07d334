"""The bot over Supabase's HTTPS alone: no socket to the database, no wake-up, only the secret key."""

from __future__ import annotations

from collections import Counter

from tests.support.load import Load, recount
from tests.support.scene import Scene
from tests.support.supabase import SupabaseProject


async def test_a_bot_with_nothing_but_supabases_secret_key_answers_everybody_once(
    supabase_project: SupabaseProject, scene: Scene
) -> None:
    await scene.start_bot(
        DATABASE_URL="", SUPABASE_URL=supabase_project.url, SUPABASE_SECRET_KEY=supabase_project.keys.secret, LEASE_SECONDS="5"
    )
    load = Load(scene.simulator, customers=4, messages=3)
    await load.start()
    assert await recount(load, scene.database.url) == Counter({"answered": 12})
