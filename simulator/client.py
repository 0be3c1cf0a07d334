"""A typed client of the simulator, for tests, the chat and the trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote

import httpx

Json: TypeAlias = Any


class SimulatorError(Exception):
    """The simulator refused; the text is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an act of a customer came to. ``status`` is the webhook's first answer: 0 for none, None when nothing was sent."""

    status: int | None
    mid: str | None
    mids: tuple[str, ...] = ()
    opened: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneMessage:
    """One message as the customer sees it. ``author`` is customer, bot or agent; ``buttons`` are all titles to tap.

    ``subject`` is a mail's; ``status`` how far WhatsApp says that the shop's message got.
    """

    sender: str
    author: str
    mid: str
    time: int
    text: str | None = None
    subject: str | None = None
    status: str | None = None
    buttons: tuple[str, ...] = ()
    quick_replies: tuple[str, ...] = ()
    links: tuple[dict[str, str], ...] = ()
    cards: tuple[dict[str, Json], ...] = ()
    attachments: tuple[dict[str, Json], ...] = ()
    reactions: dict[str, str] = field(default_factory=dict)
    metadata: str | None = None
    unsent: bool = False

    @staticmethod
    def from_json(shown: Mapping[str, Json]) -> PhoneMessage:
        """Read one message of ``GET /sim/phone``."""
        lists = {name: tuple(shown.get(name) or ()) for name in ("buttons", "quick_replies", "links", "cards", "attachments")}
        return PhoneMessage(
            sender=shown["from"],
            author=shown["author"],
            mid=shown["mid"],
            time=shown["time"],
            text=shown.get("text"),
            subject=shown.get("subject"),
            status=shown.get("status"),
            reactions=shown.get("reactions") or {},
            metadata=shown.get("metadata"),
            unsent=shown.get("unsent", False),
            **lists,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneView:
    """A customer's phone."""

    channel: str
    user: str
    name: str | None
    messages: tuple[PhoneMessage, ...]
    shop_messages: int
    typing: bool
    seen: bool

    @property
    def replies(self) -> tuple[PhoneMessage, ...]:
        """What the shop wrote, oldest first."""
        return tuple(message for message in self.messages if message.sender == "shop")

    @property
    def texts(self) -> list[str | None]:
        """The words of every reply."""
        return [message.text for message in self.replies]


class SimulatorClient:
    """``async with SimulatorClient("http://127.0.0.1:8088") as sim: await sim.say("instagram", "1001", "hola")``."""

    def __init__(self, base_url: str, http: httpx.AsyncClient | None = None) -> None:
        # Loading the certificate authorities takes longer than many calls, and a local address needs none.
        verify = base_url.startswith("https:")
        self._http = http or httpx.AsyncClient(base_url=base_url, timeout=30.0, trust_env=False, verify=verify)

    async def __aenter__(self) -> SimulatorClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(
        self, method: str, path: str, body: Json = None, *, params: Mapping[str, Any] | None = None, timeout: float = 30.0
    ) -> Json:
        """One control call. Raises ``SimulatorError`` with the simulator's own words."""
        answer = await self._http.request(method, f"/sim/{path}", json=body, params=params, timeout=timeout)
        return _checked(answer)

    # --- the customer ----------------------------------------------------------------------------------------------------

    async def act(self, channel: str, user: str, **act: Json) -> Said:
        """Any act of ``POST /sim/say``: text, tap, attachment, story_reply, vote, react, edit, unsend, read…"""
        said = await self.call("POST", "say", {"channel": channel, "user": user, **act})
        return Said(
            status=said["status"], mid=said["mid"], mids=tuple(said["mids"]), opened=said.get("opened"), error=said.get("error")
        )

    async def say(self, channel: str, user: str, text: str, *, name: str | None = None, **details: Json) -> Said:
        """The customer writes."""
        return await self.act(channel, user, text=text, **({"name": name} if name is not None else {}), **details)

    async def tap(self, channel: str, user: str, title: str, *, card: int | None = None) -> Said:
        """The customer taps a button or quick reply by its words."""
        return await self.act(channel, user, tap=title, **({"card": card} if card is not None else {}))

    async def send_attachment(self, channel: str, user: str, attachment: Json, **details: Json) -> Said:
        """The customer sends "image", "audio", "file", "sticker"…, an attachment in detail, or a list of them."""
        return await self.act(channel, user, attachment=attachment, **details)

    async def story_reply(self, user: str, text: str) -> Said:
        """The customer answers a story of the shop (Instagram)."""
        return await self.act("instagram", user, story_reply=text)

    async def story_mention(self, user: str) -> Said:
        """The customer mentions the shop in a story (Instagram)."""
        return await self.act("instagram", user, story_mention=True)

    async def batch(self, says: Sequence[Mapping[str, Json]], **plan: Json) -> Json:
        """Several acts delivered together; ``layout``, ``order``, ``seed``, ``copies`` say how."""
        return await self.call("POST", "batch", {"says": [dict(item) for item in says], **plan})

    # --- the shop ----------------------------------------------------------------------------------------------------------

    async def agent_writes(self, channel: str, user: str, text: str, **details: Json) -> Said:
        """A person of the staff answers: from Meta's inbox, WhatsApp on the phone (``source="web"``), or the mailbox."""
        said = await self.call("POST", "agent", {"channel": channel, "user": user, "text": text, **details})
        return Said(status=said["status"], mid=said["mid"])

    async def user(self, channel: str, user: str, **facts: Json) -> None:
        """What a platform knows: name, username, blocked, gone, owner_app, profile, profile_error, WhatsApp's chat_id."""
        await self.call("POST", "user", {"channel": channel, "user": user, **facts})

    # --- the phone -----------------------------------------------------------------------------------------------------------

    async def phone(
        self, channel: str, user: str, *, after: int | None = None, wait: float | None = None, last: int | None = None
    ) -> PhoneView:
        """The phone now, or once the shop has written more than ``after`` messages (``wait`` seconds at most)."""
        params = {name: value for name, value in (("after", after), ("wait", wait), ("last", last)) if value is not None}
        shown = await self.call("GET", f"phone/{channel}/{quote(user, safe='')}", params=params, timeout=30.0 + (wait or 0.0))
        return PhoneView(
            channel=shown["channel"],
            user=shown["user"],
            name=shown["name"],
            shop_messages=shown["shop_messages"],
            messages=tuple(PhoneMessage.from_json(message) for message in shown["messages"]),
            typing=shown["typing"],
            seen=shown["seen"],
        )

    async def wait_for_replies(self, channel: str, user: str, count: int, timeout: float = 10.0) -> PhoneView:  # noqa: ASYNC109
        """The phone once the shop has written at least ``count`` messages in all. Raises ``TimeoutError``."""
        view = await self.phone(channel, user, after=count - 1, wait=timeout)
        if view.shop_messages < count:
            raise TimeoutError(f"{channel} {user} got {view.shop_messages} of {count} replies in {timeout} s: {view.texts}")
        return view

    async def phones(self) -> list[dict[str, Json]]:
        """Every customer with the number of messages."""
        found: list[dict[str, Json]] = await self.call("GET", "phones")
        return found

    # --- webhooks --------------------------------------------------------------------------------------------------------

    async def deliver(self, body: bytes | Mapping[str, Json], *, signature: str = "valid", **params: Json) -> Json:
        """Sign and POST raw bytes, or a document written as Meta writes it."""
        if isinstance(body, bytes):
            answer = await self._http.post("/sim/deliver", content=body, params={"signature": signature, **params})
        else:
            answer = await self._http.post(
                "/sim/deliver", json=dict(body), params={"signature": signature, "escape": "meta", **params}
            )
        return _checked(answer)

    async def deliver_mail(self, raw: bytes, **query: Json) -> Said:
        """Put a mail into the shop's mailbox as it is; see ``POST /sim/deliver-mail`` for the query."""
        said = _checked(await self._http.post("/sim/deliver-mail", content=raw, params=query))
        return Said(status=said["status"], mid=said["mid"])

    async def redeliver(self, *, mid: str | None = None, last: int = 1, copies: int = 1) -> list[int]:
        """The same bytes again; returns the statuses."""
        what = {"last": last} if mid is None else {"mid": mid}
        results = (await self.call("POST", "redeliver", {**what, "copies": copies}))["results"]
        return [result["status"] for result in results]

    # --- WhatsApp and mail -------------------------------------------------------------------------------------------------

    async def whapi(self, **state: Json) -> dict[str, Json]:
        """The state of the WhatsApp channel: ``status`` AUTH, QR, STOP…, ``limits``, ``unlink``."""
        shown: dict[str, Json] = await self.call("POST", "whapi", state)
        return shown

    async def status(self, user: str, mid: str, status: str) -> None:
        """Tell how far a WhatsApp message got: failed, pending, sent, delivered, read, played, deleted."""
        await self.call("POST", "status", {"user": user, "mid": mid, "status": status})

    async def mails(self) -> list[dict[str, Json]]:
        """Every mail that went through, both ways, oldest first."""
        found: list[dict[str, Json]] = await self.call("GET", "mails")
        return found

    async def raw_mail(self, number: int) -> bytes:
        """One of them as bytes, by its ``n``."""
        answer = await self._http.get(f"/sim/mails/{number}")
        if answer.status_code >= 400:
            _checked(answer)
        return answer.content

    async def mailbox(self, folder: str = "INBOX") -> dict[str, Json]:
        """A folder of the shop's mailbox: uidvalidity, uidnext, messages."""
        found: dict[str, Json] = await self.call("GET", f"mailbox/{quote(folder, safe='')}")
        return found

    async def cut(self, server: str = "imap") -> int:
        """Reset every connection of the IMAP or SMTP server; returns how many there were."""
        return int((await self.call("POST", "mail/cut", {"server": server}))["cut"])

    async def renew_uids(self, folder: str = "INBOX") -> int:
        """Give a folder another UIDVALIDITY and every mail in it a new UID."""
        return int((await self.call("POST", "mail/uidvalidity", {"folder": folder}))["uidvalidity"])

    async def flag(self, uid: int, *, folder: str = "INBOX", **change: Json) -> None:
        """A person at another mail program: ``add`` or ``remove`` flags, or ``move`` to a folder."""
        await self.call("POST", "mail/flag", {"uid": uid, "folder": folder, **change})

    async def ports(self) -> dict[str, Json]:
        """Where HTTP, SMTP and IMAP listen, and what a mail client needs besides."""
        found: dict[str, Json] = await self.call("GET", "ports")
        return found

    # --- the world -----------------------------------------------------------------------------------------------------------

    async def fault(self, fault: str, *, times: int = 1, where: str = "send", **details: Json) -> None:
        """Let something go wrong; see ``simulator.faults`` for the names."""
        await self.call("POST", "faults", {"fault": fault, "times": times, "where": where, **details})

    async def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        await self.call("DELETE", "faults")

    async def settings(self, **knobs: Json) -> dict[str, Json]:
        """Turn knobs: echoes, echo_delay, retries, webhook_timeout, latency, require_proof, send_rate_instagram…"""
        turned: dict[str, Json] = await self.call("POST", "settings", knobs)
        return turned

    async def token(self, **facts: Json) -> None:
        """What Graph thinks of the token: valid, subcode, expires_at, data_access_expires_at, scopes."""
        await self.call("POST", "token", facts)

    async def advance(self, seconds: float) -> None:
        """Move Meta's clock, e.g. past the 24 hours in which the shop may answer."""
        await self.call("POST", "clock", {"advance": seconds})

    async def requests(
        self, *, user: str | None = None, where: str | None = None, api: str | None = None, last: int | None = None
    ) -> list[dict[str, Json]]:
        """What was asked of Graph, Whapi and the mail server (``api`` graph, whapi, smtp), oldest first."""
        given = (("user", user), ("where", where), ("api", api), ("last", last))
        params = {name: value for name, value in given if value is not None}
        found: list[dict[str, Json]] = await self.call("GET", "requests", params=params)
        return found

    async def stats(self, *, wait: float | None = None) -> dict[str, Json]:
        """Counts; with ``wait`` once no webhook is under way, or after so many seconds."""
        counted: dict[str, Json] = await self.call(
            "GET", "stats", params={} if wait is None else {"wait": wait}, timeout=30.0 + (wait or 0.0)
        )
        return counted

    async def model(self, **script: Json) -> None:
        """What the fake model answers: answer or answers, fault, seconds, times."""
        await self.call("POST", "model", script)

    async def model_requests(self) -> list[dict[str, Json]]:
        """What the fake model was asked, oldest first."""
        found: list[dict[str, Json]] = (await self.call("GET", "model"))["requests"]
        return found

    async def reset(self) -> None:
        """Forget everything but the configuration."""
        await self.call("POST", "reset")

    async def healthy(self) -> bool:
        """Whether the simulator answers."""
        try:
            return bool((await self.call("GET", "health", timeout=2.0))["ok"])
        except (httpx.HTTPError, SimulatorError):
            return False


def _checked(answer: httpx.Response) -> Json:
    try:
        document = answer.json()
    except ValueError as error:
        raise SimulatorError(f"HTTP {answer.status_code}: {answer.text[:200]}") from error
    if answer.status_code >= 400:
        raise SimulatorError(str(document.get("error", document)))
    return document
