"""What plain ``rasa test`` takes for test stories: every ``test_*.yml`` below the folder it runs in, the hidden ones too."""

from __future__ import annotations

from pathlib import Path

import pytest
from rasa.shared.constants import DEFAULT_E2E_TESTS_PATH
from rasa.shared.core.training_data.story_reader.yaml_story_reader import YAMLStoryReader
from rasa.shared.data import get_data_files


# Rasa brings some of its own into .venv, which scripts/bootstrap.sh takes out.
def test_plain_rasa_test_takes_our_stories_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    found = get_data_files([DEFAULT_E2E_TESTS_PATH], YAMLStoryReader.is_test_stories_file)
    assert found == ["./tests/test_stories.yml"]
