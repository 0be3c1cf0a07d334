"""``omnicrm whapi setup`` as a person runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connectors.whapi.cli import app
from tests.unit.whapi.server import SECRET, TOKEN, Reply, Trouble, whapi

URL = "https://bot.example.com"
Run = Callable[..., tuple[Result, list[str]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command against a Whapi that gives these answers; returns its result and the calls that it made."""
    # No .env of whoever runs the tests.
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, replies: tuple[Reply | Trouble, ...] = (), **environment: str) -> tuple[Result, list[str]]:
        async def serve() -> tuple[Result, list[str]]:
            async with whapi(*replies) as server:
                known = {"WHAPI_TOKEN": TOKEN, "WHAPI_WEBHOOK_SECRET": SECRET, "WHAPI_URL": server.address, **environment}
                # The command runs a loop of its own.
                result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=known)
                return result, [request.method for request in server.heard]

        result, calls = asyncio.run(serve())
        assert SECRET not in result.output and TOKEN not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result, calls

    return call


def test_it_shows_what_would_change(run: Run) -> None:
    result, calls = run("setup", "--url", URL, replies=(Reply({}),))
    assert (result.exit_code, calls) == (0, ["GET"])
    assert f"+ webhook {URL}/api/webhooks/whapi" in result.output and "Nothing was changed" in result.output


def test_with_apply_it_is_changed(run: Run) -> None:
    result, calls = run("setup", "--url", URL, "--apply", replies=(Reply({}), Reply({}), Reply({})))
    assert calls == ["GET", "PATCH", "GET"]
    # The last look found nothing of it.
    assert result.exit_code == 1 and "did not keep" in result.output


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply({"error": {"message": "Channel not found"}}, 404), "WHAPI_TOKEN"),
        (Reply(b"<html>", 404), "WHAPI_URL"),
        ("hang up", "conexión"),
    ],
)
def test_trouble_is_one_line_and_a_status(run: Run, reply: Reply | Trouble, words: str) -> None:
    result, _ = run("setup", "--url", URL, replies=(reply,))
    assert result.exit_code == 1
    assert words in result.output and len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("--url", "bot.example.com"), {}, "--url"),
        (("--url", URL), {"WHAPI_TOKEN": ""}, "WHAPI_TOKEN: missing"),
        (("--url", URL), {"WHAPI_WEBHOOK_SECRET": "short"}, "WHAPI_WEBHOOK_SECRET"),
        ((), {}, "--url"),
    ],
)
def test_wrong_settings_end_with_two_and_call_nobody(
    run: Run, arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    result, calls = run("setup", *arguments, **environment)
    assert (result.exit_code, calls) == (2, [])
    assert words in result.output


def test_setup_is_a_command_of_its_own(run: Run) -> None:
    result, _ = run("--help")
    assert "setup" in result.output
