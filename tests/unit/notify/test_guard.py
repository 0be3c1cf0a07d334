"""No address leads into a private network."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest

from notify.guard import Forbidden, NotSent, Poster, judge
from notify.settings import webhook_url

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    with pytest.raises(Forbidden, match="WEBHOOK_ALLOW_NETWORKS"):
        judge(address, ())


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_taken(address: str) -> None:
    judge(address, ())


def test_only_the_networks_that_are_allowed_are_taken() -> None:
    allowed = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8"))
    judge("10.1.2.3", allowed)
    judge("fd00::1", allowed)
    judge("::ffff:10.1.2.3", allowed)
    for refused in ("10.2.0.1", "127.0.0.1", "fe80::1"):
        with pytest.raises(Forbidden):
            judge(refused, allowed)


@pytest.mark.parametrize(
    "address",
    ["http://example.com/x", "ftp://example.com", "https://", "https://a:b@example.com", "https://example.com/#x",
     "https://example.com:0", "https://example.com/a b", "https://ejémplo.mx", "javascript:alert(1)"],
)  # fmt: skip
def test_addresses_of_another_form_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must"):
        webhook_url(address)


async def _post_to(url: str, *addresses: str) -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        return addresses

    poster = Poster(resolver=resolver)
    try:
        await poster.post(url, "{}", {})
    finally:
        await poster.close()


async def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    with pytest.raises(Forbidden):
        await _post_to("https://hooks.example.com/x", "8.8.8.8", "10.0.0.1")


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "localhost", "127.1", "[::1]", "[::ffff:7f00:1]"])
async def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    poster = Poster()
    try:
        with pytest.raises((Forbidden, NotSent)):
            await poster.check(f"https://{host}/x")
    finally:
        await poster.close()


async def test_a_name_without_address_sends_nothing() -> None:
    with pytest.raises(NotSent):
        await _post_to("https://hooks.example.com/x")
