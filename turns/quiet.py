"""What Rasa and Python do beside a turn and nobody needs, left out."""

from __future__ import annotations

import gc
import logging
from types import ModuleType, SimpleNamespace


def copy_nothing_for_debug() -> None:
    """Let the modules that copy deeply for their debug lines alone pass on what they have.

    Nothing changes where DEBUG is told.
    """
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


def collect_rarely() -> None:
    """Call once everything is loaded: the collector passes over what is there, and looks at the rest less often.

    A turn makes many objects, and hardly one in a circle. At Python's own threshold of 700 the collector runs often, and calls
    each time what libraries have hung on to it (``gc.callbacks``).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
