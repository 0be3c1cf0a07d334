"""Every captured-like payload parses to the events that stand beside it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from connectors.message import AnyEvent, event_to_json
from connectors.meta.item import Ours
from connectors.meta.parse import parse

FIXTURES = Path(__file__).parents[2] / "fixtures" / "meta"
OURS = Ours(instagram="17841470026191358", page="104098558513421", app="123456789")
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
SCENARIOS = {
    f"{file.stem}-{name}": scenario
    for file in sorted(FIXTURES.glob("*.json"))
    for name, scenario in json.loads(file.read_text(encoding="utf-8")).items()
}


def readable(event: AnyEvent) -> dict[str, Any]:
    """An event as the fixtures write it: without what it does not say."""
    document = event_to_json(event)
    del document["raw"]
    said = {name: value for name, value in document.items() if value is not None and value not in ([], {})}
    return json.loads(json.dumps(said))  # type: ignore[no-any-return]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_payload_becomes_the_events_beside_it(scenario: dict[str, Any]) -> None:
    assert [readable(event) for event in parse(scenario["body"], OURS, NOW)] == scenario["events"]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_every_event_keeps_its_item_as_it_came(scenario: dict[str, Any]) -> None:
    whole = json.dumps(scenario["body"]).replace("\\u0000", "\\ufffd").replace("\\ud83d", "\\ufffd")
    for event in parse(scenario["body"], OURS, NOW):
        assert json.dumps(event.raw) in whole


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_later_delivery_of_the_same_has_the_same_keys(scenario: dict[str, Any]) -> None:
    later = NOW.replace(year=2027)
    first = [event.key for event in parse(scenario["body"], OURS, NOW)]
    assert [event.key for event in parse(json.loads(json.dumps(scenario["body"])), OURS, later)] == first


def test_there_is_a_payload_for_every_kind_of_event() -> None:
    kinds = {event["type"] for scenario in SCENARIOS.values() for event in scenario["events"]}
    assert kinds == {"inbound", "echo", "receipt", "edit", "unsend", "control", "fact", "accountwarning", "unsupported"}
