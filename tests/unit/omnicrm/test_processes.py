from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from omnicrm.processes import Processes, ProcessFailed, answers, free_ports, until

ENVIRONMENT = dict(os.environ)
# A parent with a child of its own, both deaf to SIGTERM if asked; it writes the child's id where we can read it.
FAMILY = """
import signal, subprocess, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def grandchild(log: Path) -> int:
    assert eventually(lambda: log.exists() and log.read_text().strip() != "")
    return int(log.read_text().split()[0])


@pytest.mark.parametrize("deaf", [(), ("deaf",)], ids=["willing", "deaf to SIGTERM"])
def test_leaving_stops_children_and_their_children(tmp_path: Path, deaf: tuple[str, ...]) -> None:
    with Processes(tmp_path, grace_seconds=0.5) as processes:
        child = processes.start("family", [sys.executable, "-c", FAMILY, *deaf], ENVIRONMENT)
        below = grandchild(child.log)
    assert child.process.returncode is not None
    assert eventually(lambda: not alive(below))


def test_an_error_inside_stops_everything_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Processes(tmp_path) as processes:
        child = processes.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], ENVIRONMENT)
        raise RuntimeError
    assert child.process.returncode == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_children_end_when_we_are_killed(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from omnicrm.processes import Processes
        with Processes(Path(sys.argv[1])) as processes:
            child = processes.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], {})
            print(child.process.pid, flush=True)
            time.sleep(600)
    """)
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    assert eventually(lambda: not alive(child))


async def test_a_child_that_ends_before_it_answers_is_told_with_its_last_words(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    with Processes(tmp_path) as processes:
        child = processes.start("bot", [sys.executable, "-c", "print('no model here'); raise SystemExit(3)"], ENVIRONMENT)
        with pytest.raises(ProcessFailed, match=r"(?s)bot ended with status 3.*no model here"):
            await until(never, child, 20)


async def test_a_child_that_never_answers_is_told_in_time(tmp_path: Path) -> None:
    (port,) = free_ports(1)

    async def ready() -> bool:
        return await answers(f"http://127.0.0.1:{port}/")

    with Processes(tmp_path) as processes:
        child = processes.start("bot", [sys.executable, "-c", "import time; time.sleep(600)"], ENVIRONMENT)
        with pytest.raises(ProcessFailed, match="did not answer within"):
            await until(ready, child, 0.2)


async def test_a_child_that_answers_is_ready(tmp_path: Path) -> None:
    (port,) = free_ports(1)

    async def ready() -> bool:
        return await answers(f"http://127.0.0.1:{port}/")

    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with Processes(tmp_path / "logs") as processes:
        await until(ready, processes.start("server", command, ENVIRONMENT), 20)


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20
