"""``omnicrm webhook …`` and ``omnicrm notify test`` as a person runs them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from notify.cli import notify_app, webhook_app
from omnicrm.settings import Settings
from tests.support.mail_servers import smtp_server
from tests.support.receiver import receiver
from tests.unit.whapi.server import Reply, whapi

LOCAL = {"WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}
Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the test's database."""
    # No .env of whoever runs the tests.
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, app: object = webhook_app, **environment: str) -> Result:
        known = {"DATABASE_URL": settings.database_url, **environment}
        result = CliRunner().invoke(app, arguments, env=known)  # type: ignore[arg-type]
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return call


def secret_in(output: str) -> str:
    (secret,) = re.findall(r"whsec_\S+", output)
    return str(secret)


async def test_a_webhook_from_its_first_to_its_last_day(run: Run) -> None:
    async with receiver() as server:

        async def cli(*arguments: str) -> Result:
            return await asyncio.to_thread(run, *arguments, **LOCAL)

        added = await cli("add", server.url, "--events", "message, client.merged")
        secret = secret_in(added.output)
        assert added.output.splitlines()[0] == f"Webhook 1: message, client.merged to {server.url}"
        assert (await cli("test", "1")).output == f"{server.url} took it: HTTP 200.\n"
        assert server.posts[-1].verified(secret)["type"] == "webhook.test"
        new = secret_in((await cli("rotate", "1")).output)
        await cli("test", "1")
        assert server.posts[-1].verified(secret) and server.posts[-1].verified(new)
        listed = (await cli("list")).output
        assert "whsec_" not in listed and f"on   message, client.merged to {server.url}" in listed
        assert "the old secret signs too until" in listed
        assert "is on; 0 events waiting" in (await cli("enable", "1")).output
        server.usual = 500
        refused = await cli("test", "1")
        assert (refused.exit_code, refused.output) == (1, f"{server.url} did not take it: HTTP 500.\n")
        assert "is removed" in (await cli("remove", "1")).output
        assert (await cli("list")).output.startswith("There is no webhook.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "http://example.com/x"), "must start with https://"),
        (("add", "http://127.0.0.1:1/x"), "WEBHOOK_ALLOW_NETWORKS"),
        (("add", "https://10.0.0.7/x"), "10.0.0.7 is no public address"),
        (("add", "https://8.8.8.8/x", "--events", "messages"), "There are no events messages. There are message.received"),
        (("remove", "7"), "no webhook 7. `omnicrm webhook list` shows all."),
        (("test", "7"), "no webhook 7"),
    ],
)
def test_what_cannot_be_is_one_line(run: Run, arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1 and words in result.output and len(result.output.splitlines()) == 1


async def test_a_test_notice_goes_to_everybody_and_says_what_happened(run: Run) -> None:
    sent = Reply({"sent": True, "message": {"id": "w1"}})
    async with smtp_server() as mail, whapi(sent, sent) as chat, receiver() as slack:
        environment = {
            **LOCAL, "NOTIFY_DEFAULT": "email:ana@x.mx,whatsapp:1203@g.us", "NOTIFY_TOKEN": "webhook",
            "EMAIL_SMTP_URL": f"smtp://127.0.0.1:{mail.port}", "EMAIL_ADDRESS": "hola@x.mx", "WHAPI_TOKEN": "t",
            "WHAPI_URL": chat.address, "NOTIFY_WEBHOOK_URL": slack.url,
        }  # fmt: skip
        result = await asyncio.to_thread(run, "test", app=notify_app, **environment)
        assert result.exit_code == 0, result.output
        told = "piden una persona, pedidos, quejas, canal caído, respuestas que no llegaron"
        assert result.output.splitlines() == [
            f"✓ email:ana@x.mx: salió. Recibe: {told}.", f"✓ whatsapp:1203@g.us: salió. Recibe: {told}.",
            "✓ webhook: salió. Recibe: acceso en riesgo.",
        ]  # fmt: skip
        assert len(mail.mails) == len(slack.posts) == 1
        assert slack.posts[0].document["text"] == "Aviso de prueba.\nA este destino llega: acceso en riesgo."
        slack.usual = 404
        mail.answer("RCPT", "550 5.1.1 no such user")
        result = await asyncio.to_thread(run, "test", app=notify_app, **environment)
        assert result.exit_code == 1
        lines = result.output.splitlines()
        assert lines[0].startswith("✗ email:ana@x.mx: ") and "revisa NOTIFY_WEBHOOK_URL" in lines[2]


def test_with_nobody_to_tell_it_says_how_to_begin(run: Run) -> None:
    result = run("test", app=notify_app)
    assert result.exit_code == 1 and "NOTIFY_DEFAULT=email:ana@example.com" in result.output
