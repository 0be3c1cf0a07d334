"""Set-up finds what it needs on whatever machine it comes to (scripts/bootstrap.sh), and leaves Rasa quiet."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import platform
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnicrm.cli import PROJECT

REAL = Path(sys.executable).resolve()
BASE = "/usr/bin:/bin"
REFUSES = "#!/bin/sh\necho 'pyenv: python3.10: command not found' >&2\nexit 127\n"
# Fetches a Python: until then it has none.
UV = """#!/bin/sh
case "$1 $2" in
  "python install") touch "$UV_PYTHON_INSTALL_DIR.there" ;;
  "python find") [ -e "$UV_PYTHON_INSTALL_DIR.there" ] && echo {real} ;;
esac
"""


class Machine:
    """A folder that stands for a machine: its PATH, its home and its pyenv."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self.pyenv = folder, folder / "bin", folder / "pyenv"
        self.path.mkdir()
        (folder / ".tools" / "bin").mkdir(parents=True)

    def program(self, file: Path, text: str) -> None:
        """Write a program."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def python(self, file: Path) -> Path:
        """Put a real Python there, as one that pyenv built."""
        self.program(file, f'#!/bin/sh\nexec {REAL} "$@"\n')
        return file

    def ask(self, function: str, *, path: str = "") -> subprocess.CompletedProcess[str]:
        """What a function of the script prints on this machine."""
        script = (PROJECT / "scripts" / "bootstrap.sh").read_text()
        functions = script[: script.index("\nstamp=")].replace('cd "$(dirname "${BASH_SOURCE[0]}")/.."', "")
        return subprocess.run(
            ["/bin/bash", "-c", f"{functions}\n{function}"], cwd=self.folder, capture_output=True, text=True, check=False,
            env={"PATH": path or f"{self.path}:{BASE}", "HOME": str(self.folder), "PYENV_ROOT": str(self.pyenv)},
        )  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without any Python 3.10."""
    return Machine(tmp_path)


def test_a_python310_on_the_path_is_taken_as_the_program_that_it_really_is(machine: Machine) -> None:
    machine.python(machine.path / "python3.10")
    assert Path(machine.ask("find_python310").stdout.strip()).resolve() == REAL


def test_one_in_pyenvs_versions_is_found_even_when_its_shim_refuses(machine: Machine) -> None:
    machine.program(machine.path / "python3.10", REFUSES)
    there = machine.python(machine.pyenv / "versions" / "3.10.14" / "bin" / "python3.10")
    assert machine.ask("find_python310").stdout.strip() == str(there)


def test_where_there_is_none_it_is_fetched_into_the_folder(machine: Machine) -> None:
    machine.program(machine.path / "python3.10", REFUSES)
    machine.program(machine.folder / ".tools" / "bin" / "uv", UV.format(real=REAL))
    done = machine.ask("find_python310")
    assert (done.stdout.strip(), done.returncode) == (str(REAL), 0)
    assert "Python 3.10 → .tools/python" in done.stderr
    assert (machine.folder / ".tools" / "python.there").exists()


def test_another_version_or_one_without_its_parts_is_not_taken(machine: Machine) -> None:
    machine.program(machine.path / "python3.10", "#!/bin/sh\nexit 1\n")
    assert machine.ask(f"is_python310 {machine.path / 'python3.10'}").returncode == 1
    assert machine.ask(f"is_python310 {REAL}").returncode == 0


def test_any_python_will_do_to_begin_with_but_one_that_runs(machine: Machine) -> None:
    for name in ("python3", "python"):
        machine.program(machine.path / name, REFUSES)
    there = machine.python(machine.pyenv / "versions" / "3.12.1" / "bin" / "python3")
    assert machine.ask("any_python", path=str(machine.path)).stdout.strip() == str(there)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A package index on this machine, and the folder that it shows."""
    folder = tmp_path / "index"
    (folder / "uv").mkdir(parents=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given: object) -> None:
            super().__init__(*given, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_said: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(sys.platform != "linux", reason="the wheel below is one for Linux")
@pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken"])
def test_without_pip_uvs_wheel_is_fetched_and_its_checksum_looked_at(
    index: tuple[str, Path], broken: bool, tmp_path: Path
) -> None:
    address, folder = index
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("uv-9.9.9.data/scripts/uv", "the program")
    wheel = packed.getvalue()
    libc = "manylinux_2_17" if platform.libc_ver()[0] == "glibc" else "musllinux_1_1"
    name = f"uv-9.9.9-py3-none-{libc}_{platform.machine()}.whl"
    checksum = hashlib.sha256(wheel + b"x" * broken).hexdigest()
    (folder / "uv" / name).write_bytes(wheel)
    (folder / "uv" / "index.html").write_text(f'<a href="{name}#sha256={checksum}">{name}</a>')
    done = subprocess.run(
        [sys.executable, "scripts/fetch_uv.py", "9.9.9", str(tmp_path)], cwd=PROJECT, capture_output=True, text=True,
        env={**os.environ, "PIP_INDEX_URL": address, "NO_PROXY": "127.0.0.1"}, check=False,
    )  # fmt: skip
    if broken:
        assert (done.returncode, "checksum is wrong" in done.stderr) == (1, True)
        assert not (tmp_path / "uv").exists()
    else:
        assert ((tmp_path / "uv").read_text(), os.access(tmp_path / "uv", os.X_OK)) == ("the program", True)


def test_rasas_telemetry_is_off_from_whatever_shell(tmp_path: Path) -> None:
    code = "import os; print(os.environ.get('RASA_TELEMETRY_ENABLED'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PATH": BASE, "HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "false"
