from __future__ import annotations

import re
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[3]


def test_every_response_that_actions_say_is_in_the_domain() -> None:
    """A missing one would be silence: Rasa skips what it cannot find."""
    named = {
        name for file in (PROJECT / "actions").glob("*.py") for name in re.findall(r'"(utter_\w+)"', file.read_text("utf-8"))
    }
    responses = yaml.safe_load((PROJECT / "domain.yml").read_text("utf-8"))["responses"]
    assert len(named) > 5
    assert named <= set(responses)
