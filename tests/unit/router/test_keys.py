"""API keys: shape, digest, and who gets in."""

from __future__ import annotations

import pytest

from connectors.message import Json
from router.keys import digest, matches, new_key, presented


def row(**fields: Json) -> Json:
    return {"hash": digest(new_key(bytes).text), "state": "good", **fields}


def test_a_key_names_its_id_and_the_rest_is_random() -> None:
    one, two = new_key(), new_key()
    assert one.text.startswith(f"ocrm_{one.id}_")
    assert one.id != two.id
    assert one.text.rpartition("_")[2] != two.text.rpartition("_")[2]
    assert len(one.text.rpartition("_")[2]) == 64


def test_a_key_does_not_show_itself_by_accident() -> None:
    made = new_key()
    assert made.text not in repr(made)
    assert made.text not in f"{made}"


def test_what_is_kept_is_a_digest() -> None:
    made = new_key()
    assert made.digest == digest(made.text)
    assert made.text not in made.digest


def test_a_bearer_is_read_whatever_the_case_of_its_scheme() -> None:
    made = new_key()
    for header in (f"Bearer {made.text}", f"bearer  {made.text}", f" BEARER {made.text} "):
        assert presented(header) == (made.id, made.text)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer ocrm_x_y", "Bearer eyJ.a.b",
               "Bearer ocrm_" + "a" * 90],
)  # fmt: skip
def test_what_is_no_key_of_ours_never_reaches_the_database(header: str | None) -> None:
    assert presented(header) is None


def test_the_right_key_gets_in_and_others_do_not() -> None:
    made = new_key(bytes)
    assert matches(made.text, row())
    assert not matches(new_key().text, row())
    assert not matches(made.text, None)


@pytest.mark.parametrize("state", ["revoked", "expired"])
def test_a_revoked_or_expired_key_stays_out(state: str) -> None:
    assert not matches(new_key(bytes).text, row(state=state))
