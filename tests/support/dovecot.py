"""A real Dovecot for tests: its own folder, loopback ports, any user with one password, and ways to make its life hard."""

from __future__ import annotations

import grp
import hashlib
import imaplib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path

from imap_tools import MailBoxUnencrypted
from imap_tools.imap_utf7 import utf7_encode

from connectors.email.settings import Server
from omnicrm.processes import free_ports
from tests.support.mail_servers import HOST, PASSWORD, Certificate, make_certificate

_UNPACKED = Path(__file__).resolve().parents[2] / ".tools" / "dovecot"
MISSING = "Dovecot is missing, so nothing proves that mail is fetched from a real server: run `scripts/dovecot.sh`"
SENT = "Envíos"
_START_SECONDS = 20
_NOBODY = 65534

_CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
libexec_dir = {root}/usr/lib/dovecot
mail_plugin_dir = {root}/usr/lib/dovecot/modules
login_plugin_dir = {root}/usr/lib/dovecot/modules/login
log_path = {folder}/log
import_environment = LD_LIBRARY_PATH={libraries}
protocols = imap
listen = {host}
ssl = yes
ssl_cert = <{certificate.file}
ssl_key = <{certificate.key}
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2
auth_failure_delay = 0
mail_max_userip_connections = 100
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={{SHA256.HEX}}{password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  mailbox {sent} {{
    special_use = \\Sent
    auto = create
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""
# Who a token belongs to is asked of the server of `token_port`, which the test plays.
_OAUTH2 = """\
tokeninfo_url = http://{host}:{token_port}/tokeninfo?access_token=
introspection_url = http://{host}:{token_port}/introspect
introspection_mode = auth
username_attribute = email
active_attribute = active
active_value = true
"""


def find_dovecot() -> Path | None:
    """The unpacked packages; None where `scripts/dovecot.sh` could not get them."""
    return _UNPACKED / "root" if (_UNPACKED / ".set-up").exists() else None


class Dovecot:
    """One server. Every user has the same password; a test takes a user of its own."""

    host = HOST
    password = PASSWORD

    def __init__(self, root: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self._root = self._reachable(root)
        library = self._root / "usr/lib/dovecot"
        self._libraries = ":".join(
            map(str, (library, library / "modules/old-stats", *self._root.glob("usr/lib/*-linux-gnu*")))
        )
        self.port, self.tls_port, self.token_port = free_ports(3)
        self.certificate: Certificate = make_certificate(self._folder)
        self._configure()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> Server:
        """Where a client finds it, without TLS."""
        return Server(host=HOST, port=self.port, tls="none")

    def start(self) -> None:
        """Start it and wait until it greets."""
        as_nobody = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        file = self._folder / "dovecot.conf"
        # `dovecot` would look for `doveconf` where the package would have put it.
        command = [
            self._root / "usr/bin/doveconf", "-f", "service=master", "-c", file, "-m", "master",
            "-e", self._root / "usr/sbin/dovecot", "-F", "-c", file,
        ]  # fmt: skip
        self._process = subprocess.Popen(  # type: ignore[call-overload]  # the stubs know no user and group together
            command, env={"LD_LIBRARY_PATH": self._libraries, "PATH": "/usr/bin:/bin"}, cwd=self._folder,
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **as_nobody,
        )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Dovecot did not start: {self.log()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it and all its processes at once, in the middle of whatever they do."""
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended by itself
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        """End it and take its folder away."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        """What it wrote."""
        file = self._folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def box(self, user: str) -> MailBoxUnencrypted:
        """A mail program of this user."""
        box = MailBoxUnencrypted(HOST, self.port, timeout=10)
        box.login(user, PASSWORD)
        return box

    def append(self, user: str, folder: str, raw: bytes, received_at: datetime | None = None) -> None:
        """Put a mail into a folder, as a delivery or another mail program does."""
        with self.box(user) as box:
            box.append(raw, folder, dt=received_at)

    def flags(self, user: str, folder: str) -> list[str]:
        """The flags of every mail in a folder, in order, each as one sorted line; without `\\Recent`, which nobody can keep."""
        with self.box(user) as box:
            box.folder.set(folder, readonly=True)
            status, answers = box.client.fetch("1:*", "(FLAGS)")
            assert status == "OK"
            found = [imaplib.ParseFlags(answer) for answer in answers if answer]
            return [" ".join(sorted(flag.decode() for flag in one if flag != b"\\Recent")) for one in found]

    def renumber(self, user: str, folder: str) -> None:
        """Give a folder another UIDVALIDITY, and its mails new numbers; the server is restarted."""
        self.kill()
        maildir = self._maildir(user, folder)
        uidlist = maildir / "dovecot-uidlist"
        found = re.match(rb"3 V(\d+) ", uidlist.read_bytes())
        assert found
        uidlist.write_bytes(b"3 V%d N1\n" % (int(found[1]) + 1))
        for index in maildir.glob("dovecot.index*"):
            index.unlink()
        self.start()

    def spoil(self, user: str, folder: str, position: int) -> None:
        """Make a mail unreadable for the server, as a broken disk does. ``position`` counts from 0, oldest first."""
        files = [path for part in ("new", "cur") for path in (self._maildir(user, folder) / part).iterdir()]
        # A name begins like 1795723000.M58413P42: seconds and microseconds, in as many digits as they have.
        sorted(files, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)[:2]])[position].chmod(0)

    def _maildir(self, user: str, folder: str) -> Path:
        return self._folder / "mail" / user / ("" if folder == "INBOX" else "." + utf7_encode(folder).decode())

    def _configure(self) -> None:
        uid, gid = (_NOBODY, _NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())
        values = {
            "folder": self._folder, "root": self._root, "libraries": self._libraries, "host": HOST, "port": self.port,
            "tls_port": self.tls_port, "certificate": self.certificate, "uid": uid, "gid": gid, "sent": SENT,
            "user": pwd.getpwuid(uid).pw_name, "group": grp.getgrgid(gid).gr_name,
            # Hashed: the plain one has blanks in it, which end an argument.
            "password": hashlib.sha256(PASSWORD.encode()).hexdigest(),
            "token_port": self.token_port,
        }  # fmt: skip
        (self._folder / "dovecot.conf").write_text(_CONFIGURATION.format(**values))
        (self._folder / "oauth2.conf").write_text(_OAUTH2.format(**values))
        for made in ("run", "state", "mail"):
            (self._folder / made).mkdir()
        # The copy looks for its modules here; see scripts/dovecot.sh.
        (self._folder / "run" / "modules").symlink_to(self._root / "usr/lib/dovecot/modules")
        for path in (self._folder, *self._folder.iterdir()):
            os.chown(path, uid, gid)

    def _reachable(self, root: Path) -> Path:
        """Dovecot reads no mail as root; where nobody cannot come to the programs, they are copied."""
        if os.getuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in root.parents):
            return root
        return Path(shutil.copytree(root, self._folder / "root", symlinks=True))

    def _greets(self) -> bool:
        try:
            imaplib.IMAP4(HOST, self.port, timeout=2).logout()
        except (OSError, imaplib.IMAP4.error):
            return False
        return True
