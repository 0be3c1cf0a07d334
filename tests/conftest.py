"""Fixtures for all tests; what they do is written in tests/support."""

from __future__ import annotations

pytest_plugins = ["tests.support.fixtures"]
