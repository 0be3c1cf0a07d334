"""What goes over the wire to Whapi, and what comes of its answers. Against a server on this machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from connectors.fit import fit
from connectors.http import http_client
from connectors.message import (
    Address,
    BadPayload,
    Button,
    Media,
    NeedsOperator,
    OutcomeUnknown,
    Outgoing,
    Retry,
    SendError,
    Unreachable,
)
from connectors.platform import Profile
from connectors.whapi.client import WhapiClient
from tests.unit.whapi.server import CHANNEL, TOKEN, Reply, Trouble, open_platform, settings, whapi

CHAT = "5215512345678@s.whatsapp.net"
CONTEXT = {"chat_id": CHAT, "message_id": "m_in-1111"}
ANA = Address(channel="WA", account=CHANNEL, user="+525512345678", context=CONTEXT)
NEVER_WROTE = Address(channel="WA", account=CHANNEL, user="+525512345678")
HOLA = Outgoing(text="Hola")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """The connections that the bot itself uses."""
    async with http_client(settings()) as opened:
        yield opened


def accepted(message_id: str = "m_out-2222") -> Reply:
    """A send's answer, as Whapi documents it."""
    return Reply({
        "sent": True,
        "message": {
            "id": message_id, "from_me": True, "type": "text", "chat_id": CHAT, "timestamp": 1763800004, "source": "api",
            "device_id": 11, "status": "pending", "text": {"body": "Hola"}, "from": "5215599990000",
        },
    })  # fmt: skip


def refused(status: int, message: str = "nope", **headers: str) -> Reply:
    body = {"error": {"code": status, "message": message, "details": "d", "href": "h", "support": "s"}}
    return Reply(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


async def test_a_text_goes_out_to_the_chat_that_the_customer_wrote_in(http: httpx.AsyncClient) -> None:
    async with whapi(accepted()) as server:
        assert await open_platform(server, http).send(ANA, HOLA, "omnicrm:7") == "m_out-2222"
        [request] = server.heard
    assert (request.method, request.path) == ("POST", "/messages/text")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {"to": CHAT, "body": "Hola", "typing_time": 1.0}


async def test_a_hidden_number_is_answered_where_it_wrote(http: httpx.AsyncClient) -> None:
    hidden = Address(channel="WA", account=CHANNEL, user="lid:69385314111689", context={"chat_id": "69385314111689@lid"})
    async with whapi(accepted(), accepted()) as server:
        platform = open_platform(server, http)
        await platform.send(hidden, HOLA, "omnicrm:7")
        await platform.send(Address(channel="WA", account=CHANNEL, user="lid:69385314111689"), HOLA, "omnicrm:8")
        assert [request.json["to"] for request in server.heard] == ["69385314111689@lid"] * 2


async def test_an_answer_in_a_group_quotes_what_it_answers(http: httpx.AsyncClient) -> None:
    group = "120363194291670000@g.us"
    to = Address(channel="WA", account=CHANNEL, user=group, context={"chat_id": group, "quoted": "m_in-1111"})
    async with whapi(accepted()) as server:
        await open_platform(server, http).send(to, HOLA, "omnicrm:7")
        assert (server.heard[0].json["to"], server.heard[0].json["quoted"]) == (group, "m_in-1111")


async def test_all_that_a_rich_message_becomes_is_sent_in_its_form(http: httpx.AsyncClient) -> None:
    taps = tuple(Button(title=f"Opción {n}", payload=f"/o{n}") for n in range(1, 5))
    rich = Outgoing(text="¿Cuál?", buttons=taps, media=Media(kind="file", url="https://x.example/lista%20de%20precios.pdf"))
    async with whapi(accepted("m_1-1111"), accepted("m_2-2222")) as server:
        platform = open_platform(server, http)
        parts = fit(rich, platform.capabilities)
        assert [await platform.send(ANA, part, "omnicrm:7") for part in parts] == ["m_1-1111", "m_2-2222"]
        first, second = server.heard
    assert first.path == "/messages/document"
    assert first.json["filename"] == "lista de precios.pdf"
    assert second.path == "/messages/interactive"
    assert second.json["type"] == "list"


async def test_a_number_that_never_wrote_is_asked_for_its_chat(http: httpx.AsyncClient) -> None:
    known = Reply({"contacts": [{"input": "+525512345678", "status": "valid", "wa_id": "5215512345678"}]})
    async with whapi(known, accepted()) as server:
        await open_platform(server, http).send(NEVER_WROTE, HOLA, "omnicrm:7")
        asked, sent = server.heard
    assert (asked.path, asked.json["contacts"], sent.json["to"]) == ("/contacts", ["+525512345678"], CHAT)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply({"contacts": [{"input": "+525512345678", "status": "invalid"}]}), Unreachable),
        (Reply({"contacts": []}), Unreachable),
        # Nothing was sent yet, so it may be tried again.
        ("hang up", Retry),
        (refused(500), Retry),
        (refused(401), NeedsOperator),
    ],
)
async def test_a_chat_that_is_not_found_leaves_the_message_unsent(
    http: httpx.AsyncClient, reply: Reply | Trouble, kind: type[SendError]
) -> None:
    async with whapi(reply) as server:
        with pytest.raises(kind):
            await open_platform(server, http).send(NEVER_WROTE, HOLA, "omnicrm:7")
        assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refused(400), BadPayload),
        (refused(401), NeedsOperator),
        (refused(402), NeedsOperator),
        (refused(403), Unreachable),
        (refused(404), BadPayload),
        (refused(404, "Channel not found"), NeedsOperator),
        (refused(413), BadPayload),
        (refused(415), BadPayload),
        (refused(429), Retry),
        (refused(500), OutcomeUnknown),
        (refused(502), Retry),
        (refused(503), Retry),
        (refused(504), OutcomeUnknown),
        (Reply(b"<html>not found</html>", 404), NeedsOperator),
        (Reply(None, 302, {"Location": "https://elsewhere.example/"}), NeedsOperator),
        (Reply({"sent": False, "message": {"id": "m_1-1111"}}), OutcomeUnknown),
        (Reply({"message": {"id": "m_1-1111"}}), OutcomeUnknown),
        (Reply({"sent": True, "message": {}}), OutcomeUnknown),
        (Reply({"sent": True}), OutcomeUnknown),
        (Reply(b"ok"), OutcomeUnknown),
        (Reply({"error": {"code": 403, "message": "x"}}), Unreachable),
        ("hang up", OutcomeUnknown),
    ],
)
async def test_what_went_wrong_says_what_to_do(http: httpx.AsyncClient, reply: Reply | Trouble, kind: type[SendError]) -> None:
    async with whapi(reply) as server:
        with pytest.raises(kind) as raised:
            await open_platform(server, http).send(ANA, HOLA, "omnicrm:7")
        assert len(server.heard) == 1
    assert type(raised.value) is kind
    assert TOKEN not in str(raised.value)


async def test_a_send_without_an_answer_in_time_is_never_repeated(http: httpx.AsyncClient) -> None:
    async with whapi("silence") as server:
        # The three seconds that the client adds for Whapi's typing are taken away again.
        client = WhapiClient(http, base_url=server.address, token=TOKEN, timeout=-2.9)
        with pytest.raises(OutcomeUnknown):
            await client.send(CHAT, HOLA)


async def test_an_answer_in_drops_does_not_hold_a_send_for_ever() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    # All waits together come to a tenth of a second.
    client = WhapiClient(
        httpx.AsyncClient(transport=httpx.MockTransport(never)), base_url="http://whapi.test", token=TOKEN, timeout=-8.9
    )
    with pytest.raises(OutcomeUnknown):
        await client.send(CHAT, HOLA)


async def test_where_nobody_listens_nothing_was_sent(http: httpx.AsyncClient) -> None:
    async with whapi() as server:
        platform = open_platform(server, http)
    with pytest.raises(Retry):
        await platform.send(ANA, HOLA, "omnicrm:7")


async def test_an_empty_message_is_never_sent(http: httpx.AsyncClient) -> None:
    async with whapi() as server:
        with pytest.raises(BadPayload):
            await open_platform(server, http).send(ANA, Outgoing(), "omnicrm:7")
        assert server.heard == []


async def test_a_limit_is_kept_by_not_calling_and_grows_until_a_send_goes_through(http: httpx.AsyncClient) -> None:
    now = [100.0]
    replies = [refused(429), refused(429), refused(429, Retry_After="7"), accepted(), refused(429)]
    async with whapi(*replies) as server:
        client = WhapiClient(http, base_url=server.address, token=TOKEN, clock=lambda: now[0])
        waits = []
        for _ in range(5):
            try:
                await client.send(CHAT, HOLA)
                continue
            except Retry as error:
                assert error.after
                waits.append(error.after)
            # Until then, nobody calls.
            with pytest.raises(Retry) as raised:
                await client.send(CHAT, HOLA)
            assert raised.value.after == pytest.approx(waits[-1])
            now[0] += waits[-1]
        assert waits == [1.0, 2.0, 7.0, 1.0]
        assert len(server.heard) == 5


async def test_seen_and_typing_are_told_to_whatsapp(http: httpx.AsyncClient) -> None:
    async with whapi(Reply({"success": True}), Reply({"success": True})) as server:
        platform = open_platform(server, http)
        await platform.signal(ANA, "seen")
        await platform.signal(ANA, "typing")
        seen, typing = server.heard
    assert (seen.method, seen.path, seen.body) == ("PUT", "/messages/m_in-1111", b"")
    assert (typing.method, typing.path, typing.json["presence"]) == ("PUT", f"/presences/{CHAT}", "typing")


async def test_a_courtesy_that_fails_is_of_no_consequence(http: httpx.AsyncClient) -> None:
    async with whapi(refused(500), "hang up") as server:
        platform = open_platform(server, http)
        await platform.signal(ANA, "seen")
        await platform.signal(ANA, "typing")
        # Who never wrote has nothing to be read and no chat to type in.
        await platform.signal(NEVER_WROTE, "seen")
        await platform.signal(NEVER_WROTE, "typing")
        assert len(server.heard) == 2


async def test_a_customer_is_looked_up_by_their_digits(http: httpx.AsyncClient) -> None:
    told = {"id": "5215512345678", "name": "Ana cliente", "pushname": "Ana", "profile_pic": "https://p/s", "saved": True}
    async with whapi(Reply(told), Reply({"id": "x", "name": "Beto", "profile_pic_full": "https://p/f"}), Reply({})) as server:
        platform = open_platform(server, http)
        hidden = Address(channel="WA", account=CHANNEL, user="lid:1234567", context={"chat_id": "1234567@lid"})
        assert await platform.profile(ANA) == Profile(name="Ana", picture_url="https://p/s")
        assert await platform.profile(NEVER_WROTE) == Profile(name="Beto", picture_url="https://p/f")
        assert await platform.profile(hidden) is None
        paths = [request.path for request in server.heard]
    assert paths == ["/contacts/5215512345678", "/contacts/525512345678", "/contacts/1234567@lid"]


async def test_a_group_has_no_profile(http: httpx.AsyncClient) -> None:
    async with whapi() as server:
        assert await open_platform(server, http).profile(Address(channel="WA", account=CHANNEL, user="1203631@g.us")) is None
        assert server.heard == []


@pytest.mark.parametrize("reply", [refused(404), refused(403), refused(500), refused(429), Reply(b"oops"), "hang up"])
async def test_a_customer_whom_whapi_does_not_know_has_no_profile(http: httpx.AsyncClient, reply: Reply | Trouble) -> None:
    async with whapi(reply) as server:
        assert await open_platform(server, http).profile(ANA) is None


@pytest.mark.parametrize("reply", [refused(401), refused(404, "Channel not found")])
async def test_an_unlinked_number_is_told_even_by_a_profile(http: httpx.AsyncClient, reply: Reply) -> None:
    async with whapi(reply) as server:
        with pytest.raises(NeedsOperator):
            await open_platform(server, http).profile(ANA)


async def test_an_id_stays_one_segment_of_the_address(http: httpx.AsyncClient) -> None:
    async with whapi(Reply({}), Reply({})) as server:
        client = WhapiClient(http, base_url=server.address, token=TOKEN)
        await client.mark_read("../settings?x=1")
        await client.show_typing("a/b@lid")
        assert [request.path for request in server.heard] == ["/messages/..%2Fsettings%3Fx%3D1", "/presences/a%2Fb@lid"]


async def test_the_token_is_in_no_address_and_in_no_log(http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    quoting = refused(400, f"bad token {TOKEN}")
    replies: list[Any] = [accepted(), quoting, "hang up", refused(401, f"token {TOKEN} is dead")]
    async with whapi(*replies) as server:
        platform = open_platform(server, http)
        await platform.send(ANA, HOLA, "omnicrm:7")
        for _ in range(3):
            with pytest.raises(SendError) as raised:
                await platform.send(ANA, HOLA, "omnicrm:7")
            assert TOKEN not in f"{raised.value!r} {raised.value.__cause__!r}"
        assert not [request for request in server.heard if TOKEN in request.path]
    assert TOKEN not in caplog.text
