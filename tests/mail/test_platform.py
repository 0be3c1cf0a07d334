"""The whole way of a mail: from a real mailbox to an event, and from an answer to a real server and back as its echo."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from typing import Any

import httpx
import pytest

from connectors.email.platform import Email
from connectors.message import Address, Echo, Inbound, NotOurThread, Outgoing, Unsupported
from connectors.platform import Listener
from omnicrm.settings import Settings, SettingsError
from tests.mail.conftest import MailboxServer
from tests.support.desk import Shelf
from tests.support.eventually import eventually
from tests.support.mail_servers import SmtpServer, smtp_server


def settings(mailbox: MailboxServer, smtp: SmtpServer, **changes: Any) -> Settings:
    return Settings(
        **{
            "email_address": mailbox.user, "email_name": "EXTRACTOS EUM", "email_reply_secret": "0123456789abcdef",
            "email_imap_url": f"imap://{mailbox.host}:{mailbox.port}", "email_smtp_url": f"smtp://{mailbox.host}:{smtp.port}",
            "email_password": mailbox.password, **changes,
        }
    )  # fmt: skip


def from_ana(mailbox: MailboxServer, number: int, text: str, *headers: str, to: str = "") -> bytes:
    lines = [
        "From: =?utf-8?q?Ana_P=C3=A9rez?= <ana@example.com>", f"To: {to or mailbox.user}", "Subject: Pedido",
        f"Message-ID: <ana-{number}@mail.example.com>", *headers, "Content-Type: text/plain; charset=utf-8", "", text, "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def from_a_person(mailbox: MailboxServer, to: str, answers: str) -> bytes:
    lines = [
        f"From: {mailbox.user}", f"To: {to}", f"Message-ID: <a-{to}>", f"In-Reply-To: {answers}", "Subject: Re: Pedido", "",
        "Van en camino", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


@asynccontextmanager
async def running(made: Email, shelf: Shelf) -> AsyncIterator[None]:
    task = asyncio.create_task(made.listen(shelf.desk()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.cancelled()


async def event(shelf: Shelf, number: int) -> Any:
    """The event with this number, counted from 0."""

    async def there() -> bool:
        return len(shelf.events) > number

    await eventually(there)
    return shelf.events[number]


async def test_a_conversation_goes_round(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with smtp_server(user=mailbox_server.user) as smtp, httpx.AsyncClient() as http:
        made = Email(settings(mailbox_server, smtp), http)
        assert isinstance(made, Listener)
        async with running(made, shelf):

            async def looked() -> bool:
                return len(shelf.memory) == 2

            await eventually(looked)
            mailbox_server.append("INBOX", from_ana(mailbox_server, 1, "¿Tienen árnica?"))
            asked = await event(shelf, 0)
            assert isinstance(asked, Inbound)
            assert asked.text == "¿Tienen árnica?"
            assert asked.address is not None

            message_id = await made.send(asked.address, Outgoing(text="Sí: ¿cuánta?"), "omnicrm:18")
            [taken] = smtp.mails
            assert taken.mail_from == mailbox_server.user
            assert taken.rcpt_to == ["ana@example.com"]
            answer = message_from_bytes(taken.content, policy=policy.default)
            assert answer["In-Reply-To"] == "<ana-1@mail.example.com>"
            assert answer["Subject"] == "Re: Pedido"
            assert answer["Message-ID"] == message_id

            # A server that keeps a copy: the bot knows its own words again.
            mailbox_server.append(mailbox_server.sent, taken.content)
            made._look()
            copy = await event(shelf, 1)
            assert isinstance(copy, Echo)
            assert copy.reference == "omnicrm:18"
            assert copy.platform_id == message_id
            assert copy.address == asked.address

            # The customer answers to the address with the token, in a program that quotes and forgets the ids.
            reply_to = answer["Reply-To"].addresses[0].addr_spec
            mailbox_server.append("INBOX", from_ana(mailbox_server, 2, "Dos kilos\r\n\r\n> Sí: ¿cuánta?", to=reply_to))
            again = await event(shelf, 2)
            assert isinstance(again, Inbound)
            assert again.text == "Dos kilos"
            assert again.address == asked.address

            # A person answers from the mailbox.
            person = from_a_person(mailbox_server, "ana@example.com", "<ana-2@mail.example.com>")
            mailbox_server.append(mailbox_server.sent, person)
            made._look()
            echo = await event(shelf, 3)
            assert isinstance(echo, Echo)
            assert echo.text == "Van en camino"
            assert echo.reference is None
    assert not [one for one in shelf.events if isinstance(one, Unsupported)]


async def test_what_a_person_has_just_answered_is_not_answered_again(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    ana = Address(channel="EMAIL", account=mailbox_server.user, user="ana@example.com")
    beto = Address(channel="EMAIL", account=mailbox_server.user, user="beto@example.com")
    async with smtp_server(user=mailbox_server.user) as smtp, httpx.AsyncClient() as http:
        made = Email(settings(mailbox_server, smtp), http)
        async with running(made, shelf):

            async def looked() -> bool:
                return len(shelf.memory) == 2

            await eventually(looked)
            # Nobody has told the bot: the server only tells of the inbox.
            mailbox_server.append(mailbox_server.sent, from_a_person(mailbox_server, "ana@example.com", "<ana-1@x>"))
            with pytest.raises(NotOurThread):
                await made.send(ana, Outgoing(text="Sí tenemos"), "omnicrm:1")
            assert isinstance(await event(shelf, 0), Echo)
            await made.send(beto, Outgoing(text="Sí tenemos"), "omnicrm:2")
            # Who is to be silent is remembered by the database, not here.
            await made.send(ana, Outgoing(text="Sí tenemos"), "omnicrm:3")
    assert [taken.rcpt_to for taken in smtp.mails] == [["beto@example.com"], ["ana@example.com"]]


async def test_an_answer_leaves_without_a_look_where_nobody_can_look(mailbox_server: MailboxServer) -> None:
    ana = Address(channel="EMAIL", account=mailbox_server.user, user="ana@example.com")
    async with smtp_server(user=mailbox_server.user) as smtp, httpx.AsyncClient() as http:
        made = Email(settings(mailbox_server, smtp), http)
        # Another process has the mailbox.
        await asyncio.wait_for(made.send(ana, Outgoing(text="Hola"), "omnicrm:1"), 3)
        shelf = Shelf()
        without_folder = Email(settings(mailbox_server, smtp, email_sent_folder="No existe"), http)
        async with running(without_folder, shelf):

            async def looked() -> bool:
                return len(shelf.memory) == 1

            await eventually(looked)
            await asyncio.wait_for(without_folder.send(ana, Outgoing(text="Hola"), "omnicrm:2"), 3)
        await made._smtp.close()
    assert len(smtp.mails) == 2


async def levels(mailbox: MailboxServer, smtp: SmtpServer, **changes: Any) -> dict[str, list[str]]:
    """What a check finds, by level."""
    async with httpx.AsyncClient() as http:
        found = await Email(settings(mailbox, smtp, **changes), http).check()
    return {level: [one.text for one in found if one.level == level] for level in ("ok", "warning", "error")}


async def test_a_check_of_a_good_mailbox_finds_nothing_wrong(mailbox_server: MailboxServer) -> None:
    async with smtp_server(user=mailbox_server.user) as smtp:
        found = await levels(mailbox_server, smtp, email_authserv_ids=("mx.acme.test",), email_postmark_token="palabra")
        assert found["error"] == found["warning"] == []
        assert found["ok"] == [
            "IMAP deja entrar y leer la bandeja de entrada", f"La carpeta de enviados es «{mailbox_server.sent}»",
            "postmark puede entregar en https://(tu servidor)/api/webhooks/email/postmark", "SMTP deja entrar",
        ]  # fmt: skip
    assert smtp.mails == []


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"email_password": "mala"}, "error", ["IMAP no acepta la cuenta", "No se puede enviar. El servidor de"]),
        ({"email_imap_url": "imap://127.0.0.1:9"}, "error", ["No hay conexión con IMAP"]),
        ({"email_smtp_url": "smtp://127.0.0.1:9"}, "error", ["No se puede enviar. No hay conexión"]),
        ({"email_sent_folder": "Otra"}, "warning", ["No se encontró la carpeta de enviados"]),
        ({"email_authserv_ids": ()}, "warning", ["EMAIL_AUTHSERV_IDS"]),
    ],
)
async def test_a_check_names_what_is_wrong_and_what_to_do(
    mailbox_server: MailboxServer, changes: dict[str, Any], level: str, words: list[str]
) -> None:
    async with smtp_server(user=mailbox_server.user) as smtp:
        found = await levels(mailbox_server, smtp, **{"email_authserv_ids": ("mx.acme.test",), **changes})
    assert len(found[level]) == len(words)
    assert all(word in text for word, text in zip(words, found[level], strict=True))


async def test_without_a_mailbox_to_fetch_from_it_listens_to_nothing(mailbox_server: MailboxServer) -> None:
    shelf = Shelf()
    async with smtp_server(user=mailbox_server.user) as smtp, httpx.AsyncClient() as http:
        made = Email(settings(mailbox_server, smtp, email_imap_url="", email_mailgun_signing_key="llave"), http)
        async with running(made, shelf):
            await asyncio.sleep(0)
        assert shelf.calls == 0


@pytest.mark.parametrize("changes", [{"email_reply_secret": ""}, {"email_sendgrid_public_key": "nada"}])
async def test_it_does_not_start_half(mailbox_server: MailboxServer, changes: dict[str, Any]) -> None:
    make: Callable[[Settings, httpx.AsyncClient], Email] = Email
    async with smtp_server() as smtp, httpx.AsyncClient() as http:
        with pytest.raises(SettingsError, match=f"^{next(iter(changes)).upper()}: "):
            make(settings(mailbox_server, smtp, **changes), http)
