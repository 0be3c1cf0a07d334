"""The mailbox on servers that misbehave; on a good one see tests/mail."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from connectors.email.envelope import Envelope, Ours
from connectors.email.fetch import TRIES
from connectors.email.imap import LoginRefused, MailboxAway
from connectors.email.listen import (
    LOGIN_PAUSE_SECONDS,
    LONGEST_LOGIN_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    MailListener,
    pause,
)
from connectors.email.oauth import AccessTokens, Credentials
from connectors.message import AnyEvent, Fact, Unsupported
from omnicrm.settings import Settings
from tests.support.desk import Shelf
from tests.support.eventually import eventually
from tests.support.mail_servers import xoauth2
from tests.support.odd_imap import OddImap, odd_imap

NOW = datetime(2026, 11, 22, 15, 20, tzinfo=timezone.utc)
USER = "hola@acme.test"
OURS = Ours(address=USER, domain="acme.test", secret=b"0123456789abcdef", stale=timedelta(hours=6))


def parse(raw: bytes, envelope: Envelope, ours: Ours, now: datetime) -> list[AnyEvent]:
    return [Fact(key=raw.decode(), address=None, timestamp=envelope.received_at or now, name="mail")]


@asynccontextmanager
async def listening(server: OddImap, shelf: Shelf, tls: Any = "none", **changes: Any) -> AsyncIterator[MailListener]:
    values: dict[str, Any] = {"login": Credentials(user=USER, password="clave"), "timeout": 5.0, **changes}
    made = MailListener(
        server.address(tls), values.pop("login"), OURS, parse, lambda: NOW,
        sleep=lambda seconds: asyncio.sleep(min(seconds, 0.02)), **values,
    )  # fmt: skip
    task = asyncio.create_task(made.run(shelf.desk()))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=1)
        assert task.cancelled()


async def until(condition: Any) -> None:
    async def holds() -> bool:
        return bool(condition())

    await eventually(holds, within=5)


def remembered(shelf: Shelf, uid: int, uidvalidity: int = 7) -> bool:
    return shelf.memory.get(f"mail:{USER}:INBOX") == f'{{"uidvalidity": {uidvalidity}, "uid": {uid}}}'


async def test_the_highest_number_that_every_search_gives_is_not_read_again() -> None:
    shelf = Shelf()
    async with odd_imap(mails={41: b"vieja"}) as server, listening(server, shelf, idle_seconds=0.05):
        await until(lambda: remembered(shelf, 41))
        server.deliver(42, b"una")
        await until(lambda: server.commands().count("IDLE") > 5)
    assert shelf.keys == ["una"]
    assert len(shelf.events) == 1


async def test_mail_that_nobody_announced_is_found_by_the_clock() -> None:
    shelf = Shelf()
    async with odd_imap() as server, listening(server, shelf, idle_seconds=0.2):
        await until(lambda: remembered(shelf, 0))
        server.deliver(1, b"una", tell=False)
        await until(lambda: shelf.keys == ["una"])


async def test_a_server_without_idle_is_asked_again_and_again() -> None:
    shelf = Shelf()
    async with odd_imap(capabilities="IMAP4rev1") as server, listening(server, shelf, idle_seconds=0.05):
        await until(lambda: remembered(shelf, 0))
        server.deliver(1, b"una", tell=False)
        await until(lambda: shelf.keys == ["una"])
        assert "IDLE" not in server.commands()


@pytest.mark.parametrize("moment", ["UID SEARCH", "IDLE"])
async def test_mail_that_comes_just_before_the_waiting_is_not_missed(moment: str) -> None:
    shelf = Shelf()

    def odd(command: str) -> bytes | None:
        # After the first search, which has no result yet; the news comes with its answer, or with that to IDLE.
        if server.mails or not command.startswith(moment) or "UID SEARCH UID 1:*" not in server.commands():
            return None
        server.deliver(1, b"una", tell=False)
        return b"{usual}* 1 EXISTS\r\n" if moment == "IDLE" else b"* SEARCH\r\n* 1 EXISTS\r\n{tag} OK fine\r\n"

    async with odd_imap(odd=odd) as server, listening(server, shelf, idle_seconds=60):
        await until(lambda: shelf.keys == ["una"])
        assert server.connections == 1


async def test_a_folder_without_a_next_number_is_searched_for_it() -> None:
    shelf = Shelf()

    def odd(command: str) -> bytes | None:
        if command.startswith("EXAMINE"):
            return b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] fine\r\n{tag} OK fine\r\n"
        return None

    async with odd_imap(odd=odd, mails={41: b"vieja"}) as server, listening(server, shelf):
        await until(lambda: remembered(shelf, 41))
        server.deliver(42, b"una")
        await until(lambda: shelf.keys == ["una"])


async def test_a_mail_that_makes_the_server_hang_up_is_laid_aside_and_the_next_ones_come() -> None:
    shelf = Shelf()

    def odd(command: str) -> bytes | None:
        return OddImap.HANG_UP if command.startswith("UID FETCH 2 ") and "BODY" in command else None

    async with odd_imap(odd=odd) as server, listening(server, shelf):
        await until(lambda: remembered(shelf, 0))
        for uid, name in ((1, b"uno"), (2, b"veneno"), (3, b"tres")):
            server.deliver(uid, name)
        await until(lambda: "tres" in shelf.keys)
        assert len([line for line in server.commands() if line.startswith("UID FETCH 2 (UID BODY")]) == TRIES
    assert [type(event).__name__ for event in shelf.events] == ["Fact", "Unsupported", "Fact"]
    [aside] = [event for event in shelf.events if isinstance(event, Unsupported)]
    assert aside.raw == {"folder": "INBOX", "uidvalidity": 7, "uid": 2, "size": 6}


async def test_a_mail_that_is_gone_before_it_is_fetched_is_passed_over() -> None:
    shelf = Shelf()

    def odd(command: str) -> bytes | None:
        if command.startswith("UID FETCH 1 ") and "BODY" in command:
            return b"{tag} OK nothing there\r\n"
        return None

    async with odd_imap(odd=odd) as server, listening(server, shelf):
        await until(lambda: remembered(shelf, 0))
        server.deliver(1, b"borrado")
        server.deliver(2, b"dos")
        await until(lambda: remembered(shelf, 2))
    assert shelf.keys == ["dos"]


async def test_a_line_that_died_without_a_word_is_left() -> None:
    shelf = Shelf()
    dead = True

    def odd(command: str) -> bytes | None:
        return b"" if dead and command == "DONE" else None

    async with odd_imap(odd=odd) as server, listening(server, shelf, idle_seconds=0.05, timeout=0.3):
        await until(lambda: server.connections == 2)
        dead = False
        server.deliver(1, b"una")
        await until(lambda: shelf.keys == ["una"])


@pytest.mark.parametrize("silent", ["CAPABILITY", "LOGIN", "LIST", "EXAMINE", "UID", "IDLE"])
async def test_it_stops_at_once_wherever_the_server_leaves_it_waiting(silent: str) -> None:
    shelf = Shelf()
    async with odd_imap(odd=lambda command: b"" if command.startswith(silent) else None) as server:
        shelf.memory[f"mail:{USER}:INBOX"] = '{"uidvalidity": 7, "uid": 0}'
        # `listening` fails when it does not stop within a second.
        async with listening(server, shelf, timeout=30):
            await until(lambda: any(command.startswith(silent) for command in server.commands()))
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("imap")])


async def test_memory_that_makes_no_sense_counts_as_older_numbers() -> None:
    shelf = Shelf()
    shelf.memory[f"mail:{USER}:INBOX"] = '["nada"]'
    async with odd_imap(mails={5: b"reciente"}) as server, listening(server, shelf):
        await until(lambda: shelf.keys == ["reciente"])
        await until(lambda: remembered(shelf, 5))
        assert "UID SEARCH SINCE 20-Nov-2026" in server.commands()


# --- login ---------------------------------------------------------------------------------------------------------------


async def test_without_starttls_no_login_is_tried() -> None:
    shelf = Shelf()
    async with odd_imap() as server, listening(server, shelf, tls="starttls"):
        await until(lambda: server.connections > 2)
    assert {command.split(" ")[0] for command in server.commands()} == {"CAPABILITY"}


async def test_a_password_outside_of_ascii_goes_as_sasl_plain() -> None:
    shelf = Shelf()

    def odd(command: str) -> bytes | None:
        return b"+ \r\n" if command.startswith("AUTHENTICATE") else None

    login = Credentials(user=USER, password="contraseña")
    async with odd_imap(odd=odd) as server, listening(server, shelf, login=login):
        expected = base64.b64encode(f"\0{USER}\0contraseña".encode()).decode()
        await until(lambda: expected in server.heard)
        assert "AUTHENTICATE PLAIN" in server.commands()


async def test_a_refused_token_is_answered_with_an_empty_line_and_replaced_once() -> None:
    shelf = Shelf()
    tokens = iter(["viejo", "nuevo"])
    answers = httpx.MockTransport(lambda _: httpx.Response(200, json={"access_token": next(tokens), "expires_in": 3600}))
    settings = Settings(email_oauth_token_url="https://login.test/token")
    refused = base64.b64encode(b'{"status":"400","schemes":"Bearer"}')

    def odd(command: str) -> bytes | None:
        if command.startswith("AUTHENTICATE"):
            return b"+ \r\n"
        if command == xoauth2(USER, "viejo"):
            return b"+ %s\r\n" % refused
        if command == xoauth2(USER, "nuevo"):
            return server.heard[-2].split(" ")[0].encode() + b" OK in\r\n"
        if command == "":
            return server.heard[-3].split(" ")[0].encode() + b" NO [AUTHENTICATIONFAILED] no\r\n"
        return None

    async with odd_imap(odd=odd) as server, httpx.AsyncClient(transport=answers) as http:
        login = Credentials(user=USER, tokens=AccessTokens(http, settings))
        async with listening(server, shelf, login=login):
            await until(lambda: remembered(shelf, 0))
        said = [line for line in server.heard if " " not in line]
    assert said == [xoauth2(USER, "viejo"), "", xoauth2(USER, "nuevo"), "DONE"][: len(said)]
    assert len(said) >= 3
    assert server.connections == 2


# --- pauses --------------------------------------------------------------------------------------------------------------


def test_pauses_grow_to_a_minute_and_after_a_refused_login_to_ten() -> None:
    away, refused = MailboxAway("away"), LoginRefused("no")
    assert [pause(n, away, 1.0) for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert pause(100, away, 1.0) == LONGEST_PAUSE_SECONDS
    assert pause(4, away, 0.0) == 4
    assert pause(1, refused, 1.0) == LOGIN_PAUSE_SECONDS
    assert pause(100, refused, 1.0) == LONGEST_LOGIN_PAUSE_SECONDS
