"""How ``make run`` ends where nobody watches."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from omnicrm.conversation import Conversation, Expected, Step
from omnicrm.demo import verdict
from omnicrm.player import Played

HELLO = Expected(kind="utter", value="utter_saludar")
ALONE = Conversation(title="", steps=(Step(action="customer", value="hola", expected=(HELLO, HELLO)),))
ACROSS = Conversation(title="", steps=(Step(action="customer", value="hola", expected=(HELLO,), via="whatsapp"),))
WELL = {"instagram": Played(), "whatsapp": Played()}


def ends(alone: dict[str, Played], across: dict[str, Played]) -> tuple[int, str]:
    """The status, and what is shown before it."""
    shown = io.StringIO()
    status = verdict(Console(file=shown, width=200), [(ALONE, alone), (ACROSS, across)])
    return status, shown.getvalue()


def test_everything_as_written_ends_well_and_counts_the_replies() -> None:
    status, shown = ends(WELL, WELL)
    assert status == 0
    # Two on each channel, and one of the person who is on both.
    assert "All 5 replies came as written" in shown


@pytest.mark.parametrize("problem", [
    "step 1 (hola): missing reply: utter_saludar", "step 1 (hola): extra reply: «[b]¿Sigues ahí?[/b]»",
    "crm owner: expected human, holds bot",
])  # fmt: skip
@pytest.mark.parametrize("across", [False, True])
def test_one_problem_anywhere_ends_badly_and_is_told_with_its_channel(problem: str, across: bool) -> None:
    wrong = {**WELL, "whatsapp": Played(problems=(problem,))}
    status, shown = ends(WELL, wrong) if across else ends(wrong, WELL)
    assert status == 1
    assert f"whatsapp: {problem}\n" in shown
    assert "as written, on all channels" not in shown
