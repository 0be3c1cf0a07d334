"""What becomes of a request when the other side misbehaves: whether any of it left decides if it may be repeated."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from connectors.http import AiohttpTransport, http_client
from omnicrm.settings import Settings

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """A server that treats its callers like that."""
    done: list[asyncio.StreamWriter] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.append(writer)
        await serve(reader, writer)

    listening = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        for writer in done:
            writer.close()
        listening.close()
        await listening.wait_closed()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=httpx.Timeout(5.0, connect=3.0)) as opened:
        yield opened


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


def answering(answer: bytes, heard: list[bytes]) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                heard.append(await request_of(reader))
            except asyncio.IncompleteReadError:
                return
            writer.write(answer)

    return serve


async def test_request_and_answer_travel_whole(client: httpx.AsyncClient) -> None:
    heard: list[bytes] = []
    body = gzip.compress("¡Hola! 🌿".encode())
    head = f"HTTP/1.1 201 Created\r\nX-Two: a\r\nX-Two: b\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    async with server(answering(head.encode() + body, heard)) as address:
        for _ in range(2):
            answer = await client.post(f"{address}/v1/a%2Fb", params={"q": "ñ &"}, json={"text": "sí"}, headers={"X-One": "1"})
    assert (answer.status_code, answer.text, answer.headers.get_list("x-two")) == (201, "¡Hola! 🌿", ["a", "b"])
    head, _, sent = heard[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v1/a%2fb?q=%c3%b1+%26 http/1.1" or lines[0] == b"post /v1/a%2fb?q=%c3%b1%20%26 http/1.1"
    assert lines.count(b"x-one: 1") == 1
    assert lines.count(b"content-type: application/json") == 1
    assert len([line for line in lines if line.startswith((b"user-agent:", b"accept:", b"accept-encoding:"))]) == 3
    assert httpx.Response(200, content=sent).json() == {"text": "sí"}


async def test_a_refused_connection_sent_nothing(client: httpx.AsyncClient) -> None:
    async with server(answering(b"", [])) as address:
        pass
    with pytest.raises(httpx.ConnectError):
        await client.post(address, json={})


async def test_a_server_that_takes_no_connection_in_time_was_sent_nothing() -> None:
    # A listening socket whose queue is full neither refuses nor accepts.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        host, port = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex((host, port))
        async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=httpx.Timeout(5.0, connect=0.2)) as client:
            with pytest.raises((httpx.ConnectTimeout, httpx.ConnectError)):
                await client.post(f"http://{host}:{port}", json={})
        for one in waiting:
            one.close()


async def test_a_connection_that_ends_after_the_request_may_have_sent_it(client: httpx.AsyncClient) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.close()

    async with server(hang_up) as address:
        with pytest.raises(httpx.ReadError):
            await client.post(address, json={})


async def test_a_connection_that_is_reset_after_the_request_may_have_sent_it(client: httpx.AsyncClient) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.transport.abort()

    async with server(reset) as address:
        with pytest.raises(httpx.ReadError):
            await client.post(address, json={})


async def test_an_answer_that_does_not_come_in_time_may_have_been_sent() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(silence) as address, http_client(Settings(send_timeout_seconds=0.2)) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(address, json={})


async def test_a_connection_may_rest_longer_than_an_answer_may_take() -> None:
    heard: list[bytes] = []
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with server(answering(answer, heard)) as address, http_client(Settings(send_timeout_seconds=0.1)) as client:
        assert (await client.post(address, json={})).status_code == 200
        (connection,) = next(iter(client._transport._session.connector._conns.values()))
        # What fires in a connection that rests would end the next request on it as sent and not answered.
        assert connection[0]._read_timeout_handle is None
        assert connection[0]._read_timeout is None


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", b"not HTTP at all\r\n\r\n"])
async def test_an_answer_that_breaks_off_or_is_none_may_have_been_sent(answer: bytes, client: httpx.AsyncClient) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(answer)
        writer.close()

    async with server(break_off) as address:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.post(address, json={})


async def test_a_kept_connection_that_the_server_has_closed_is_not_used_again(client: httpx.AsyncClient) -> None:
    heard: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await request_of(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with server(once) as address:
        for _ in range(5):
            assert (await client.post(address, json={})).status_code == 200
            # The end of the connection arrives in the loop's next rounds.
            for _ in range(20):
                await asyncio.sleep(0)
    assert len(heard) == 5


async def test_no_redirect_is_followed_and_no_cookie_kept() -> None:
    heard: list[bytes] = []
    moved = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with server(answering(moved, heard)) as address, http_client(Settings()) as client:
        assert (await client.get(address)).status_code == 302
        assert (await client.get(address)).status_code == 302
    assert len(heard) == 2


@pytest.mark.parametrize("address", ["ftp://x.mx", "http://"])
async def test_an_address_that_is_none_was_sent_nothing(address: str, client: httpx.AsyncClient) -> None:
    with pytest.raises((httpx.UnsupportedProtocol, httpx.ConnectError)):
        await client.get(address)
