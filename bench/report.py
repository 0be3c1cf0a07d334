"""The report: a table for a person, and the same figures as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from bench.figures import Figure

LAST_RUN = "## Last run\n"

_MET = {True: "[green]yes[/green]", False: "[red]no[/red]", None: ""}


def table(figures: Sequence[Figure]) -> Table:
    """All figures, one line each, in their order."""
    made = Table("", "unit", "ours", "stock", "ratio", "goal", "met", box=None, pad_edge=False)
    for column in made.columns[2:5]:
        column.justify = "right"
    for figure in figures:
        made.add_row(
            figure.name, figure.unit, shown(figure.ours), shown(figure.stock),
            "" if figure.ratio is None else f"{shown(figure.ratio)}×", figure.goal, _MET[figure.met],
        )  # fmt: skip
    return made


def shown(value: float | None) -> str:
    """A figure as a person reads it: three significant digits, no exponents; a dash where nothing was measured."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(figures: Sequence[Figure]) -> str:
    """The table as docs/benchmarks.md holds it."""
    lines = ["| | unit | ours | stock | ratio | goal | met |", "| --- | --- | ---: | ---: | ---: | --- | --- |"]
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{shown(figure.ratio)}×"
        met = {True: "yes", False: "**no**", None: ""}[figure.met]
        cells = (figure.name, figure.unit, shown(figure.ours), shown(figure.stock), ratio, figure.goal, met)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def into_page(figures: Sequence[Figure], page: Path, circumstances: str) -> None:
    """Replace what docs/benchmarks.md says of the last run: all that follows its heading, which must be there."""
    kept, heading, _ = page.read_text(encoding="utf-8").partition(LAST_RUN)
    if not heading:
        raise ValueError(f"{page} has no heading {LAST_RUN.strip()!r}")
    page.write_text(f"{kept}{heading}\n{circumstances}\n\n{markdown(figures)}", encoding="utf-8")


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write ``results.json``: all of it or, if interrupted, the file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".half")
    half.write_text(json.dumps([figure.to_json() for figure in figures], indent=2) + "\n", encoding="utf-8")
    os.replace(half, path)
