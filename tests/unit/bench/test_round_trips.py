from __future__ import annotations

from bench.database import Counts, round_trips

BEFORE = Counts(calls={"omnicrm_claim": 500, "omnicrm_commit_turn": 1, "omnicrm_next_send": 2}, leases=1, settled=1)


def test_a_turn_is_a_claim_a_commit_and_the_first_send() -> None:
    # Ten turns: claims that found nothing, webhooks, and the sends' outcomes are not part of them.
    calls = {"omnicrm_claim": 900, "omnicrm_commit_turn": 11, "omnicrm_next_send": 22, "omnicrm_receive": 10}
    assert round_trips(BEFORE, Counts(calls=calls, leases=11, settled=11), 10) == 3.0


def test_what_actions_ask_of_the_database_counts() -> None:
    calls = {**BEFORE.calls, "omnicrm_commit_turn": 11, "omnicrm_next_send": 22, "omnicrm_search_knowledge": 10}
    assert round_trips(BEFORE, Counts(calls=calls, leases=11, settled=11), 10) == 4.0


def test_a_second_reply_of_a_turn_adds_nothing() -> None:
    calls = {**BEFORE.calls, "omnicrm_commit_turn": 11, "omnicrm_next_send": 32}
    assert round_trips(BEFORE, Counts(calls=calls, leases=11, settled=21), 10) == 3.0
