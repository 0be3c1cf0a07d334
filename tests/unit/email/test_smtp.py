"""Sending, against a real SMTP server in this process that refuses, hangs up and falls silent where we want."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.email.compose import Mail, compose
from connectors.email.envelope import Ours
from connectors.email.oauth import AccessTokens, Credentials
from connectors.email.settings import Server
from connectors.email.smtp import IDLE_SECONDS, LATER_SECONDS, MUCH_LATER_SECONDS, SmtpClient, refusal
from connectors.message import (
    Address,
    BadPayload,
    NeedsOperator,
    OutcomeUnknown,
    Outgoing,
    Retry,
    SendError,
    Unreachable,
)
from omnicrm.settings import Settings
from tests.support.eventually import eventually
from tests.support.mail_servers import (
    HANG_UP,
    HOST,
    PASSWORD,
    SILENCE,
    TOKEN,
    USER,
    Certificate,
    SmtpServer,
    make_certificate,
    smtp_server,
    xoauth2,
)

OURS = Ours(address=USER, domain="acme.test", secret=b"0123456789abcdef", stale=timedelta(hours=6))
NOW = datetime(2026, 11, 22, 15, 15, 6, tzinfo=timezone.utc)
WITH_PASSWORD = Credentials(user=USER, password=PASSWORD)
SHORT = 0.4


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder: Path = tmp_path_factory.mktemp("certificate")
    return make_certificate(folder)


def mail(number: int = 1, text: str = "Hola", to: str = "ana@example.com") -> Mail:
    address = Address(channel="EMAIL", account=USER, user=to)
    return compose(address, Outgoing(text=text), f"omnicrm:{number}", OURS, "ACME", NOW)


def client(server: SmtpServer, login: Credentials = WITH_PASSWORD, **changes: Any) -> SmtpClient:
    return SmtpClient(changes.pop("address", server.address), login, sender=USER, **changes)


async def failure(work: Awaitable[None]) -> SendError:
    with pytest.raises(SendError) as failed:
        await work
    return failed.value


async def test_a_mail_arrives_byte_by_byte() -> None:
    sent = mail(text="primera\n.\n.oculta\n..\nFrom aquí\n" + "x" * 2000)
    async with smtp_server() as server:
        smtp = client(server)
        await smtp.send(sent)
        await smtp.close()
    [taken] = server.mails
    assert taken.mail_from == USER
    assert taken.rcpt_to == ["ana@example.com"]
    assert taken.content == sent.content


async def test_one_connection_and_one_login_serve_many_mails_one_after_the_other() -> None:
    async with smtp_server() as server:
        smtp = client(server)
        await asyncio.gather(*(smtp.send(mail(number)) for number in range(1, 6)))
        await smtp.close()
    assert server.connections == 1
    assert server.commands().count("AUTH") == 1
    assert sorted(taken.content for taken in server.mails) == sorted(mail(number).content for number in range(1, 6))


async def test_after_a_minute_a_new_connection_is_made() -> None:
    now = 1000.0
    async with smtp_server() as server:
        smtp = client(server, clock=lambda: now)
        await smtp.send(mail(1))
        now += IDLE_SECONDS
        await smtp.send(mail(2))
        assert server.connections == 1
        now += IDLE_SECONDS + 1
        await smtp.send(mail(3))
        assert server.connections == 2
        await smtp.close()
    assert len(server.mails) == 3


async def test_a_connection_that_the_server_closed_meanwhile_is_made_anew() -> None:
    async with smtp_server() as server:
        smtp = client(server)
        await smtp.send(mail(1))
        server.hang_up()
        await smtp.send(mail(2))
        server.answer("RSET", "421 4.3.2 bye")
        await smtp.send(mail(3))
        await smtp.close()
    assert [taken.content for taken in server.mails] == [mail(number).content for number in (1, 2, 3)]
    assert server.connections == 3


# What the server says where, what that means, and when to come back.
REFUSALS: list[tuple[str, str, type[SendError], float | None]] = [
    ("greeting", "421 4.3.2 too many connections", Retry, LATER_SECONDS),
    ("greeting", "554 5.7.1 no service for you", NeedsOperator, None),
    ("EHLO", "550 5.5.1 who are you", NeedsOperator, None),
    ("AUTH", "535 5.7.8 bad credentials", NeedsOperator, None),
    ("AUTH", "454 4.7.0 temporary failure", Retry, LATER_SECONDS),
    ("AUTH", "550 5.7.30 Basic authentication is not supported for Client Submission.", NeedsOperator, None),
    ("MAIL", "451 4.7.1 later", Retry, LATER_SECONDS),
    ("MAIL", "530 5.7.0 authentication required", NeedsOperator, None),
    ("MAIL", "550 5.7.60 SendAsDenied", NeedsOperator, None),
    ("MAIL", "550 5.4.5 Daily user sending limit exceeded", Retry, MUCH_LATER_SECONDS),
    ("RCPT", "450 4.2.0 greylisted", Retry, LATER_SECONDS),
    ("RCPT", "452 4.5.3 too many", Retry, LATER_SECONDS),
    ("RCPT", "550 5.1.1 no such user", Unreachable, None),
    ("RCPT", "550 unknown", Unreachable, None),
    ("RCPT", "553 5.1.3 bad address", Unreachable, None),
    ("RCPT", "550 5.2.1 mailbox closed", Unreachable, None),
    ("RCPT", "552 5.2.2 mailbox full", BadPayload, None),
    ("RCPT", "554 5.7.1 rejected", BadPayload, None),
    ("RCPT", "550 5.7.1 relaying denied", BadPayload, None),
    ("RCPT", "535 5.7.8 log in first", NeedsOperator, None),
    ("DATA", "451 4.3.0 later", Retry, LATER_SECONDS),
    ("DATA", "554 5.5.1 no valid recipients", BadPayload, None),
    ("content", "421 4.3.2 shutting down", Retry, LATER_SECONDS),
    ("content", "452 4.3.1 disk full", Retry, LATER_SECONDS),
    ("content", "552 5.3.4 too big", BadPayload, None),
    ("content", "554 5.7.1 spam", BadPayload, None),
    ("content", "550 5.1.1 no such user after all", Unreachable, None),
    ("content", "550 5.7.60 SendAsDenied", NeedsOperator, None),
    ("content", "550 5.4.5 Daily user sending limit exceeded", Retry, MUCH_LATER_SECONDS),
]


@pytest.mark.parametrize(("stage", "answer", "kind", "after"), REFUSALS, ids=[f"{r[0]} {r[1][:9]}" for r in REFUSALS])
async def test_a_refusal_means_what_it_says_where_it_is_said(
    stage: str, answer: str, kind: type[SendError], after: float | None
) -> None:
    async with smtp_server() as server:
        server.answer(stage, answer)
        smtp = client(server)
        failed = await failure(smtp.send(mail(1)))
        assert type(failed) is kind
        assert (failed.after if isinstance(failed, Retry) else None) == after
        assert failed.code is not None
        assert answer[:3] in failed.code
        assert server.mails == []
        # And nothing of it is left in the way of the next mail.
        await smtp.send(mail(2))
        await smtp.close()
    assert [taken.content for taken in server.mails] == [mail(2).content]


@pytest.mark.parametrize("doing", [HANG_UP, SILENCE], ids=["hangs up", "is silent"])
@pytest.mark.parametrize("stage", ["greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"])
async def test_a_server_that_goes_away_before_the_content_got_nothing(stage: str, doing: object) -> None:
    async with smtp_server() as server:
        server.answer(stage, doing)
        smtp = client(server, timeout=SHORT)
        assert type(await failure(smtp.send(mail(1)))) is Retry
        await smtp.send(mail(2))
        await smtp.close()
    assert [taken.content for taken in server.mails] == [mail(2).content]


@pytest.mark.parametrize("doing", [HANG_UP, SILENCE, "no SMTP at all", "354 go on"], ids=["gone", "silent", "garbage", "354"])
async def test_without_an_answer_to_the_content_nobody_knows(doing: object) -> None:
    async with smtp_server() as server:
        server.answer("content", doing)
        smtp = client(server, timeout=SHORT)
        assert type(await failure(smtp.send(mail(1)))) is OutcomeUnknown
        await smtp.send(mail(2))
        await smtp.close()
    assert server.connections == 2


async def test_garbage_before_the_content_is_no_connection() -> None:
    async with smtp_server() as server:
        server.answer("MAIL", "what?")
        smtp = client(server)
        assert type(await failure(smtp.send(mail(1)))) is Retry
        await smtp.send(mail(2))
        await smtp.close()
    assert server.connections == 2


async def test_no_server_is_try_again() -> None:
    async with smtp_server() as server:
        gone = server.address
    assert type(await failure(SmtpClient(gone, WITH_PASSWORD, sender=USER).send(mail()))) is Retry


async def test_who_waits_for_a_slow_mail_too_long_tries_again() -> None:
    async with smtp_server() as server:
        server.answer("content", SILENCE)
        smtp = client(server, timeout=SHORT)
        first, second = await asyncio.gather(smtp.send(mail(1)), smtp.send(mail(2)), return_exceptions=True)
    assert type(first) is OutcomeUnknown
    assert type(second) is Retry


async def test_a_cancelled_send_leaves_no_half_conversation_behind() -> None:
    async with smtp_server() as server:
        server.answer("RCPT", SILENCE)
        smtp = client(server)
        sending = asyncio.create_task(smtp.send(mail(1)))

        async def asked() -> bool:
            return "RCPT" in server.commands()

        await eventually(asked)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        # At once: it does not wait for an answer on the old connection.
        await asyncio.wait_for(smtp.send(mail(2)), 2)
        await smtp.close()
    assert [taken.content for taken in server.mails] == [mail(2).content]
    assert server.connections == 2


# --- secrets and TLS ---------------------------------------------------------------------------------------------------


async def test_starttls_comes_before_the_password(certificate: Certificate) -> None:
    async with smtp_server("starttls", certificate) as server:
        smtp = client(server, tls=certificate.of_client())
        await smtp.send(mail())
        await smtp.close()
        commands = server.commands()
    assert commands.index("STARTTLS") < commands.index("AUTH")
    assert len(server.mails) == 1


async def test_tls_from_the_first_byte(certificate: Certificate) -> None:
    async with smtp_server("implicit", certificate) as server:
        smtp = client(server, tls=certificate.of_client())
        await smtp.send(mail())
        await smtp.close()
    assert len(server.mails) == 1


@pytest.mark.parametrize("login", ["password", "token"])
async def test_a_server_without_starttls_never_gets_the_credentials(login: str) -> None:
    async with smtp_server() as server, tokens() as (issued, _):
        credentials = WITH_PASSWORD if login == "password" else Credentials(user=USER, tokens=issued)
        smtp = client(server, credentials, address=Server(host=HOST, port=server.port, tls="starttls"))
        failed = await failure(smtp.send(mail()))
        assert isinstance(failed, NeedsOperator)
        assert "STARTTLS" in failed.detail
        assert server.commands() == ["EHLO", ""]
    assert server.mails == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_stranger_with_a_certificate_of_its_own_never_gets_the_password(tls: Any, certificate: Certificate) -> None:
    async with smtp_server(tls, certificate) as server:
        failed = await failure(client(server).send(mail()))
        assert isinstance(failed, NeedsOperator)
        assert "certificado" in failed.detail
        assert "AUTH" not in server.commands()


async def test_a_server_that_offers_no_login_gets_no_password() -> None:
    async with smtp_server() as server:
        server.answer("EHLO", "250 mail.test")
        assert isinstance(await failure(client(server).send(mail())), NeedsOperator)
        assert "AUTH" not in server.commands()


async def test_without_credentials_a_relay_is_not_asked_to_let_us_in() -> None:
    async with smtp_server() as server:
        smtp = client(server, Credentials(user=USER))
        await smtp.send(mail())
        await smtp.close()
        assert "AUTH" not in server.commands()
    assert len(server.mails) == 1


async def test_a_refused_login_is_not_forgotten() -> None:
    async with smtp_server() as server:
        smtp = client(server, Credentials(user=USER, password="mala"))
        for _ in range(2):
            assert isinstance(await failure(smtp.send(mail())), NeedsOperator)
        assert "MAIL" not in server.commands()


async def test_probing_logs_in_and_sends_nothing() -> None:
    async with smtp_server() as server:
        smtp = client(server)
        await smtp.probe()
        await smtp.close()
        assert "AUTH" in server.commands()
        assert "MAIL" not in server.commands()


async def test_no_secret_is_told_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with smtp_server() as server:
        smtp = client(server, Credentials(user=USER, password="clave-que-no-sale"))
        failed = await failure(smtp.send(mail()))
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("mail")]
    for told in (str(failed), repr(failed), repr(Credentials(user=USER, password="clave-que-no-sale")), *ours):
        assert "clave-que-no-sale" not in told


def test_what_a_server_says_is_kept_in_one_short_line() -> None:
    told = refusal("content", 554, "5.7.1 no\r\n\x00" + "x" * 500).detail
    assert "\n" not in told
    assert "\x00" not in told
    assert len(told) < 260


# --- XOAUTH2 -----------------------------------------------------------------------------------------------------------


Tokens = AbstractAsyncContextManager[tuple[AccessTokens, list[dict[str, str]]]]


def tokens(*answers: Any, clock: Callable[[], float] = time.monotonic) -> Tokens:
    """Access tokens from a provider that gives these answers, and the requests that it gets."""
    given = list(answers) or [TOKEN]
    requests: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(dict(httpx.QueryParams(request.content.decode())))
        found = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(found, httpx.Response):
            return found
        return httpx.Response(200, json={"access_token": found, "expires_in": 3600})

    @asynccontextmanager
    async def made() -> AsyncIterator[tuple[AccessTokens, list[dict[str, str]]]]:
        settings = Settings(
            email_oauth_token_url="https://login.test/token", email_oauth_client_id="id", email_oauth_client_secret="secreto",
            email_oauth_refresh_token="refresco",
        )
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            yield AccessTokens(http, settings, clock=clock), requests

    return made()


async def test_the_initial_response_is_as_google_and_microsoft_want_it() -> None:
    # Computed by hand from Google's documentation of XOAUTH2.
    assert xoauth2("bot@acme.mx", "TOKEN") == "dXNlcj1ib3RAYWNtZS5teAFhdXRoPUJlYXJlciBUT0tFTgEB"
    async with smtp_server() as server, tokens() as (issued, requests):
        smtp = client(server, Credentials(user=USER, tokens=issued))
        await smtp.send(mail())
        await smtp.close()
        assert f"AUTH XOAUTH2 {xoauth2(USER, TOKEN)}\r\n".encode() in server.heard
    assert len(server.mails) == 1
    assert requests == [
        {"client_id": "id", "client_secret": "secreto", "grant_type": "refresh_token", "refresh_token": "refresco"}
    ]


async def test_a_token_serves_until_its_end() -> None:
    now = 0.0
    async with tokens("uno", "dos", clock=lambda: now) as (issued, requests):
        assert await issued.get() == "uno"
        now = 3600 - 61
        assert await issued.get() == "uno"
        now = 3600 - 60
        assert await issued.get() == "dos"
        assert len(requests) == 2


async def test_a_refused_token_is_replaced_once() -> None:
    async with smtp_server() as server, tokens("token-viejo", TOKEN) as (issued, requests):
        smtp = client(server, Credentials(user=USER, tokens=issued))
        await smtp.send(mail())
        await smtp.close()
        assert len(requests) == 2
    assert len(server.mails) == 1


async def test_a_token_that_is_refused_again_needs_the_operator() -> None:
    async with smtp_server() as server, tokens("token-viejo", "otro-malo") as (issued, requests):
        failed = await failure(client(server, Credentials(user=USER, tokens=issued)).send(mail()))
        assert isinstance(failed, NeedsOperator)
        assert server.commands().count("AUTH") == 2
        assert len(requests) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(400, json={"error": "invalid_grant", "error_description": "refresco"}), NeedsOperator),
        (httpx.Response(200, json={"token": 1}), NeedsOperator),
        (httpx.Response(200, text="hola"), NeedsOperator),
        (httpx.Response(302, headers={"location": "https://elsewhere.test/"}), NeedsOperator),
        (httpx.Response(429), Retry),
        (httpx.Response(503), Retry),
    ],
)
async def test_a_provider_that_gives_no_token_stops_the_mail_and_tells_no_secret(
    answer: httpx.Response, kind: type[SendError]
) -> None:
    async with smtp_server() as server, tokens(answer) as (issued, _):
        failed = await failure(client(server, Credentials(user=USER, tokens=issued)).send(mail()))
        assert type(failed) is kind
        assert "refresco" not in str(failed)
        assert "secreto" not in str(failed)
        assert server.connections == 0


async def test_a_new_refresh_token_replaces_the_old() -> None:
    def renewed(number: int) -> httpx.Response:
        return httpx.Response(200, json={"access_token": f"t{number}", "expires_in": 0, "refresh_token": f"r{number}"})

    async with tokens(renewed(1), renewed(2)) as (issued, requests):
        await issued.get()
        await issued.get()
        assert [request["refresh_token"] for request in requests] == ["refresco", "r1"]


# --- international addresses -------------------------------------------------------------------------------------------


async def test_an_international_address_is_written_to_where_the_server_can() -> None:
    async with smtp_server() as server:
        smtp = client(server)
        await smtp.send(mail(to="josé@example.com"))
        await smtp.close()
        assert server.mails[0].rcpt_to == ["josé@example.com"]
    async with smtp_server(take_utf8=False) as server:
        smtp = client(server)
        assert isinstance(await failure(smtp.send(mail(to="josé@example.com"))), Unreachable)
        await smtp.send(mail(to="ana@example.com"))
        await smtp.close()
