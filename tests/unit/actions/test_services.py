"""Services open the CRM once, survive its absence, and keep the stored knowledge in step with the files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk.executor import ActionExecutor

from actions import services as services_module
from actions.services import SharedServices
from crm.port import CrmUnavailable
from omnicrm.settings import Settings

TILA = "productos:\n  - nombre: Tila\n    precio: {price}\n"


class Stored:
    """A CRM that remembers the knowledge it was given."""

    def __init__(self) -> None:
        self.digests: list[str] = []
        self.down = False

    async def call(self, function: str, /, **arguments: Any) -> Any:
        if self.down:
            raise CrmUnavailable("down")
        self.digests.append(arguments["p_digest"])
        return {"changed": True, "count": 1}


def make(folder: Path, *outcomes: Any) -> tuple[SharedServices, list[Any]]:
    """Services whose openings of the CRM come to these outcomes, one after the other."""
    left = list(outcomes)

    async def open_port(settings: Settings) -> Any:
        outcome = left.pop(0)
        if isinstance(outcome, asyncio.Event):
            await outcome.wait()
            outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return SharedServices(settings=Settings, open_port=open_port, folder=folder), left


def write(folder: Path, price: int) -> None:
    (folder / "productos.yml").write_text(TILA.format(price=price), encoding="utf-8")


async def test_the_crm_is_opened_once_and_gets_the_knowledge_once(tmp_path: Path):
    write(tmp_path, 100)
    store = Stored()
    services, left = make(tmp_path, store)
    assert await asyncio.gather(services.crm(), services.crm()) == [store, store]
    await services.crm()
    assert left == []
    assert set(store.digests) == {services.knowledge().digest}
    write(tmp_path, 1000)
    await services.crm()
    assert store.digests[-1] == services.knowledge().digest
    assert len(set(store.digests)) == 2


async def test_a_crm_that_did_not_open_is_tried_again(tmp_path: Path):
    write(tmp_path, 100)
    store = Stored()
    services, _ = make(tmp_path, CrmUnavailable("not yet"), store)
    with pytest.raises(CrmUnavailable):
        await services.crm()
    assert await services.crm() is store


async def test_a_slow_opening_goes_on_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path, 100)
    monkeypatch.setattr(services_module, "OPEN_SECONDS", 0.01)
    gate, store = asyncio.Event(), Stored()
    services, left = make(tmp_path, gate, store)
    with pytest.raises(CrmUnavailable):
        await services.crm()
    gate.set()
    assert await services.crm() is store
    assert left == []


async def test_knowledge_that_cannot_be_stored_does_not_stop_the_search(tmp_path: Path):
    write(tmp_path, 100)
    store = Stored()
    store.down = True
    services, _ = make(tmp_path, store)
    assert await services.crm() is store
    store.down = False
    await services.crm()
    assert store.digests == [services.knowledge().digest]


async def test_broken_files_are_logged_and_never_stored(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    store = Stored()
    services, _ = make(tmp_path, store)
    (tmp_path / "x.yml").write_text("hola", encoding="utf-8")
    await services.crm()
    services.knowledge()
    assert store.digests == []
    assert caplog.text.count("knowledge cannot be read") == 1


async def test_a_model_is_used_only_with_a_key(tmp_path: Path):
    write(tmp_path, 100)
    without, _ = make(tmp_path)
    assert without.ara()._model is None
    keyed = SharedServices(settings=lambda: Settings(ara_api_key="sk-x", ara_model="m"), folder=tmp_path)
    assert repr(keyed.ara()._model) == "HttpModel('https://api.openai.com/v1/chat/completions', 'm')"
    assert keyed.ara() is keyed.ara()


def test_the_action_server_finds_every_action_of_the_domain():
    from tests.unit.actions.conftest import DOMAIN

    executor = ActionExecutor()
    executor.register_package("actions")
    assert {name if isinstance(name, str) else next(iter(name)) for name in DOMAIN["actions"]} <= set(executor.actions)
