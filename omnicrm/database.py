"""``omnicrm migrate``: bring the database that the settings name up to date."""

from __future__ import annotations

from collections.abc import Callable

from crm.port import CrmMisconfigured
from omnicrm.migrate import migrate
from omnicrm.settings import Settings


def bring_up_to_date(settings: Settings, progress: Callable[[str], None]) -> str:
    """Apply what is missing and return what was done, in words.

    Raises ``CrmMisconfigured``, ``CrmUnavailable`` or ``MigrationError``.
    """
    if settings.database_url:
        return _told(migrate(settings.database_url, progress=progress))
    if settings.supabase_url:
        raise CrmMisconfigured(
            "Migrations need a PostgreSQL connection: set DATABASE_URL (Supabase: Connect > Session pooler), run "
            "`supabase db push`, or paste supabase/migrations/*.sql in order into the SQL editor."
        )
    from crm.embedded import EmbeddedServer

    server = EmbeddedServer(settings.data_dir)
    try:
        return _told(migrate(server.dsn, progress=progress))
    finally:
        server.close()


def _told(applied: list[str]) -> str:
    return f"{len(applied)} migrations applied" if applied else "nothing to do: the database is up to date"
