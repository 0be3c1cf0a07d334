"""Fixtures for all tests; what they do is written in tests/support."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.fixtures"]

# How long an example takes is the machine's affair, and the same examples each time: what is found is found by everybody.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

_HERE = Path(__file__).parent
# They share the one real bot, which takes half a minute and half a gigabyte to have.
_TOGETHER = ("e2e",)
# So do all tests of the faults that need a real one.
_SHARED = "real"
# What takes longest goes first, so that no worker begins it when the others are done.
_FIRST = ("e2e", "router", "faults", "contract")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let workers (``pytest -n``) take whole files, so that what a module or a folder shares is made once."""
    items.sort(key=lambda item: _rank(item.path))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    folder = item.path.relative_to(_HERE).parts[0]
    if folder in _TOGETHER:
        return folder
    return _SHARED if _SHARED in getattr(item, "fixturenames", ()) else str(item.path)


def _rank(path: Path) -> int:
    folder = path.relative_to(_HERE).parts[0]
    return _FIRST.index(folder) if folder in _FIRST else len(_FIRST)
