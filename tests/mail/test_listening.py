"""What the mailbox promises: every mail once, in order, untouched, through whatever happens to server, line and database."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from connectors.email.envelope import Envelope, Ours
from connectors.email.fetch import BATCH, TRIES
from connectors.email.listen import LOGIN_PAUSE_SECONDS, MailListener
from connectors.email.oauth import AccessTokens, Credentials
from connectors.email.settings import Server
from connectors.message import Address, AnyEvent, Inbound, Unsupported
from omnicrm.settings import Settings
from tests.mail.conftest import MailboxServer, needs
from tests.support.desk import MemoryDesk, Shelf
from tests.support.eventually import eventually

NOW = datetime.now(timezone.utc)


def mail(name: str, text: str = "hola") -> bytes:
    return f"From: ana@example.com\r\nSubject: {name}\r\nMessage-ID: <{name}@example.com>\r\n\r\n{text}\r\n".encode()


def parse(raw: bytes, envelope: Envelope, ours: Ours, now: datetime) -> list[AnyEvent]:
    """One event per mail, named after its folder and Message-ID."""
    found = re.search(rb"Message-ID: <(.+?)@", raw)
    assert found, "this mail makes the parser fail"
    user = Address(channel="EMAIL", account=ours.address, user="ana@example.com")
    key = f"{envelope.folder}:{found[1].decode()}"
    return [Inbound(key=key, address=user, timestamp=envelope.received_at or now, platform_id=key, raw=len(raw))]


def ours(server: MailboxServer, max_bytes: int = 1024 * 1024) -> Ours:
    return Ours(
        address=server.user, domain="acme.test", secret=b"0123456789abcdef", stale=timedelta(hours=6), max_bytes=max_bytes
    )


def listener(mailbox: MailboxServer, /, **changes: Any) -> MailListener:
    """A listener that comes back at once after a failure."""
    values: dict[str, Any] = {
        "server": mailbox.address, "login": Credentials(user=mailbox.user, password=mailbox.password), "ours": ours(mailbox),
        "parse": parse, "clock": lambda: NOW, "idle_seconds": 60.0, "sleep": lambda seconds: asyncio.sleep(min(seconds, 0.02)),
        **changes,
    }  # fmt: skip
    return MailListener(**values)


@asynccontextmanager
async def listening(made: MailListener, desk: MemoryDesk) -> AsyncIterator[asyncio.Task[None]]:
    """Run it; it must stop promptly."""
    task = asyncio.create_task(made.run(desk))
    try:
        yield task
    finally:
        began = time.monotonic()
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.cancelled(), task
        assert time.monotonic() - began < 1


async def came(shelf: Shelf, *keys: str, within: float = 10.0) -> None:
    """Wait until these have come, and see that it is these, in this order, and nothing else."""

    async def all_there() -> bool:
        return len(shelf.keys) >= len(keys)

    await eventually(all_there, within=within)
    assert shelf.keys == list(keys)


async def ready(shelf: Shelf, server: MailboxServer, folders: int = 2) -> None:
    """Wait for the first look at the folders."""

    async def looked() -> bool:
        return len([name for name in shelf.memory if name.startswith(f"mail:{server.user}:")]) >= folders

    await eventually(looked)


async def asked(shelf: Shelf, times: int) -> None:
    """Wait until the desk has been asked so often more."""
    until = shelf.calls + times

    async def enough() -> bool:
        return shelf.calls >= until

    await eventually(enough)


@contextmanager
def quick() -> Iterator[Callable[[], float]]:
    """How many seconds it took."""
    began = time.monotonic()
    yield lambda: time.monotonic() - began


async def test_new_mail_is_there_within_seconds_and_old_mail_is_left_alone(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    mailbox_server.append("INBOX", mail("vieja"))
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
        for number in range(3):
            with quick() as seconds:
                mailbox_server.append("INBOX", mail(f"nueva{number}"))
                await came(shelf, *(f"inbox:nueva{n}" for n in range(number + 1)))
            # The listener looks by itself once a minute: this is the server's word.
            assert seconds() < 5


async def test_a_backlog_comes_whole_in_order_and_once(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
    count = BATCH + 15
    for number in range(count):
        mailbox_server.append("INBOX", mail(f"m{number}"))
    async with listening(listener(mailbox_server), shelf.desk()):
        await came(shelf, *(f"inbox:m{number}" for number in range(count)))
        mailbox_server.append("INBOX", mail("otra"))
        await came(shelf, *(f"inbox:m{number}" for number in range(count)), "inbox:otra")
    assert len(shelf.events) == count + 1


async def test_flags_stay_as_they_were(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
        mailbox_server.append(mailbox_server.sent, mail("enviada"))
        mailbox_server.append("INBOX", mail("una"))
        await came(shelf, "sent:enviada", "inbox:una")
    assert mailbox_server.flags("INBOX") == [""]
    assert mailbox_server.flags(mailbox_server.sent) == [""]


async def test_what_was_sent_from_the_mailbox_is_seen_as_sent(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    made = listener(mailbox_server)
    async with listening(made, shelf.desk()):
        await ready(shelf, mailbox_server)
        mailbox_server.append("INBOX", mail("pregunta"))
        await came(shelf, "inbox:pregunta")
        with quick() as seconds:
            mailbox_server.append(mailbox_server.sent, mail("respuesta"))
            made.look()
            await came(shelf, "inbox:pregunta", "sent:respuesta")
        assert seconds() < 5


async def test_the_folder_of_sent_mail_is_looked_at_without_being_told(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with listening(listener(mailbox_server, idle_seconds=0.3), shelf.desk()):
        await ready(shelf, mailbox_server)
        mailbox_server.append(mailbox_server.sent, mail("respuesta"))
        await came(shelf, "sent:respuesta")


async def test_a_configured_folder_of_sent_mail_wins_and_a_missing_one_does_no_harm(mailbox_server: MailboxServer) -> None:
    for configured, folders in (("INBOX", 1), ("No existe", 1), (mailbox_server.sent, 2)):
        shelf = Shelf()
        async with listening(listener(mailbox_server, sent_folder=configured), shelf.desk()):
            await ready(shelf, mailbox_server, folders)
            mailbox_server.append("INBOX", mail("una"))

            async def there(shelf: Shelf = shelf) -> bool:
                return bool(shelf.keys)

            await eventually(there)
            assert len(shelf.memory) == folders


# --- server and line ---------------------------------------------------------------------------------------------------


async def test_nothing_is_lost_when_the_server_dies_again_and_again(mailbox_server: MailboxServer) -> None:
    needs(mailbox_server, "restart")
    shelf = Shelf()
    expected: list[str] = []
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
        for life in range(8):
            for number in range(6):
                # In a thread, so that the server is killed wherever the listener is with what came before.
                await asyncio.to_thread(mailbox_server.append, "INBOX", mail(f"v{life}n{number}"))
                expected.append(f"inbox:v{life}n{number}")
            mailbox_server.kill()
            await asked(shelf, 3)
            mailbox_server.start()
        await came(shelf, *expected)
    assert not [event for event in shelf.events if isinstance(event, Unsupported)]


async def test_new_numbers_cost_nothing_and_bring_back_nothing_old(mailbox_server: MailboxServer) -> None:
    needs(mailbox_server, "renumber")
    shelf = Shelf()
    mailbox_server.append("INBOX", mail("antigua"), NOW - timedelta(days=9))
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
        mailbox_server.append("INBOX", mail("una"))
        await came(shelf, "inbox:una")
    mailbox_server.append("INBOX", mail("dos"))
    mailbox_server.renumber("INBOX")
    async with listening(listener(mailbox_server), shelf.desk()):
        await came(shelf, "inbox:una", "inbox:dos")
        mailbox_server.append("INBOX", mail("tres"))
        await came(shelf, "inbox:una", "inbox:dos", "inbox:tres")
    read_again = len(shelf.events)
    async with listening(listener(mailbox_server), shelf.desk()):
        mailbox_server.append("INBOX", mail("cuatro"))
        await came(shelf, "inbox:una", "inbox:dos", "inbox:tres", "inbox:cuatro")
    assert len(shelf.events) == read_again + 1


async def test_new_numbers_of_an_empty_folder_are_a_beginning(mailbox_server: MailboxServer) -> None:
    needs(mailbox_server, "renumber")
    shelf = Shelf()
    mailbox_server.append("INBOX", mail("antigua"), NOW - timedelta(days=9))
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
    mailbox_server.renumber("INBOX")
    async with listening(listener(mailbox_server), shelf.desk()):
        mailbox_server.append("INBOX", mail("una"))
        await came(shelf, "inbox:una")


async def test_it_stops_at_once_while_it_waits_and_leaves_no_thread(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)

    async def no_thread() -> bool:
        return not [thread for thread in threading.enumerate() if thread.name.startswith("imap")]

    await eventually(no_thread)


async def test_a_refused_login_is_tried_again_slowly(mailbox_server: MailboxServer) -> None:
    pauses: list[float] = []
    tried = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            tried.set()
        await asyncio.sleep(0)

    wrong = Credentials(user=mailbox_server.user, password="mala ñ")
    async with listening(listener(mailbox_server, login=wrong, sleep=sleep, random_number=lambda: 1.0), Shelf().desk()):
        await asyncio.wait_for(tried.wait(), 10)
    assert pauses[:3] == [LOGIN_PAUSE_SECONDS, 2 * LOGIN_PAUSE_SECONDS, 4 * LOGIN_PAUSE_SECONDS]


# --- one at a time -----------------------------------------------------------------------------------------------------


async def test_of_two_listeners_one_works_and_the_other_takes_over(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    first, second = shelf.desk("uno"), shelf.desk("dos")
    async with listening(listener(mailbox_server, lease_seconds=0.6), second):
        async with listening(listener(mailbox_server, lease_seconds=0.6), first):
            await ready(shelf, mailbox_server)
            for number in range(4):
                mailbox_server.append("INBOX", mail(f"m{number}"))
            await came(shelf, *(f"inbox:m{number}" for number in range(4)))
            await asked(shelf, 20)
            holder = shelf.leases[f"mail:{mailbox_server.user}"][0]
            worked, waited = (first, second) if holder == "uno" else (second, first)
            assert len(worked.received) == 4
            assert waited.received == []
            worked.evicted = True
        # `first` has stopped; whichever it was, `second` goes on.
        second.evicted = False
        mailbox_server.append("INBOX", mail("después"))
        await came(shelf, *(f"inbox:m{number}" for number in range(4)), "inbox:después")
        assert second.received[-1].key == "inbox:después"


async def test_a_bot_that_is_restarted_has_the_mailbox_at_once(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with listening(listener(mailbox_server, lease_seconds=600.0), shelf.desk("antes")):
        await ready(shelf, mailbox_server)
    async with listening(listener(mailbox_server, lease_seconds=600.0), shelf.desk("después")):
        mailbox_server.append("INBOX", mail("una"))
        await came(shelf, "inbox:una")


async def test_who_loses_the_lease_closes_at_once(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    desk = shelf.desk()
    async with listening(listener(mailbox_server, lease_seconds=0.3), desk):
        await ready(shelf, mailbox_server)
        before = mailbox_server.sessions()
        desk.evicted = True

        async def closed() -> bool:
            logins, ends = mailbox_server.sessions()
            return logins == before[0] and ends == logins

        await eventually(closed, within=2)
        mailbox_server.append("INBOX", mail("una"))
        await asked(shelf, 10)
        assert shelf.keys == []
        desk.evicted = False
        await came(shelf, "inbox:una")


# --- mail that does harm, and a database that is away --------------------------------------------------------------------


async def test_a_mail_that_the_parser_fails_on_is_laid_aside(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
        mailbox_server.append("INBOX", b"Subject: nada\r\n\r\nnada\r\n")
        mailbox_server.append("INBOX", mail("buena"))

        async def both() -> bool:
            return len(shelf.events) == 2

        await eventually(both)
    aside, good = shelf.events
    assert isinstance(aside, Unsupported)
    assert aside.raw["folder"] == "INBOX"
    assert aside.raw.keys() == {"folder", "uidvalidity", "uid", "size"}
    assert aside.key.startswith(f"email:{mailbox_server.user}:aside:INBOX:")
    assert good.key == "inbox:buena"


async def test_a_mail_that_the_database_refuses_is_laid_aside_after_some_tries(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    refused: list[str] = []

    def refuses(event: AnyEvent) -> bool:
        if event.key == "inbox:mala":
            refused.append(event.key)
        return event.key == "inbox:mala"

    shelf.refuses = refuses
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
        for name in ("uno", "mala", "dos"):
            mailbox_server.append("INBOX", mail(name))

        async def all_there() -> bool:
            return "inbox:dos" in shelf.keys

        await eventually(all_there)
    assert len(refused) == TRIES
    assert [type(event).__name__ for event in shelf.events] == ["Inbound", "Unsupported", "Inbound"]


async def test_a_mail_that_the_server_cannot_read_is_laid_aside_after_some_tries(mailbox_server: MailboxServer) -> None:
    needs(mailbox_server, "spoil", "restart")
    shelf = Shelf()
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
    for name in ("uno", "ilegible", "dos"):
        mailbox_server.append("INBOX", mail(name))
    mailbox_server.spoil("INBOX", 1)
    async with listening(listener(mailbox_server), shelf.desk()):

        async def all_there() -> bool:
            return "inbox:dos" in shelf.keys

        await eventually(all_there)
    assert [type(event).__name__ for event in shelf.events] == ["Inbound", "Unsupported", "Inbound"]


async def test_while_the_database_is_away_nothing_is_lost_and_nothing_laid_aside(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
        shelf.away = True
        for number in range(3):
            mailbox_server.append("INBOX", mail(f"m{number}"))
        # Far more failures than a mail may have.
        await asked(shelf, 10 * TRIES)
        assert shelf.events == []
        shelf.away = False
        await came(shelf, "inbox:m0", "inbox:m1", "inbox:m2")
    assert len(shelf.events) == 3


async def test_a_database_that_goes_away_at_the_same_mail_again_and_again_does_not_make_it_bad(
    mailbox_server: MailboxServer,
) -> None:
    shelf = Shelf()
    rounds: list[str] = []

    def goes_away(event: AnyEvent) -> bool:
        if len(rounds) < 2 * TRIES:
            rounds.append(event.key)
            shelf.away = True
        return shelf.away

    async def sleep(_: float) -> None:
        shelf.away = False
        await asyncio.sleep(0.01)

    shelf.refuses = goes_away
    async with listening(listener(mailbox_server, sleep=sleep), shelf.desk()):
        await ready(shelf, mailbox_server)
        mailbox_server.append("INBOX", mail("una"))
        await came(shelf, "inbox:una")
    assert rounds == ["inbox:una"] * 2 * TRIES
    assert len(shelf.events) == 1


async def test_of_an_oversize_mail_only_the_beginning_is_fetched(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with listening(listener(mailbox_server, ours=ours(mailbox_server, max_bytes=1000)), shelf.desk()):
        await ready(shelf, mailbox_server)
        mailbox_server.append("INBOX", mail("grande", "x" * 900 + "\r\n" + "y" * 50_000))
        mailbox_server.append("INBOX", mail("chica"))
        await came(shelf, "inbox:grande", "inbox:chica")
    assert [event.raw for event in shelf.events] == [1001, len(mail("chica"))]


async def test_the_servers_clock_says_when_a_mail_came(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    received = datetime(2026, 3, 1, 6, 30, 15, tzinfo=timezone(timedelta(hours=-6)))
    async with listening(listener(mailbox_server), shelf.desk()):
        await ready(shelf, mailbox_server)
        mailbox_server.append("INBOX", mail("una"), received)
        await came(shelf, "inbox:una")
    assert shelf.events[0].timestamp == received
    assert shelf.events[0].timestamp.utcoffset() == timedelta(0)


# --- TLS and XOAUTH2 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_mail_comes_over_tls(mailbox_server: MailboxServer, tls: Any) -> None:
    needs(mailbox_server, "tls")
    port = mailbox_server.tls_port if tls == "implicit" else mailbox_server.port
    address = Server(host=mailbox_server.host, port=port, tls=tls)
    shelf = Shelf()
    trusting = mailbox_server.certificate.of_client()
    async with listening(listener(mailbox_server, server=address, tls=trusting), shelf.desk()):
        await ready(shelf, mailbox_server)
        for name in ("uno", "dos"):
            mailbox_server.append("INBOX", mail(name))
        await came(shelf, "inbox:uno", "inbox:dos", within=5)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_stranger_with_a_certificate_of_its_own_gets_no_login(mailbox_server: MailboxServer, tls: Any) -> None:
    needs(mailbox_server, "tls")
    port = mailbox_server.tls_port if tls == "implicit" else mailbox_server.port
    shelf = Shelf()
    address = Server(host=mailbox_server.host, port=port, tls=tls)
    async with listening(listener(mailbox_server, server=address), shelf.desk()):
        await asked(shelf, 5)
    assert mailbox_server.sessions()[0] == 0


async def test_an_access_token_opens_the_mailbox_and_is_renewed_when_refused(mailbox_server: MailboxServer) -> None:
    needs(mailbox_server, "xoauth2")
    issued = iter(["token-viejo", "token-bueno"])
    http = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"access_token": next(issued), "expires_in": 3600}))
    )
    settings = Settings(email_oauth_token_url="https://login.test/token", email_oauth_client_id="id")
    shelf = Shelf()
    login = Credentials(user=mailbox_server.user, tokens=AccessTokens(http, settings))
    made = listener(mailbox_server, login=login)
    async with http, token_server(mailbox_server, "token-bueno") as seen, listening(made, shelf.desk()):
        await ready(shelf, mailbox_server)
        mailbox_server.append("INBOX", mail("una"))
        await came(shelf, "inbox:una")
    assert seen == ["token-viejo", "token-bueno"]


@asynccontextmanager
async def token_server(mailbox: MailboxServer, good: str) -> AsyncIterator[list[str]]:
    """Whom the mail server asks about a token; yields the tokens that it asked for."""
    seen: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        found = re.search(r"access_token=([^ &]+)", head) or re.search(r"Bearer (\S+)", head)
        token = found[1] if found else ""
        if "/tokeninfo" in head:
            seen.append(token)
        body = f'{{"email": "{mailbox.user}", "active": {"true" if token == good else "false"}}}'
        status = "200 OK" if token == good else "400 Bad Request"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                     f"Connection: close\r\n\r\n{body}".encode())
        writer.close()

    server = await asyncio.start_server(answer, mailbox.host, mailbox.token_port)
    try:
        yield seen
    finally:
        server.close()
        await server.wait_closed()
