"""``python -m bench``: measure, print the table, write ``bench/results.json``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import uvloop
from rich.console import Console

from bench import report
from bench.database import NotDurable
from bench.load import Unanswered
from bench.plan import FULL, QUICK
from bench.run import Lost, Places, measure
from crm.port import CrmError
from omnicrm.processes import ProcessFailed, stopping_on_signals

PROJECT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run; returns 0 when everything was measured, whether or not the goals are met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true",
        help="a short run: few turns, models of an earlier run; writes .data/bench/results.json",
    )  # fmt: skip
    parser.add_argument("--docs", action="store_true", help="put the table into docs/benchmarks.md, too")
    given = parser.parse_args()
    quick: bool = given.quick
    console = Console(highlight=False)
    home = PROJECT / ".data" / "bench"
    home.mkdir(parents=True, exist_ok=True)
    started, busy = time.monotonic(), os.getloadavg()[0]
    try:
        with stopping_on_signals(), tempfile.TemporaryDirectory(prefix="run-", dir=home, ignore_cleanup_errors=True) as folder:
            places = Places(project=PROJECT, models=home, folder=Path(folder), logs=PROJECT / ".data" / "logs" / "bench")
            # The customers and the platform share the machine with what they measure.
            uvloop.install()
            figures = asyncio.run(measure(console, QUICK if quick else FULL, places))
    except (ProcessFailed, Unanswered, Lost, NotDurable, CrmError) as error:
        console.print(f"{type(error).__name__}: {error}", markup=False, style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    path = (home if quick else PROJECT / "bench") / "results.json"
    report.write(figures, path)
    console.print(report.table(figures))
    console.print(f"{time.monotonic() - started:.0f} s, {os.cpu_count()} cores. {path.relative_to(PROJECT)} written.")
    if given.docs:
        today = datetime.now(timezone.utc).date()
        circumstances = f"{today}, {os.cpu_count()} cores, load average {busy:.1f} before it began."
        report.into_page(figures, PROJECT / "docs" / "benchmarks.md", circumstances)
    missed = [figure.name for figure in figures if figure.met is False]
    if missed:
        console.print(f"Goals missed: {', '.join(missed)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
