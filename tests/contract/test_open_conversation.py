"""The dialogue learns who writes, and whether they are new."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

import pytest

from crm.connect import open_crm
from crm.port import Crm, CrmRejected
from omnicrm.settings import Settings
from tests.support.postgres import Database


@pytest.fixture
async def crm(settings: Settings) -> AsyncIterator[Crm]:
    """The port over a database of this test's own."""
    opened = await open_crm(settings)
    yield opened
    await opened.close()


async def _open(crm: Crm, channel: str, account: str, user: str) -> Any:
    return await crm.call("omnicrm_open_conversation", p_channel=channel, p_account=account, p_user=user)


def _message(number: int) -> dict[str, Any]:
    return {
        "key": f"IG:1:m{number}", "type": "inbound", "timestamp": datetime.now(timezone.utc).isoformat(), "kind": "text",
        "text": "hola", "platform_id": f"m{number}",
        "address": {"channel": "IG", "account": "1", "user": "2", "key": "ig:1:2"},
    }


async def test_a_customer_is_new_during_their_first_turn_only(crm: Crm, database: Database) -> None:
    await crm.call("omnicrm_receive", p_events=[_message(1)])
    first = await _open(crm, "IG", "1", "2")
    assert (first["new_client"], first["owner"], first["opted_out"]) == (True, "bot", False)
    database.run("update omnicrm.messages set status = 'handled'")
    await crm.call("omnicrm_receive", p_events=[_message(2)])
    second = await _open(crm, "IG", "1", "2")
    assert second == {**first, "new_client": False}


async def test_a_client_of_the_shop_who_writes_for_the_first_time_is_not_new(crm: Crm, database: Database) -> None:
    database.run("insert into public.clients (name, phone, instagram_id) values ('Ana', '+5215512345678', '2')")
    await crm.call("omnicrm_receive", p_events=[_message(1)])
    opened = await _open(crm, "IG", "1", "2")
    assert (opened["new_client"], opened["client"]["name"], opened["client"]["phone"]) == (False, "Ana", "+5215512345678")


async def test_a_designer_in_the_shell_is_new_once(crm: Crm) -> None:
    assert (await _open(crm, "SHELL", "shell", "default"))["new_client"] is True
    assert (await _open(crm, "SHELL", "shell", "default"))["new_client"] is False


async def test_an_address_without_a_user_is_rejected(crm: Crm) -> None:
    with pytest.raises(CrmRejected):
        await _open(crm, "IG", "1", "")


async def test_knowledge_is_found_in_spanish(crm: Crm) -> None:
    documents = [
        {"id": "envios", "title": "Envíos", "text": "Enviamos a toda la República.", "source": "envios.md", "tags": ["envío"]},
        {"id": "arnica", "title": "Árnica", "text": "Extracto de árnica en gotero.", "source": "productos.md", "tags": []},
    ]
    assert await crm.call("omnicrm_replace_knowledge", p_documents=documents, p_digest="1") == {"changed": True, "count": 2}
    assert await crm.call("omnicrm_replace_knowledge", p_documents=documents, p_digest="1") == {"changed": False, "count": 2}
    found = await crm.call("omnicrm_search_knowledge", p_query="¿hacen envios?", p_limit=3)
    assert [(d["id"], d["title"], d["source"]) for d in found] == [("envios", "Envíos", "envios.md")]
    assert [d["id"] for d in await crm.call("omnicrm_search_knowledge", p_query="arnica ' | & ! ( \\ :*")] == ["arnica"]
    assert await crm.call("omnicrm_search_knowledge", p_query="¿?") == []
