"""The documents say what the program does; what is missing in them fails here."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields

import pytest

from omnicrm.cli import PROJECT, app
from omnicrm.env_example import example_file, with_table
from omnicrm.settings import Settings

README = (PROJECT / "README.md").read_text(encoding="utf-8")
OPERATION = (PROJECT / "docs" / "operacion.md").read_text(encoding="utf-8")
SETTINGS = [spec.name.upper() for spec in fields(Settings)]
COMMANDS = [str(command.name or command.callback.__name__) for command in app.registered_commands if command.callback]


def test_the_example_of_env_is_made_from_the_settings() -> None:
    assert (PROJECT / ".env.example").read_text(encoding="utf-8") == example_file(), "run: python -m omnicrm.env_example"


def test_the_readmes_table_is_made_from_the_settings() -> None:
    assert with_table(README) == README, "run: python -m omnicrm.env_example"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_in_both(name: str) -> None:
    assert f"`{name}`" in README
    assert re.search(rf"^#? ?{name}=", example_file(), re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"`omnicrm {name}`" in README


def test_every_command_of_a_platform_is_in_the_readme() -> None:
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__
            assert f"`omnicrm {group.typer_instance.info.name} {name}`" in README


@pytest.mark.parametrize("document", [README, OPERATION], ids=["README", "operacion"])
def test_what_the_documents_name_exists(document: str) -> None:
    named = set(re.findall(r"`omnicrm ([a-z]+)`|bin/omnicrm ([a-z]+)", document))
    assert {a or b for a, b in named} <= set(COMMANDS)
    written_in_capitals = set(re.findall(r"\b((?:META|ARA|SUPABASE|DATABASE|TAKEOVER|REPLY|BURST)_[A-Z_]+)\b", document))
    assert {name for name in written_in_capitals if not name.endswith("_")} <= set(SETTINGS)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document):
        assert (PROJECT / target).exists() or (PROJECT / "docs" / target).exists(), target


def test_both_commands_are_shown_and_every_target_is_in_the_help() -> None:
    assert "make run" in README
    assert "make test" in README
    shown = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z]+):.*##", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert all(f"make {target} " in shown for target in targets)
