"""The trained model, loaded once, without any server."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.stack import PROJECT

if TYPE_CHECKING:
    from rasa.core.agent import Agent


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The model that belongs to the files as they are; trained by ``make test`` before."""
    from omnicrm.model import ensure

    return ensure(PROJECT, PROJECT / ".data" / "logs" / "train.log", lambda line: None)


@pytest.fixture(scope="session")
def agent(model_file: Path) -> Agent:
    """Rasa's agent with that model."""
    # Rasa and what it stands on are frozen: their warnings about newer libraries are no news.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rasa.core.agent import Agent

        return Agent.load(str(model_file))


@pytest.fixture(autouse=True)
def agent_left_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """A dialogue exchanges parts of the agent that it is made of; the next test gets Rasa's own back."""
    if "agent" not in request.fixturenames:
        yield
        return
    from rasa.core.policies.rule_policy import RulePolicy

    from turns.graph_runner import InlineGraphRunner

    processor = request.getfixturevalue("agent").processor
    runner = processor.graph_runner
    yield
    processor.graph_runner = runner
    for policy in InlineGraphRunner.from_runner(runner).components(RulePolicy):
        vars(policy).pop("_get_possible_keys", None)
