"""What a benchmark reports: percentiles of samples, and figures with their goals. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least ``percent`` of all are not above (nearest rank: always a sample that was measured).

    With fewer than 100 samples the 99th percentile is thus the slowest. Raises ``ValueError`` without samples.
    """
    if not samples:
        raise ValueError("no samples")
    if not 0 < percent <= 100:
        raise ValueError("a percentile is above 0 and at most 100")
    return sorted(samples)[math.ceil(len(samples) * percent / 100) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the report. ``goal`` is what we want to reach, in words; ``met`` whether ``ours`` does."""

    name: str
    unit: str
    ours: float | None
    stock: float | None = None
    better: Literal["lower", "higher"] = "lower"
    goal: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better ours is than stock; below 1 it is worse. None where one of them was not measured."""
        if not self.ours or not self.stock:
            return None
        return self.ours / self.stock if self.better == "higher" else self.stock / self.ours

    def to_json(self) -> dict[str, Any]:
        """The object that stands in ``results.json``."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": _rounded(self.ours),
            "stock": _rounded(self.stock),
            "ratio": _rounded(self.ratio),
            "goal": self.goal,
            "met": self.met,
        }


def _rounded(value: float | None) -> float | None:
    """Four significant digits: more would claim a precision that no run has."""
    return None if value is None else float(f"{value:.4g}")


def at_most(limit: float, **fields: Any) -> Figure:
    """A figure whose goal is a limit that it must not pass."""
    return Figure(goal=f"at most {limit:g} {fields['unit']}", met=_met(fields["ours"], limit), **fields)


def under(limit: float, **fields: Any) -> Figure:
    """A figure whose goal is to stay below a limit."""
    ours = fields["ours"]
    return Figure(goal=f"under {limit:g} {fields['unit']}", met=None if ours is None else ours < limit, **fields)


def times_stock(factor: float, **fields: Any) -> Figure:
    """A figure whose goal is to be so many times better than stock."""
    plain = Figure(**fields)
    met = None if plain.ratio is None else plain.ratio >= factor
    return Figure(goal=f"{factor:g} times stock", met=met, **fields)


def _met(ours: float | None, limit: float) -> bool | None:
    return None if ours is None else ours <= limit
