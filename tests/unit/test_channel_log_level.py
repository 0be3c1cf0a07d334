"""LOG_LEVEL counts from ``.env`` too, and gives way to what was said on the command line."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from connectors.channel import _log_at


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger with one handler, left as it was."""
    logger = logging.getLogger()
    level, handlers = logger.level, [(handler, handler.level) for handler in logger.handlers]
    yield logger
    logger.setLevel(level)
    for handler, handler_level in handlers:
        handler.setLevel(handler_level)


def test_the_level_of_the_settings_is_taken(root: logging.Logger) -> None:
    root.setLevel(logging.INFO)
    _log_at("WARNING")
    assert root.level == logging.WARNING
    assert {handler.level for handler in root.handlers} <= {logging.WARNING}


def test_debug_on_the_command_line_wins(root: logging.Logger) -> None:
    root.setLevel(logging.DEBUG)
    _log_at("ERROR")
    assert root.level == logging.DEBUG
