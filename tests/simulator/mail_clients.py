"""Real clients of the mail servers: imap-tools and aiosmtplib."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any, TypeVar

import aiosmtplib
from imap_tools import BaseMailBox, MailBoxUnencrypted

from simulator.app import Simulator
from simulator.client import SimulatorClient

from .conftest import MAIL_PASSWORD

Result = TypeVar("Result")
SHOP = "tienda@acme.example"


def mailbox(simulator: Simulator, folder: str = "INBOX") -> BaseMailBox:
    """A mailbox that is logged in; imap-tools blocks: use it in ``in_thread``."""
    box = MailBoxUnencrypted("127.0.0.1", simulator.ports["imap"], timeout=10)
    return box.login(SHOP, MAIL_PASSWORD, initial_folder=folder)


async def in_thread(work: Callable[[], Result]) -> Result:
    """Run what blocks beside the loop on which the servers run."""
    return await asyncio.to_thread(work)


async def with_mailbox(simulator: Simulator, work: Callable[[BaseMailBox], Result], folder: str = "INBOX") -> Result:
    """What ``work`` finds in the mailbox."""

    def run() -> Result:
        with mailbox(simulator, folder) as box:
            return work(box)

    return await in_thread(run)


def letter(to: str, text: str = "¡Hola!", **headers: str) -> EmailMessage:
    """A mail of the shop."""
    message = EmailMessage()
    message["From"] = f"ACME <{SHOP}>"
    message["To"] = to
    defaults = {"Subject": "Tu pedido", "Message-ID": f"<{abs(hash((to, text)))}@acme.example>"}
    for name, value in {**defaults, **{name.replace("_", "-"): value for name, value in headers.items()}}.items():
        message[name] = value
    message.set_content(text)
    return message


class Sender:
    """An SMTP client that logs in for every mail."""

    def __init__(self, simulator: Simulator) -> None:
        self.port = simulator.ports["smtp"]

    def client(self, **options: Any) -> aiosmtplib.SMTP:
        """A client that is not connected yet."""
        return aiosmtplib.SMTP(hostname="127.0.0.1", port=self.port, start_tls=False, timeout=5, **options)

    async def send(self, message: EmailMessage, *recipients: str, sender: str = SHOP) -> None:
        """Connect, log in, send, quit. Raises aiosmtplib's errors."""
        client = self.client(username=SHOP, password=MAIL_PASSWORD)
        async with client:
            await client.sendmail(sender, list(recipients or [message["To"]]), message.as_bytes())


async def arrived(sim: SimulatorClient, folder: str, count: int) -> list[dict[str, Any]]:
    """What lies in the folder once nothing is under way."""
    await sim.stats(wait=5)
    found: list[dict[str, Any]] = (await sim.mailbox(folder))["messages"]
    assert len(found) == count, found
    return found
