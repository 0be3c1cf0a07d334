"""Posting to addresses that somebody typed in: never into private networks, never after a redirect, never for long.

A name is resolved once, every address that it has is judged, and the connection goes to one of these very addresses, under
the name's certificate: a name that answers differently the second time leads nowhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from notify.settings import Network, webhook_url

CONNECT_SECONDS = 5.0
# Standard Webhooks asks for 15 to 30 s.
ANSWER_SECONDS = 15.0
# What is read of an answer: it is only there to be shown to whoever looks for the fault.
KEPT_BYTES = 1024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# Well-known prefixes that carry an IPv4 address: NAT64 (RFC 6052) in its last four bytes.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):
    """An address that we do not post to. The message says why, in English, for the log and the command line."""


class NotSent(Exception):
    """Nothing of the request left: no connection, no such name, a certificate that is not valid."""


class NoAnswer(Exception):
    """The request left, and no whole answer came in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, or its first kilobyte."""

    status: int
    text: str = ""
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver took it."""
        return 200 <= self.status < 300


def judge(address: str, allowed: Sequence[Network]) -> None:
    """Raise ``Forbidden`` unless an IP address is a public one, or of an allowed network."""
    found = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if any(found.version == network.version and found in network for network in allowed):
        return
    if not found.is_global or found.is_multicast or found.is_reserved:
        raise Forbidden(f"{found} is no public address; WEBHOOK_ALLOW_NETWORKS may allow it")


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, where it carries one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name. Raises ``OSError``."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Poster:
    """Posts documents to addresses of others. One per process; ``close`` it."""

    def __init__(
        self, allowed: Sequence[Network] = (), *, resolver: Resolve = resolve, answer_seconds: float = ANSWER_SECONDS,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolver
        self._seconds = answer_seconds
        # A proxy of the environment would resolve the name again, so none is used. No connection is kept: another name may
        # lead to the same address.
        self._http = httpx.AsyncClient(
            verify=verify, trust_env=False, follow_redirects=False,
            timeout=httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=0),
        )  # fmt: skip

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        """Post JSON. Raises ``Forbidden``, ``NotSent`` or ``NoAnswer``; none of them tells the address's path or query."""
        try:
            return await asyncio.wait_for(self._post(url, body, headers), self._seconds + CONNECT_SECONDS)
        except asyncio.TimeoutError:
            raise NoAnswer(f"no answer within {self._seconds:g} s") from None

    async def check(self, url: str) -> None:
        """Raise ``Forbidden`` for an address that is never posted to, ``NotSent`` where its name is unknown."""
        await self._pinned(url)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def _post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        target, host = await self._pinned(url)
        request = self._http.build_request(
            "POST", target, content=body.encode(),
            headers={"content-type": "application/json", "user-agent": "omnicrm-webhook/1", **headers, "host": host},
            extensions={"sni_hostname": urlsplit(url).hostname, "timeout": self._http.timeout.as_dict()},
        )  # fmt: skip
        try:
            answer = await self._http.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(f"no connection: {_reason(error)}") from None
        except httpx.HTTPError as error:
            raise NoAnswer(f"no answer: {type(error).__name__}") from None
        try:
            text = await _beginning(answer)
        except httpx.HTTPError:
            # The status was there, and the rest does not matter.
            text = ""
        finally:
            await answer.aclose()
        return Answer(answer.status_code, text, _seconds(answer.headers.get("retry-after")))

    async def _pinned(self, url: str) -> tuple[httpx.URL, str]:
        """The address with its name replaced by a judged IP address, and the Host header that belongs to it."""
        try:
            webhook_url(url)
        except ValueError as error:
            raise Forbidden(f"the address {error}") from None
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise NotSent(f"the name {host} is unknown") from None
        for address in found:
            judge(address, self._allowed)
        if not found:
            raise NotSent(f"the name {host} has no address")
        pinned = httpx.URL(url).copy_with(host=found[0])
        return pinned, parts.netloc


def _reason(error: Exception) -> str:
    told = " ".join(str(error).split())
    return told[:120] or type(error).__name__


async def _beginning(answer: httpx.Response) -> str:
    kept = bytearray()
    # As it came: a small body may grow without end when it is unpacked.
    async for chunk in answer.aiter_raw():
        kept += chunk
        if len(kept) >= KEPT_BYTES:
            break
    return bytes(kept[:KEPT_BYTES]).decode("utf-8", "replace")


def _seconds(value: str | None) -> float | None:
    """``Retry-After`` in seconds; its other form, a date, is not worth reading."""
    text = (value or "").strip()
    return float(text) if text.isdecimal() and text.isascii() and len(text) < 7 else None
