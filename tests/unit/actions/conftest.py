"""What an action gets: a tracker, a dispatcher, the project's domain; and a CRM in memory behind the port."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher
from ruamel.yaml import YAML

from ara.answer import Ara
from ara.knowledge import Knowledge, load
from crm.port import CrmUnavailable

DOMAIN: dict[str, Any] = YAML(typ="safe", pure=True).load(Path("domain.yml").read_text(encoding="utf-8"))
KNOWLEDGE = load()


@dataclass
class MemoryCrm:
    """The functions that actions call, over a dictionary of clients."""

    clients: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    finds: tuple[str, ...] = ()
    down: bool = False
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def call(self, function: str, /, **arguments: Any) -> Any:
        self.calls.append((function, arguments))
        if self.down:
            raise CrmUnavailable("down")
        if function == "omnicrm_open_conversation":
            address = (arguments["p_channel"], arguments["p_account"], arguments["p_user"])
            known = self.clients.get(address)
            client = known or {"id": 1, "name": ""}
            return {"client": client, "conversation": 1, "new_client": known is None, "opted_out": False, "owner": "bot"}
        assert function == "omnicrm_search_knowledge"
        documents = [d for d in map(KNOWLEDGE.document, self.finds) if d is not None]
        return [{"id": d.id, "title": d.title, "text": d.text, "source": d.source, "rank": 1.0} for d in documents]


@dataclass
class TestServices:
    """Services over the memory and the sample knowledge."""

    __test__ = False

    memory: MemoryCrm = field(default_factory=MemoryCrm)
    known: Knowledge | Exception = KNOWLEDGE
    opens: str | None = None

    def knowledge(self) -> Knowledge:
        if isinstance(self.known, Exception):
            raise self.known
        return self.known

    async def crm(self) -> MemoryCrm:
        if self.memory.down:
            raise CrmUnavailable("down")
        return self.memory

    def opening(self) -> str | None:
        return self.opens

    def ara(self) -> Ara:
        return Ara(crm=self.crm, knowledge=self.knowledge)


@dataclass
class Outcome:
    """What an action did, in a form that reads well in an assertion."""

    events: list[dict[str, Any]]
    messages: list[dict[str, Any]]

    @property
    def said(self) -> list[str]:
        """Names of responses, and texts where there is no name."""
        return [m["response"] or m["text"] for m in self.messages if not m["custom"]]

    @property
    def effects(self) -> list[dict[str, Any]]:
        return [m["custom"] for m in self.messages if m["custom"]]

    @property
    def slots(self) -> dict[str, Any]:
        return {e["name"]: e["value"] for e in self.events if e["event"] == "slot"}


def make_tracker(
    text: str = "", intent: str = "", *, sender: str = "ig:17841:99", form: bool = False, events=(), entities=None, **slots
):
    found = [
        {"entity": name, "value": value}
        for name, values in (entities or {}).items()
        for value in (values if isinstance(values, list) else [values])
    ]
    message = {"text": text, "intent": {"name": intent}, "entities": found}
    loop = {"name": "pedido_form"} if form else {}
    return Tracker(sender, dict(slots), message, list(events), False, None, loop, "action_listen")


async def run(action, tracker: Tracker, domain: dict[str, Any] = DOMAIN) -> Outcome:
    dispatcher = CollectingDispatcher()
    events = await action.run(dispatcher, tracker, domain)
    return Outcome(events, dispatcher.messages)


@pytest.fixture
def services() -> TestServices:
    return TestServices()
