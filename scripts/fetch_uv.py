"""Fetch uv's wheel from PyPI and unpack its program: for machines whose Python has no pip, or one too old.

Runs on any Python 3.6 or newer with nothing but the standard library: ``fetch_uv.py VERSION FOLDER``.
"""

import hashlib
import io
import json
import os
import platform
import sys
import urllib.request
import zipfile


def wheel_tag():
    """The part of the wheel's file name that fits this machine."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if sys.platform == "darwin":
        return "macosx", "arm64" if machine == "aarch64" else machine
    libc = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    return libc, machine


def main(version, folder):
    """Write ``folder/uv``. Raises on a missing wheel or a wrong checksum."""
    with urllib.request.urlopen("https://pypi.org/pypi/uv/%s/json" % version, timeout=60) as answer:
        files = json.loads(answer.read().decode())["urls"]
    system, machine = wheel_tag()
    wheel = next(f for f in files if f["filename"].endswith(machine + ".whl") and system in f["filename"])
    with urllib.request.urlopen(wheel["url"], timeout=180) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != wheel["digests"]["sha256"]:
        raise SystemExit("uv's wheel came broken: its checksum is wrong")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".data/scripts/uv"))
        path = os.path.join(folder, "uv")
        with open(path, "wb") as program:
            program.write(archive.read(name))
        os.chmod(path, 0o755)


if __name__ == "__main__":
    main(*sys.argv[1:])
