"""Rasa copies what it decides on deeply to tell it at DEBUG, also where nobody listens: a tenth of a turn's time."""

from __future__ import annotations

import logging
from types import ModuleType, SimpleNamespace


def copy_nothing_for_debug() -> None:
    """Let the modules that copy for their debug lines alone pass on what they have; nothing changes where DEBUG is told."""
    if logging.getLogger("rasa").isEnabledFor(logging.DEBUG):
        return
    for module in modules():
        vars(module)["copy"] = SimpleNamespace(deepcopy=lambda value: value)


def modules() -> tuple[ModuleType, ...]:
    """Where every use of the module ``copy`` stands in a debug line."""
    # Half of Rasa stands behind them: only where a model is loaded.
    from rasa.core import processor
    from rasa.core.policies import memoization, rule_policy

    return processor, memoization, rule_policy
