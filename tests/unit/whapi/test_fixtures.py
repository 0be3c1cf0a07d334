"""Every payload as Whapi sends them parses to the events that stand beside it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from connectors.message import AccountState, AnyEvent, event_to_json
from connectors.whapi.item import Ours
from connectors.whapi.parse import parse

FIXTURES = Path(__file__).parents[2] / "fixtures" / "whapi"
NOW = datetime(2025, 11, 22, 8, 30, tzinfo=timezone.utc)
SCENARIOS = {
    f"{file.stem}-{name}": scenario
    for file in sorted(FIXTURES.glob("*.json"))
    for name, scenario in json.loads(file.read_text(encoding="utf-8")).items()
}


def events(scenario: dict[str, Any], now: datetime = NOW) -> list[AnyEvent]:
    """The scenario's events; it may have its own settings, and bring the verb that its address told."""
    number, groups = scenario.get("number", "+525599990000"), scenario.get("groups", "off")
    ours = Ours(channel="MANTIS-M72HC", number=number, groups=groups)
    return parse(scenario["body"], ours, now, scenario.get("method", ""))


def readable(event: AnyEvent) -> dict[str, Any]:
    """An event as the fixtures write it: without what it does not say."""
    document = event_to_json(event)
    del document["raw"]
    said = {name: value for name, value in document.items() if value is not None and value not in ([], {})}
    return json.loads(json.dumps(said))  # type: ignore[no-any-return]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_payload_becomes_the_events_beside_it(scenario: dict[str, Any]) -> None:
    assert [readable(event) for event in events(scenario)] == scenario["events"]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_every_event_keeps_its_item_as_it_came(scenario: dict[str, Any]) -> None:
    # But for what no database takes: NUL, and half of a surrogate pair at the end of a text.
    whole = json.dumps(scenario["body"]).replace("\\u0000", "\\ufffd").replace('\\ud83d"', '\\ufffd"')
    for event in events(scenario):
        assert json.dumps(event.raw) in whole


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_later_delivery_of_the_same_has_the_same_keys(scenario: dict[str, Any]) -> None:
    first = [event for event in events(scenario) if not _is_bare_state(event)]
    later = [event for event in events(scenario, NOW + timedelta(days=400)) if not _is_bare_state(event)]
    assert [event.key for event in later] == [event.key for event in first]


def _is_bare_state(event: AnyEvent) -> bool:
    """A state that looks the same each time it comes about is told apart by its arrival."""
    return isinstance(event, AccountState) and "uptime" not in event.raw


def test_there_is_a_payload_for_every_kind_of_event() -> None:
    kinds = {event["type"] for scenario in SCENARIOS.values() for event in scenario["events"]}
    assert kinds == {"inbound", "echo", "receipt", "edit", "unsend", "fact", "accountstate", "unsupported"}


def test_the_same_message_of_a_put_is_the_same_message() -> None:
    first, again = SCENARIOS["texts-text"], SCENARIOS["texts-sent_again_after_a_reconnect"]
    assert [event.key for event in events(again)] == [event.key for event in events(first)]


def test_a_vote_is_one_event_in_all_the_forms_in_which_it_is_told() -> None:
    names = ("actions-vote", "polls-vote_with_its_action", "polls-vote_in_the_tally_of_an_update")
    assert len({event.key for name in names for event in events(SCENARIOS[name])}) == 1


def test_an_edit_is_one_event_as_action_and_as_update() -> None:
    [as_action], [as_update] = events(SCENARIOS["actions-edit"]), events(SCENARIOS["updates-edit_with_its_action"])
    assert (as_action.key, as_action) == (as_update.key, as_update)


def test_a_number_unlinked_twice_is_two_observations() -> None:
    scenario = SCENARIOS["account-number_unlinked"]
    [first], [second] = events(scenario), events(scenario, NOW + timedelta(microseconds=1))
    assert first.key != second.key
