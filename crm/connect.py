"""Open the CRM that the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from crm.connections import read_dsn
from crm.port import Crm, CrmMisconfigured
from crm.postgres import PostgresCrm
from omnicrm.settings import Settings


async def open_crm(settings: Settings, *, progress: Callable[[str], None] = lambda line: None) -> Crm:
    """Open DATABASE_URL, else Supabase, else the embedded PostgreSQL, which is started and migrated here.

    The first two are not contacted yet, so that a process may start while its database is away. Raises ``CrmMisconfigured``
    for settings that cannot work, and ``CrmUnavailable`` when the embedded server does not start.
    """
    if settings.database_url:
        return PostgresCrm(read_dsn(settings.database_url))
    if settings.supabase_url or settings.supabase_secret_key:
        if not settings.supabase_url:
            raise CrmMisconfigured("SUPABASE_SECRET_KEY is set but SUPABASE_URL is not")
        if not settings.supabase_secret_key:
            raise CrmMisconfigured("SUPABASE_URL is set but SUPABASE_SECRET_KEY is not")
        from crm.supabase import open_supabase

        return await open_supabase(settings.supabase_url, settings.supabase_secret_key)
    return await _open_embedded(settings.data_dir, progress)


async def _open_embedded(data_dir: Path, progress: Callable[[str], None]) -> Crm:
    from crm.embedded import EmbeddedServer
    from omnicrm.migrate import migrate

    server = await asyncio.to_thread(EmbeddedServer, data_dir)
    try:
        await asyncio.to_thread(migrate, server.dsn, progress=progress)
    except BaseException:
        await asyncio.to_thread(server.close)
        raise
    return PostgresCrm(read_dsn(server.dsn), on_close=server.close)
