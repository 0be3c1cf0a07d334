"""Webhooks reach any HTTP server, over connections that are used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from simulator.poster import NoAnswer, Poster


@dataclass
class Server:
    """Answers every request with the same bytes; counts connections."""

    url: str = ""
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    close_after: bool = False
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(length))
                writer.write(self.answer)
                await writer.drain()
                if self.close_after:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    server.url = f"http://{host}:{port}/hook?a=1"
    yield server
    listening.close()


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    poster = Poster()
    yield poster
    await poster.close()


async def post(poster: Poster, server: Server, body: bytes = b"{}", limit: float = 5):
    return await poster.request("POST", server.url, {"X-Hub-Signature-256": "sha256=00"}, body, limit)


async def test_headers_path_and_body_arrive_as_they_are(poster: Poster, server: Server):
    answer = await post(poster, server, b"\xff\x00 raw")
    assert (answer.status, answer.body, server.bodies) == (200, b"ok", [b"\xff\x00 raw"])
    assert server.heads[0].startswith(b"POST /hook?a=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"X-Hub-Signature-256: sha256=00\r\n" in server.heads[0]


async def test_a_connection_is_used_again_until_the_server_closes_it(poster: Poster, server: Server):
    for _ in range(3):
        await post(poster, server)
    assert server.connections == 1
    server.answer = server.answer.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    server.close_after = True
    for _ in range(3):
        assert (await post(poster, server)).status == 200
    assert server.connections == 3


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2;x=y\r\n!!\r\n0\r\nTrailer: 1\r\n\r\n",
            b"hello!!",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ],
)
async def test_every_way_to_end_an_answer_is_understood(poster: Poster, server: Server, raw: bytes, body: bytes):
    server.answer, server.close_after = raw, b"until" in raw
    assert [(await post(poster, server)).body for _ in range(2)] == [body, body]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_what_is_no_whole_answer_is_none(poster: Poster, server: Server, raw: bytes):
    server.answer, server.close_after = raw, True
    with pytest.raises(NoAnswer):
        await post(poster, server)


async def test_too_slow_is_no_answer(poster: Poster, server: Server):
    server.answer = b"HTTP/1.1 200 OK\r\n"
    with pytest.raises(NoAnswer, match="ReadTimeout"):
        await post(poster, server, limit=0.1)
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert (await post(poster, server)).status == 200  # on a connection of its own


async def test_nobody_there_is_no_answer(poster: Poster):
    with pytest.raises(NoAnswer, match="ConnectError"):
        await poster.request("POST", "http://127.0.0.1:1/", {}, b"", 5)
