"""A Supabase project on this machine: a test database, real PostgREST, the gateway's stand-in and its keys."""

from __future__ import annotations

from pathlib import Path

from omnicrm.settings import Settings
from tests.support.gateway import Gateway, Keys
from tests.support.postgres import Database
from tests.support.postgrest import PostgrestServer


class SupabaseProject:
    """What ``SUPABASE_URL`` and ``SUPABASE_SECRET_KEY`` lead to."""

    def __init__(self, program: Path, database: Database) -> None:
        self.database = database
        self.keys = Keys()
        self.postgrest = PostgrestServer(program, database)
        self._gateway = Gateway(self.postgrest.url, self.keys)
        self.url = self._gateway.url

    def settings(self, key: str = "") -> Settings:
        """Return settings with a key, by default the new kind of secret key."""
        return Settings(supabase_url=self.url, supabase_secret_key=key or self.keys.secret)

    def close(self) -> None:
        """Stop both servers; the database stays."""
        self._gateway.close()
        self.postgrest.stop()
