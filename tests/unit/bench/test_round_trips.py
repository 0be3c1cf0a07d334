from __future__ import annotations

from bench.database import Counts, round_trips

BEFORE = Counts(calls={"omnicrm_claim": 500, "omnicrm_answer": 1, "omnicrm_next_send": 1}, leases=1, settled=1)
# Ten turns with a reply each.
TEN = {"omnicrm_answer": 11, "omnicrm_next_send": 11}


def test_a_turn_is_a_claim_and_an_answer() -> None:
    # Claims that found nothing, webhooks, and the sends' outcomes are not part of it.
    calls = {**TEN, "omnicrm_claim": 900, "omnicrm_receive": 10}
    assert round_trips(BEFORE, Counts(calls=calls, leases=11, settled=11), 10) == 2.0


def test_what_actions_ask_of_the_database_counts() -> None:
    calls = {**BEFORE.calls, **TEN, "omnicrm_search_knowledge": 10}
    assert round_trips(BEFORE, Counts(calls=calls, leases=11, settled=11), 10) == 3.0


def test_a_second_reply_of_a_turn_adds_nothing() -> None:
    calls = {**BEFORE.calls, **TEN, "omnicrm_next_send": 21}
    assert round_trips(BEFORE, Counts(calls=calls, leases=11, settled=21), 10) == 2.0


def test_a_send_that_the_answer_did_not_begin_counts() -> None:
    calls = {**BEFORE.calls, **TEN, "omnicrm_next_send": 21}
    assert round_trips(BEFORE, Counts(calls=calls, leases=11, settled=11), 10) == 3.0
