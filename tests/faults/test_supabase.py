"""The bot over Supabase's HTTPS alone: no socket to the database, no wake-up, only the secret key."""

from __future__ import annotations

from simulator.client import SimulatorClient
from tests.support.load import Load, recount
from tests.support.postgres import Database
from tests.support.stack import Nursery, bot_environment
from tests.support.supabase import SupabaseProject


async def test_a_bot_with_nothing_but_supabases_secret_key_answers_everybody_once(
    supabase_project: SupabaseProject,
    database: Database,
    simulator: SimulatorClient,
    simulator_and_port: tuple[str, int],
    nursery: Nursery,
) -> None:
    address, port = simulator_and_port
    key = supabase_project.keys.secret
    own = {"SUPABASE_URL": supabase_project.url, "SUPABASE_SECRET_KEY": key, "POLL_SECONDS": "0.2"}
    bot = nursery.bot(port, bot_environment("", address, **own))
    try:
        await bot.ready()
        load = Load(simulator, customers=4, messages=3)
        await load.start()
        counted = await recount(load, database.url)
        assert counted["answered"] == 12
    finally:
        bot.kill()
