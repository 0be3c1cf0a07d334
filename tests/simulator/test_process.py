"""The simulator as a process of its own."""

from __future__ import annotations

import imaplib
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys

import httpx
import pytest

from simulator.__main__ import parse
from simulator.config import config_from

COMMAND = [sys.executable, "-m", "simulator", "--webhook", "http://127.0.0.1:1/x"]


def started(*options: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([*COMMAND, *options], stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"simulator on (\S+),", line):
            return process, found[1]
    raise AssertionError(f"the simulator ended with {process.wait()}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_answers_and_stops_cleanly(number: signal.Signals):
    process, url = started()
    try:
        assert httpx.get(f"{url}/sim/health", trust_env=False).json() == {"ok": True}
        with httpx.Client(base_url=url, trust_env=False) as http, pytest.raises(httpx.HTTPError):
            process.send_signal(number)  # even while somebody waits at a phone
            http.get("/sim/phone/messenger/1", params={"after": 0, "wait": 60}, timeout=10)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        assert process.stderr is not None
        rest = process.stderr.read()
        process.stderr.close()
        process.wait()
    assert "Traceback" not in rest


def test_a_reset_connection_is_reset_on_the_loop_that_the_process_uses():
    process, url = started("--token", "T")
    try:
        headers = {"Authorization": "Bearer T"}
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as http:
            http.post("/sim/say", json={"channel": "messenger", "user": "1", "text": "hola", "retry": False})
            http.post("/sim/faults", json={"fault": "reset"})
            body = {"recipient": {"id": "1"}, "message": {"text": "x"}}
            with pytest.raises(httpx.ReadError):
                http.post("/v25.0/me/messages", json=body)
            assert http.get("/sim/phone/messenger/1").json()["shop_messages"] == 1
            assert http.post("/v25.0/me/messages", json=body).status_code == 200
    finally:
        process.terminate()
        assert process.stderr is not None
        process.stderr.close()
        process.wait()


def test_it_loads_neither_rasa_nor_the_bot():
    code = (
        "import sys, time; began = time.monotonic(); import simulator.app, simulator.__main__;"
        "loaded = {name.split('.')[0] for name in sys.modules};"
        "print(sorted(loaded & {'rasa', 'tensorflow', 'connectors', 'crm', 'turns', 'omnicrm', 'httpx'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_taken_port_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [f"cannot listen on 127.0.0.1:{port}: Address already in use"]


def test_a_taken_mail_port_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--imap-port", port], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [f"cannot listen on 127.0.0.1:{port}: Address already in use"]


def test_mail_and_whatsapp_are_served_where_it_says():
    process, url = started("--mail-address", "hola@acme.example", "--whapi-token", "W", EMAIL_PASSWORD="P")
    try:
        ports = httpx.get(f"{url}/sim/ports", trust_env=False).json()
        assert process.stderr is not None
        line = process.stderr.readline().strip()
        assert line == f"mail of hola@acme.example: SMTP on {ports['smtp']}, IMAP on {ports['imap']}"
        with imaplib.IMAP4("127.0.0.1", ports["imap"], timeout=5) as imap:
            assert imap.login("hola@acme.example", "P")[0] == "OK"
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=5) as smtp:
            assert smtp.login("hola@acme.example", "P")[0] == 235
        health = httpx.get(f"{url}/whapi/health", headers={"Authorization": "Bearer W"}, trust_env=False).json()
        assert health["status"]["text"] == "AUTH"
    finally:
        process.terminate()
        rest = process.communicate()[1]
    assert "Traceback" not in rest


def test_settings_come_from_the_command_line_then_the_bots_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("META_APP_SECRET", "new, old")
    monkeypatch.setenv("META_PAGE_ID", "42")
    config = parse(["--webhook", "http://x", "--page-id", "43", "--require-proof"])
    assert (config.app_secret, config.page_id, config.require_proof) == ("new", "43", True)
    assert config_from({}, {"webhook": "http://x", "page_id": None}).page_id == "104098558513421"


def test_whatsapp_and_mail_take_the_bots_names_too():
    environment = {
        "WHAPI_TOKEN": "t",
        "WHAPI_CHANNEL_ID": "ACME-1",
        "WHAPI_WEBHOOK_SECRET": "new, old",
        "WHAPI_NUMBER": "+52 55 9999 0000",
        "EMAIL_ADDRESS": "hola@acme.example",
        "EMAIL_NAME": "ACME",
        "EMAIL_USER": "hola",
        "EMAIL_PASSWORD": "p",
        "EMAIL_MAILGUN_SIGNING_KEY": "k",
        "EMAIL_POSTMARK_TOKEN": "w",
    }
    config = config_from(environment, {"webhook": "http://x"})
    assert (config.whapi_token, config.whapi_channel_id, config.whapi_secret, config.whapi_number) == (
        "t",
        "ACME-1",
        "new",
        "525599990000",
    )
    assert (config.mail_address, config.mail_name, config.mail_login, config.mail_password) == (
        "hola@acme.example",
        "ACME",
        "hola",
        "p",
    )
    assert (config.mailgun_key, config.postmark_token, config.mail_receiver) == ("k", "w", "mx.acme.example")
    config = parse(["--webhook", "http://x", "--smtp-port", "25", "--whapi-webhook", "http://y", "--mail-webhook", "http://z"])
    assert (config.smtp_port, config.imap_port, config.whapi_webhook, config.mail_webhook) == (25, 0, "http://y", "http://z")
