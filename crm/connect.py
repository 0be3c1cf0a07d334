"""Open the CRM that the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from crm.connections import read_dsn
from crm.port import Crm, CrmMisconfigured
from crm.postgres import PostgresCrm
from omnicrm.settings import Settings


def check_settings(settings: Settings) -> None:
    """See that the settings can lead to a database, without looking for it. Raises ``CrmMisconfigured``."""
    if settings.database_url:
        read_dsn(settings.database_url)
    elif settings.supabase_url or settings.supabase_secret_key:
        if not settings.supabase_url:
            raise CrmMisconfigured("SUPABASE_SECRET_KEY is set but SUPABASE_URL is not: set both, or DATABASE_URL")
        if not settings.supabase_secret_key:
            raise CrmMisconfigured("SUPABASE_URL is set but SUPABASE_SECRET_KEY is not: set both, or DATABASE_URL")
        from crm.supabase import check_key

        check_key(settings.supabase_secret_key)
    else:
        from crm.embedded import prepare

        prepare(settings.data_dir)


async def open_crm(settings: Settings, *, progress: Callable[[str], None] = lambda line: None) -> Crm:
    """Open DATABASE_URL, else Supabase, else the embedded PostgreSQL, which is started and migrated here.

    The first two are not contacted yet, so that a process may start while its database is away. Raises ``CrmMisconfigured``
    for settings that cannot work; of the embedded server, ``CrmUnavailable`` and ``MigrationError``.
    """
    check_settings(settings)
    if settings.database_url:
        return PostgresCrm(read_dsn(settings.database_url))
    if settings.supabase_url:
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
