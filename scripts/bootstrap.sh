#!/usr/bin/env bash
# Makes .venv as uv.lock says, from a machine with bash and any Python 3. Everything stays inside this folder:
# uv in .tools, Python 3.10 in .tools/python if the machine has none, the packages in .venv. Run again, it only checks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
uv_version=0.13.9

# What a user's shell may have set must not lead the set-up elsewhere.
unset VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH UV_PROJECT_ENVIRONMENT UV_PYTHON PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV

say() { printf '  %s\n' "$*" >&2; }
stop() { printf '\nSet-up stopped: %s\n' "$*" >&2; exit 1; }

# Any Python 3 that really runs: a pyenv shim or the Windows store's may be on PATH and refuse.
any_python() {
    local name
    for name in python3 python python3.{14,13,12,11,10,9,8}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 6))' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    for name in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 /usr/bin/python3; do
        if [ -x "$name" ] && "$name" -c '' >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return
        fi
    done
    return 1
}

uv() { "$root/.tools/bin/uv" "$@"; }
uv_runs() { [ -x .tools/bin/uv ] && [ "$(uv --version 2>/dev/null | cut -d' ' -f2)" = "$uv_version" ]; }

get_uv() {
    uv_runs && return
    local python
    python=$(any_python) || stop "no Python 3 found. Install one (for example: sudo apt install python3) and try again."
    say "uv $uv_version → .tools/ (with $("$python" -c 'import sys; print("Python", sys.version.split()[0])'))"
    rm -rf .tools/bin .tools/lib .tools/lib64 .tools/pyvenv.cfg .tools/uv
    mkdir -p .tools/bin
    if "$python" -m venv .tools >.tools/set-up.log 2>&1 \
        && .tools/bin/python -m pip install --quiet "uv==$uv_version" >>.tools/set-up.log 2>&1 && uv_runs; then
        return
    fi
    # Debian's Python comes without ensurepip, so without venv.
    say "venv did not do; trying pip --target"
    mkdir -p .tools/bin
    if "$python" -m pip install --quiet --target .tools/uv "uv==$uv_version" >>.tools/set-up.log 2>&1; then
        ln -sf ../uv/bin/uv .tools/bin/uv
        uv_runs && return
    fi
    # No pip at all, or one too old for today's wheels: a wheel is a zip file.
    say "pip did not do; unpacking the wheel"
    "$python" scripts/fetch_uv.py "$uv_version" .tools/bin >>.tools/set-up.log 2>&1 && uv_runs && return
    cat .tools/set-up.log >&2
    stop "uv could not be installed; what was tried is above. Is the network there?"
}

# A 3.10 with the parts that Rasa and psycopg need: a hand-built Python may lack them.
is_python310() {
    [ -n "$1" ] && "$1" -c 'import sys, ssl, sqlite3, ctypes, zlib; sys.exit(sys.version_info[:2] != (3, 10))' >/dev/null 2>&1
}

find_python310() {
    local candidate
    candidate=$(command -v python3.10 || true)
    if is_python310 "$candidate"; then
        "$candidate" -c 'import sys; print(sys.executable)' # a shim that runs leads to the real one
        return
    fi
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10*/bin/python3.10 "$HOME"/.pyenv/versions/3.10*/bin/python3.10; do
        if is_python310 "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    export UV_PYTHON_INSTALL_DIR=$root/.tools/python
    if ! candidate=$(uv python find --managed-python 3.10 2>/dev/null); then
        say "Python 3.10 → .tools/python (not found on this machine)"
        uv python install --no-bin 3.10 >&2 || return 1
        candidate=$(uv python find --managed-python 3.10)
    fi
    is_python310 "$candidate" && printf '%s\n' "$candidate"
}

fingerprint() { { cat pyproject.toml uv.lock scripts/bootstrap.sh && printf '%s' "$root"; } | cksum; }

stamp=.venv/.set-up
if [ -f $stamp ] && [ "$(cat $stamp)" = "$(fingerprint)" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

printf 'Setting up (once, and when uv.lock changes)\n' >&2
started=$SECONDS
mkdir -p .tools
get_uv
python=$(find_python310) || stop "Python 3.10 was not found and could not be fetched. Install it (for example: pyenv install 3.10) and try again."
say "Python: $python"
# A moved folder or another 3.10 leaves a .venv whose scripts point elsewhere.
if ! is_python310 .venv/bin/python || [ "$(head -1 .venv/bin/rasa 2>/dev/null)" != "#!$root/.venv/bin/python" ]; then
    rm -rf .venv
fi
rm -f $stamp
say "packages → .venv/ (about 200; the first time takes a minute or two)"
uv sync --frozen --python "$python" >&2
# Plain `rasa shell` must not try the network either, from whatever shell it is started: Python reads .pth files first.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cat >"$site/omnicrm_quiet.pth" <<'PTH'
import os; [os.environ.setdefault(*pair) for pair in (("RASA_TELEMETRY_ENABLED", "false"), ("TF_CPP_MIN_LOG_LEVEL", "2"), ("SQLALCHEMY_SILENCE_UBER_WARNING", "1"))]
PTH
# Plain `rasa test` takes every test story below this folder, so also those that Rasa brings for the project of `rasa init`.
rm -rf "$site/rasa/cli/initial_project/tests"
fingerprint >$stamp
say "ready in $((SECONDS - started)) s"
