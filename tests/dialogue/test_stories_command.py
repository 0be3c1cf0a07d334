"""The stories' step of ``make test`` reads their texts: one that is not understood as written fails it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.stack import PROJECT

STORY = """
version: "3.1"
stories:
- story: El bot contesta bien, pero por otra intención
  steps:
  - user: |
      tienen precio de mayoreo?
    intent: preguntar_envio
  - action: action_conocimiento
"""


def options(file: str) -> list[str]:
    """What follows ``rasa`` where this file runs the stories."""
    (command,) = re.findall(r'rasa"? (test .*)', (PROJECT / file).read_text(encoding="utf-8"))
    return shlex.split(command)


def test_a_wrong_intent_fails_the_stories(model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "test_stories.yml").write_text(STORY, encoding="utf-8")
    given = options("scripts/check.sh")
    for name, value in (("--stories", tmp_path), ("--out", tmp_path / "results")):
        given[given.index(name) + 1] = str(value)
    command = [sys.executable, "-m", "rasa", *given, "--model", str(model_file)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "preguntar_envio  # predicted: preguntar_mayoreo" in done.stdout + done.stderr


def test_make_stories_does_the_same() -> None:
    assert options("Makefile") == options("scripts/check.sh")
