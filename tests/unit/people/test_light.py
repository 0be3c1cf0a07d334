"""The package loads fast: an import needs no dialogue."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from omnicrm.cli import PROJECT

MODULES = sorted(f"people.{path.stem}" for path in (PROJECT / "people").glob("*.py") if path.stem != "__init__")


def test_nothing_of_it_imports_rasa() -> None:
    heavy = "sorted(m for m in sys.modules if m.split('.')[0] in ('rasa', 'rasa_sdk', 'tensorflow'))"
    code = f"import sys, {', '.join(MODULES)}; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(PROJECT), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
