"""What the database refuses is kept, and harms nothing that came with it, whichever way leads to the database."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from crm.port import Crm
from tests.support.backends import Backend
from tests.support.events import claim, conversation, echo, inbound
from turns.runtime import Runtime

# Nobody's message: no number of the database's is that long.
NOT_A_NUMBER = "omnicrm:99999999999999999999"


async def test_an_event_that_the_database_refuses_is_kept_and_its_siblings_are_taken(backend: Backend, crm: Crm) -> None:
    bot = Runtime(replace(backend.settings, burst_seconds=0), crm, [])
    delivery = [inbound("uno"), echo("¡Hola!", "odd", reference=NOT_A_NUMBER), inbound("dos")]
    assert [result["stored"] for result in await bot.receive(delivery)] == [True, True, True]
    assert [result["stored"] for result in await bot.receive(delivery)] == [False, False, False]

    held = await conversation(crm)
    assert [(m["author"], m["text"]) for m in held["messages"]] == [("customer", "uno"), ("customer", "dos")]
    assert held["owner"] == "bot"
    (work,) = await claim(crm)
    assert [m["text"] for m in work["inbound"]] == ["uno", "dos"]
    async with await psycopg.AsyncConnection.connect(backend.admin_dsn) as database:
        rows = await database.execute("select key, type, name, payload ->> 'raw' from omnicrm.platform_events")
        kept = await rows.fetchall()
    assert kept == [(f"refused:{delivery[1].key}", "unsupported", "the database refused it: 22003", repr(delivery[1].raw))]
