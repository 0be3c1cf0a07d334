"""Fetch uv's wheel from PyPI and unpack its program: for machines whose Python has no pip, or one too old.

Runs on any Python 3.6 or newer with nothing but the standard library: ``fetch_uv.py VERSION FOLDER``.
"""

import hashlib
import html
import io
import os
import platform
import re
import sys
import urllib.parse
import urllib.request
import zipfile

INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/uv/"


def wheel_tag():
    """The parts of the wheel's file name that fit this machine: system and processor."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if sys.platform == "darwin":
        return "macosx", "arm64" if machine == "aarch64" else machine
    return "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux", machine


def find_wheel(page, version):
    """Address and SHA-256 of the wheel of this version for this machine, from the index's page."""
    system, machine = wheel_tag()
    for href in re.findall(r'href="([^"]+\.whl#sha256=[0-9a-f]{64})"', page):
        address, checksum = html.unescape(href).split("#sha256=")
        name = address.rsplit("/", 1)[-1]
        if name.startswith("uv-%s-" % version) and system in name and name.endswith(machine + ".whl"):
            return urllib.parse.urljoin(INDEX, address), checksum
    raise SystemExit("no wheel of uv %s for %s %s in %s" % (version, system, machine, INDEX))


def read(address):
    """The bytes at an address."""
    with urllib.request.urlopen(address, timeout=180) as answer:
        return answer.read()


def main(version, folder):
    """Write ``folder/uv``. Ends with a line on a missing wheel or a wrong checksum."""
    address, checksum = find_wheel(read(INDEX).decode(), version)
    wheel = read(address)
    if hashlib.sha256(wheel).hexdigest() != checksum:
        raise SystemExit("uv's wheel came broken: its checksum is wrong")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".data/scripts/uv"))
        path = os.path.join(folder, "uv")
        with open(path, "wb") as program:
            program.write(archive.read(name))
        os.chmod(path, 0o755)  # noqa: S103 - a program


if __name__ == "__main__":
    main(*sys.argv[1:])
