"""Train Rasa's model when what it is made of changed, and not otherwise."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from omnicrm.processes import die_with_parent

KEPT = 3
# Read by the bot while it runs, not by the training.
NOT_TRAINED = frozenset({"knowledge"})


class TrainingFailed(Exception):
    """Rasa could not train; the message carries what it said."""


def digest(project: Path) -> str:
    """Twelve hex digits that change with what a model is made of: config, domain, data, our components, Rasa itself."""
    state = hashlib.sha256()
    for name in ("rasa", "scikit-learn"):
        state.update(f"{name} {version(name)}\n".encode())
    for path in inputs(project):
        state.update(f"{path.relative_to(project).as_posix()} {path.stat().st_size}\n".encode())
        state.update(path.read_bytes())
    return state.hexdigest()[:12]


def inputs(project: Path) -> list[Path]:
    """The files that a training reads: config, domain (file or folder), data, and components of ours that config names."""
    found = [path for path in (project / "config.yml", project / "domain.yml") if path.is_file()]
    for folder in ("domain", "data"):
        for path in sorted((project / folder).rglob("*")):
            if path.is_file() and path.relative_to(project / folder).parts[0] not in NOT_TRAINED:
                found.append(path)  # noqa: PERF401 - as a comprehension the rule could not be read
    return found + sorted(_components(project))


def _components(project: Path) -> set[Path]:
    """Modules of this project that config.yml names as components (``package.module.Class``)."""
    config = project / "config.yml"
    words = config.read_text(encoding="utf-8").replace('"', " ").replace("'", " ").split() if config.is_file() else []
    paths = (project.joinpath(*word.split(".")[:-1]).with_suffix(".py") for word in words if word.count(".") >= 1)
    return {path for path in paths if path.is_file() and path.is_relative_to(project)}


def path_of(project: Path) -> Path:
    """Where the model of the present inputs is, or would be."""
    return project / "models" / f"omnicrm-{digest(project)}.tar.gz"


def ensure(project: Path, log: Path, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Return the model of the present inputs, training it first if need be; ``tell`` hears how it goes.

    Two processes never train at once: the second waits and uses the first one's model. Raises ``TrainingFailed``.
    """
    target = path_of(project)
    target.parent.mkdir(exist_ok=True)
    with _only_one(target.parent / ".training", tell):
        if not target.is_file():
            _train(project, target, log, tell)
            _forget_old(target)
        elif latest(project) != target:
            os.utime(target)  # plain `rasa run` and `rasa shell` take the newest file
    return target


def latest(project: Path) -> Path | None:
    """The model that plain ``rasa run`` takes: the newest file."""
    return max((project / "models").glob("*.tar.gz"), key=lambda path: path.stat().st_mtime, default=None)


@contextmanager
def _only_one(lock: Path, tell: Callable[[str], None]) -> Iterator[None]:
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("another process trains just now")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _train(project: Path, target: Path, log: Path, tell: Callable[[str], None]) -> None:
    # `rasa data validate` takes as long again, and is a check of its own.
    name = target.name.removesuffix(".tar.gz")
    command = [
        sys.executable,
        "-m",
        "rasa",
        "train",
        "--fixed-model-name",
        name,
        "--out",
        str(target.parent),
        "--skip-validation",
    ]
    environment = {**os.environ, "RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - it only asks the kernel for a signal
        )
        try:
            while process.poll() is None:
                tell(_last_line(log))
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0 or not target.is_file():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise TrainingFailed("\n".join(["rasa train failed. Its last lines:", *lines[-20:], f"All of them: {log}"]))


def _last_line(log: Path) -> str:
    """What Rasa is at, in a few words: the component it named last."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4000))
        named = re.findall(r"component '([A-Za-z]+)'", file.read().decode("utf-8", errors="replace"))
    return f"training {named[-1]}" if named else "loading Rasa and the data"


def _forget_old(target: Path) -> None:
    ours = sorted(target.parent.glob("omnicrm-*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in ours[KEPT:]:
        path.unlink(missing_ok=True)
