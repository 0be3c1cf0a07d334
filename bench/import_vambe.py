"""``python -m bench.import_vambe``: how long an import takes and how much memory, rehearsed, written and taken back."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.vambe import Export, make, write_csv, write_json, write_xlsx

PROJECT = Path(__file__).resolve().parents[1]
ROWS = 100_000
MOST_SECONDS, MOST_MEGABYTES = 60.0, 300.0
WRITERS: dict[str, Callable[[Export, Path], Path]] = {"csv": write_csv, "xlsx": write_xlsx, "json": write_json}


def main() -> int:
    """Measure; 1 when a goal is missed or an import does not say what the file holds."""
    parser = argparse.ArgumentParser(prog="python -m bench.import_vambe", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="people in each file")
    parser.add_argument("formats", nargs="*", default=list(WRITERS), help=f"of {', '.join(WRITERS)}")
    given = parser.parse_args()
    print(f"{'':10}{'format':>8}{'rows':>10}{'MB of file':>12}{'seconds':>10}{'peak MB':>10}")
    met = True
    with tempfile.TemporaryDirectory(prefix="import-") as folder:
        for name in given.formats:
            export = make(1, people=given.rows, with_phone=True)
            path = WRITERS[name](export, Path(folder) / f"contactos.{name}")
            size = path.stat().st_size / 1e6
            environment = {**os.environ, "DATA_DIR": f"{folder}/data-{name}", "DATABASE_URL": "", "SUPABASE_URL": ""}
            _run(environment, "list")  # makes the database, which is no part of an import
            for what, arguments in (
                ("rehearse", ("vambe", str(path))), ("write", ("vambe", str(path), "--apply")),
                ("again", ("vambe", str(path), "--apply")), ("undo", ("undo", "1")),
            ):  # fmt: skip
                seconds, megabytes, said = _run(environment, *arguments)
                print(f"{what:10}{name:>8}{export.truth.rows:>10,}{size:>12.1f}{seconds:>10.1f}{megabytes:>10.0f}", flush=True)
                met = met and seconds < MOST_SECONDS and megabytes < MOST_MEGABYTES
                counted = f"{export.truth.people:,}"
                if what != "again" and not re.search(rf"\b{counted}\b", said):
                    print(said)
                    met = False
    print(f"goal: {MOST_SECONDS:.0f} s and {MOST_MEGABYTES:.0f} MB: {'met' if met else 'MISSED'}")
    return 0 if met else 1


def _run(environment: dict[str, str], *arguments: str) -> tuple[float, float, str]:
    """Seconds, peak MB of the process itself (the database's are its own), and what it printed."""
    started = time.monotonic()
    command = [sys.executable, "-c", _WITH_PEAK, "import", *arguments]
    process = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"omnicrm import {' '.join(arguments)} ended with {process.returncode}: {process.stderr}")
    peak = re.search(r"^VmHWM:\s+(\d+) kB", process.stderr, re.MULTILINE)
    return seconds, int(peak[1]) / 1024 if peak else float("inf"), process.stdout


# getrusage would count this process's own memory, which the child shares until it starts its program.
_WITH_PEAK = """
import atexit, pathlib, sys
atexit.register(lambda: sys.stderr.write(pathlib.Path("/proc/self/status").read_text()))
from omnicrm.cli import main
main(sys.argv[1:])
"""


if __name__ == "__main__":
    sys.exit(main())
