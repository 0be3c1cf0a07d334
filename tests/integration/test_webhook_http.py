"""Posting to a real server that answers in every way that servers do."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from notify.feed import post
from notify.guard import Forbidden, NoAnswer, NotSent, Poster
from notify.service import utc_now
from notify.signing import new_secret
from tests.support.mail_servers import make_certificate
from tests.support.postgres import free_port
from tests.support.receiver import Receiver, Trouble, receiver

HERE = (ipaddress.ip_network("127.0.0.0/8"),)
SECRET = new_secret(lambda count: bytes(range(count)))
BODY = '{"type":"webhook.test","data":{"text":"¿Árnica?"}}'


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    made = Poster(HERE, answer_seconds=0.3)
    yield made
    await made.close()


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as running:
        yield running


async def test_a_post_arrives_signed_and_as_json(poster: Poster, server: Receiver) -> None:
    tried = await post(poster, server.url, "evt_1", BODY, [SECRET], utc_now())
    assert (tried.outcome, tried.status) == ("delivered", 200)
    (got,) = server.posts
    assert got.verified(SECRET)["data"]["text"] == "¿Árnica?"
    assert (got.headers["content-type"], got.id) == ("application/json", "evt_1")
    assert got.headers["host"] == urlsplit(server.url).netloc


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_2xx_is_a_yes(poster: Poster, server: Receiver, status: int) -> None:
    server.usual = status
    assert (await post(poster, server.url, "evt_1", BODY, [SECRET], utc_now())).outcome == "delivered"


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (500, "retry", "HTTP 500"), (503, "retry", "HTTP 503"), (404, "retry", "HTTP 404"), (401, "retry", "HTTP 401"),
        (429, "retry", "HTTP 429"), (410, "gone", "HTTP 410"), (301, "retry", "HTTP 301"),
        ("cut", "retry", "no answer"), ("silence", "retry", "no answer"), ("garbage", "retry", "no answer"),
    ],
)  # fmt: skip
async def test_everything_else_is_told_for_what_it_is(
    poster: Poster, server: Receiver, answer: int | Trouble, outcome: str, error: str
) -> None:
    server.usual = answer
    tried = await post(poster, server.url, "evt_1", BODY, [SECRET], utc_now())
    assert tried.outcome == outcome and error in str(tried.error)
    assert "/hook" not in str(tried.error)


async def test_a_redirect_is_not_followed(poster: Poster, server: Receiver) -> None:
    async with receiver() as elsewhere:
        server.usual, server.headers = 307, {"Location": elsewhere.url}
        assert (await post(poster, server.url, "evt_1", BODY, [SECRET], utc_now())).outcome == "retry"
        assert elsewhere.posts == []


async def test_an_answer_without_end_is_cut_after_a_kilobyte(poster: Poster, server: Receiver) -> None:
    server.usual = "flood"
    answer = await poster.post(server.url, BODY, {})
    assert answer.ok and len(answer.text) == 1024


async def test_a_receiver_may_say_when_to_come_back(poster: Poster, server: Receiver) -> None:
    server.usual, server.headers = 503, {"Retry-After": "120"}
    assert (await post(poster, server.url, "evt_1", BODY, [SECRET], utc_now())).wanted == 120


async def test_nobody_there_is_told_as_not_sent(poster: Poster) -> None:
    with pytest.raises(NotSent):
        await poster.post(f"http://127.0.0.1:{free_port()}/hook", BODY, {})


async def test_this_machine_is_refused_unless_it_is_allowed(server: Receiver) -> None:
    poster = Poster()
    try:
        with pytest.raises(Forbidden, match="WEBHOOK_ALLOW_NETWORKS"):
            await poster.post(server.url, BODY, {})
    finally:
        await poster.close()
    assert server.posts == []


async def _post_by_name(name: str, certificate_for: str, folder: Path) -> Any:
    """Post to a name that only our resolver knows, at a server that shows a certificate for ``certificate_for``."""
    certificate = make_certificate(folder, certificate_for)
    asked = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with receiver(certificate.of_server()) as server:
        poster = Poster(HERE, resolver=resolver, verify=certificate.of_client())
        try:
            port = urlsplit(server.url).port
            return await poster.post(f"https://{name}:{port}/hook", BODY, {}), server.posts, asked
        finally:
            await poster.close()


async def test_the_connection_goes_to_the_address_that_was_judged_under_the_names_certificate(tmp_path: Path) -> None:
    answer, posts, asked = await _post_by_name("hooks.example.com", "hooks.example.com", tmp_path)
    assert answer.ok and posts[0].headers["host"].startswith("hooks.example.com:")
    # Resolved once: there is no second answer that could lead elsewhere.
    assert asked == ["hooks.example.com"]


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotSent, match="certificate"):
        await _post_by_name("hooks.example.com", "other.example.com", tmp_path)


async def test_a_server_that_never_ends_its_answer_ends_in_time() -> None:
    poster = Poster(HERE, answer_seconds=0.2)
    async with receiver(usual="silence") as server:
        try:
            with pytest.raises(NoAnswer):
                await poster.post(server.url, BODY, {})
        finally:
            await poster.close()
