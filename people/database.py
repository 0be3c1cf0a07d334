"""The connection that an import works over: one transaction of minutes, not the bot's calls of seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg

from crm.connections import connect_error, read_dsn
from crm.port import CrmError, CrmMisconfigured, CrmRejected
from crm.wire import error_for
from omnicrm.settings import Settings

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

_CONNECTION: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": None,
    "connect_timeout": 5,
    "application_name": "omnicrm import",
}
# Of one statement among those that the import is made of.
STATEMENT_TIMEOUT = "10min"
LOCK_TIMEOUT = "5s"
# Sorting a hundred thousand rows on disk would double the time.
WORK_MEMORY = "64MB"
NEEDS_DATABASE_URL = (
    "La importación escribe todo en una sola transacción y la API de Supabase no las tiene: pon DATABASE_URL "
    "(Supabase: Connect > Session pooler) y vuelve a intentar."
)
_OLD_SCHEMA = frozenset({"42883", "42P01", "3F000"})


@contextmanager
def connection(settings: Settings) -> Iterator[Connection]:
    """Connect to DATABASE_URL, else to the embedded database, which is started and migrated. Raises ``CrmError``."""
    if settings.database_url:
        with _connected(read_dsn(settings.database_url).conninfo) as connected:
            yield connected
        return
    if settings.supabase_url or settings.supabase_secret_key:
        raise CrmMisconfigured(NEEDS_DATABASE_URL)
    from crm.embedded import EmbeddedServer
    from omnicrm.migrate import migrate

    server = EmbeddedServer(settings.data_dir)
    try:
        migrate(server.dsn)
        with _connected(server.dsn) as connected:
            yield connected
    finally:
        server.close()


@contextmanager
def _connected(dsn: str) -> Iterator[Connection]:
    try:
        opened = psycopg.connect(dsn, **_CONNECTION)
    except psycopg.Error as error:
        raise connect_error(error) from error
    with opened:
        try:
            yield opened
        except psycopg.Error as error:
            raise told(error) from error


def told(error: psycopg.Error) -> CrmError:
    """What a failed statement means for the person who runs the import."""
    if error.sqlstate in _OLD_SCHEMA:
        return CrmMisconfigured("La base no está al día: corre `omnicrm migrate` y vuelve a intentar.")
    text = error.diag.message_primary or " ".join(str(error).split())
    if error.sqlstate == "OC409" and "another import" in text:
        return CrmRejected("OC409", "Otra importación está corriendo en este momento: espera a que termine")
    return error_for(error.sqlstate or "08000", text)


def set_limits(connected: Connection) -> None:
    """Give the transaction its own limits; a table that others hold is not waited for long: everybody would queue behind us."""
    connected.execute(
        "select set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true), "
        "set_config('idle_in_transaction_session_timeout', '0', true), set_config('work_mem', %s, true)",
        (STATEMENT_TIMEOUT, LOCK_TIMEOUT, WORK_MEMORY),
    )
