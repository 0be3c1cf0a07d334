"""Every mail of the corpus reads as it stands beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connectors.email.parse import MAX_CUSTOMERS
from connectors.email.quotes import clean
from connectors.message import AnyEvent, event_to_json
from tests.unit.email.samples import NOW, inbound, read

FIXTURES = Path(__file__).parents[2] / "fixtures" / "email"
MAILS = sorted((FIXTURES / "mails").glob("*.eml"))
REPLIES = sorted((FIXTURES / "replies").glob("*.eml"))


def expected(file: Path) -> dict[str, Any]:
    return json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def readable(event: AnyEvent) -> dict[str, Any]:
    """An event as the fixtures write it: without what it does not say."""
    document = event_to_json(event)
    del document["raw"]
    said = {name: value for name, value in document.items() if value is not None and value not in ([], {})}
    return json.loads(json.dumps(said))  # type: ignore[no-any-return]


@pytest.mark.parametrize("file", MAILS, ids=lambda file: file.stem)
def test_mail_becomes_the_events_beside_it(file: Path) -> None:
    beside = expected(file)
    assert [readable(event) for event in read(file.read_bytes(), **beside["envelope"])] == beside["events"]


@pytest.mark.parametrize("file", MAILS, ids=lambda file: file.stem)
def test_a_later_delivery_of_the_same_has_the_same_keys(file: Path) -> None:
    raw, envelope = file.read_bytes(), expected(file)["envelope"]
    again = read(raw, now=NOW.replace(year=2027), **{**envelope, "received_at": NOW})
    assert [event.key for event in again] == [event.key for event in read(raw, **envelope)]


@pytest.mark.parametrize("file", MAILS, ids=lambda file: file.stem)
def test_an_event_keeps_a_bounded_part_of_the_mail(file: Path) -> None:
    for event in read(file.read_bytes(), **expected(file)["envelope"]):
        assert event.raw["size"] == file.stat().st_size
        assert len(json.dumps(event.raw)) < 20_000


@pytest.mark.parametrize("file", REPLIES, ids=lambda file: file.stem)
def test_new_text_is_what_the_person_wrote(file: Path) -> None:
    assert inbound(file.read_bytes()).text == expected(file)["text"]


@pytest.mark.parametrize("file", REPLIES, ids=lambda file: file.stem)
def test_windows_line_ends_change_nothing(file: Path) -> None:
    raw = file.read_bytes().replace(b"\n", b"\r\n")
    assert inbound(raw).text == expected(file)["text"]


def test_the_corpus_holds_what_it_should() -> None:
    clients = {file.stem.split("-")[0] for file in REPLIES}
    assert len(REPLIES) >= 60
    assert clients >= {
        "gmail", "outlook_web", "outlook_desktop", "outlook_ios", "apple_mail", "iphone", "yahoo", "samsung", "thunderbird",
    }  # fmt: skip
    assert {file.stem.split("-")[1] for file in REPLIES} >= {"es", "en"}
    kinds = {event["type"] for file in MAILS for event in expected(file)["events"]}
    assert kinds == {"inbound", "echo", "receipt", "fact", "unsupported"}
    assert all(len(expected(file)["events"]) <= MAX_CUSTOMERS for file in MAILS)
    # A fixture whose expectation is empty would show nothing.
    assert all(clean(expected(file)["text"]) for file in REPLIES)


def test_the_document_names_tests_and_mails_that_exist() -> None:
    root = Path(__file__).parents[3]
    document = (root / "docs" / "email.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests/)?[\w/]*test_\w+\.py)::(\w+)`", document)
    assert len(named) > 50
    for file, test in named:
        path = root / file if file.startswith("tests/") else Path(__file__).parent / file
        assert f"def {test}(" in path.read_text(encoding="utf-8"), f"{file}::{test}"
    for fixture in re.findall(r"`((?:mails|replies)/[^`…]+)`", document):
        assert (FIXTURES / f"{fixture}.eml").exists(), fixture
