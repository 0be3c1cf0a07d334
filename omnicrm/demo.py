"""What ``make run`` does where nobody watches: two written conversations, shown and checked.

One by a customer of each channel, all at once; and one by a single person over all of them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connectors.message import Address
from crm.port import Crm
from omnicrm.channels import CHANNELS
from omnicrm.conversation import Conversation, load, responses_of
from omnicrm.player import Customer, Played, play, play_across
from omnicrm.processes import Processes
from omnicrm.progress import step
from omnicrm.transcript import lines
from omnicrm.trial import Trial
from simulator.client import SimulatorClient

SCRIPT = Path(__file__).with_name("demo.yml")
PERSON_SCRIPT = Path(__file__).with_name("demo_person.yml")


async def run(console: Console, project: Path, trial: Trial, crm: Crm, processes: Processes) -> int:
    """Play the demo as a customer of each channel, at the same time. Returns 0, or 1 with every problem said."""
    conversation, responses = load(SCRIPT), responses_of(project)
    customers = _customers(trial)
    async with SimulatorClient(trial.simulator.address) as client:
        with step(console, f"«{conversation.title}», on {len(customers)} channels"):
            played = await asyncio.gather(*(play(conversation, customer, client, crm, responses) for customer in customers))
        across = load(PERSON_SCRIPT)
        person, words = _person(trial)
        with step(console, f"«{across.title}»"):
            hers = await play_across(across, person, client, crm, responses, words)
    for customer, result in zip(customers, played, strict=True):
        _show(console, customer, result)
    for customer in person:
        _show(console, customer, hers[customer.channel])
    _show_clients(console, hers)
    await _show_crm(console, crm)
    processes.check()
    return verdict(console, [(conversation, dict(zip(CHANNELS, played, strict=True))), (across, hers)])


def _person(trial: Trial) -> tuple[tuple[Customer, ...], dict[str, str]]:
    """One person on all channels, and what stands for her number and address in the script."""
    customers = tuple(replace(customer, name="Carmen Ruiz") for customer in _customers(trial))
    by_channel = {customer.channel: customer for customer in customers}
    words = {
        "telefono": by_channel["whatsapp"].address.user.removeprefix("+52"), "correo": by_channel["email"].user,
        "usuario": f"carmen{secrets.token_hex(3)}",
    }  # fmt: skip
    return customers, words


def _customers(trial: Trial) -> tuple[Customer, ...]:
    """Somebody new on each channel, in the order of ``CHANNELS``; the ids of platforms are long numbers."""
    instagram, messenger = (str(10**15 + secrets.randbelow(10**15)) for _ in range(2))
    phone, mail = f"55{secrets.randbelow(10**8):08}", f"tomas.{secrets.token_hex(3)}@correo.example"
    settings = trial.settings
    return (
        Customer(
            channel="instagram", name="Lucía Ramos", user=instagram,
            address=Address(channel="IG", account=settings.meta_ig_account_id, user=instagram),
        ),
        Customer(
            channel="messenger", name="Diego Peña", user=messenger,
            address=Address(channel="FB", account=settings.meta_page_id, user=messenger),
        ),
        Customer(
            channel="whatsapp", name="Ana Soto", user=f"521{phone}",
            address=Address(channel="WA", account=settings.whapi_channel_id, user=f"+52{phone}"),
        ),
        Customer(
            channel="email", name="Tomás Vega", user=mail,
            address=Address(channel="EMAIL", account=settings.email_address, user=mail),
        ),
    )  # fmt: skip


def _show(console: Console, customer: Customer, played: Played) -> None:
    console.rule(f"{CHANNELS[customer.channel]} · {customer.name}", align="left")
    for message in played.messages:
        for line in lines(message):
            console.print(line)


def _show_clients(console: Console, played: Mapping[str, Played]) -> None:
    """Which channels of the one person are one client by now."""
    console.rule("One person, four channels", align="left")
    table = Table(box=None, show_header=False, pad_edge=False)
    numbers: dict[str, int] = {}
    for channel, part in played.items():
        if part.crm is not None:
            client = part.crm["client"]
            number = numbers.setdefault(str(client["id"]), len(numbers) + 1)
            waits = "a person decides whether it is another one" if part.crm["proposals"] and number > 1 else ""
            table.add_row(CHANNELS[channel], f"client {number}", client["name"] or "", client["phone"] or "", waits)
    console.print(table)


async def _show_crm(console: Console, crm: Crm) -> None:
    overview = await crm.call("omnicrm_overview")
    console.rule("CRM", align="left")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("clients", str(overview["clients"]))
    table.add_row("conversations", str(overview["conversations"]))
    for name, count in sorted(overview["messages"].items()):
        table.add_row(f"messages {name}", str(count))
    for item in overview["attention"]:
        table.add_row("waits for a person", f"{item['key']} ({item['reason']})")
    console.print(table)


def verdict(console: Console, played: Sequence[tuple[Conversation, Mapping[str, Played]]]) -> int:
    """Say whether everything came as written, or each problem with its channel. Returns the status: 0, or 1 with a problem."""
    wrong = [
        f"{channel}: {problem}" for _, parts in played for channel, part in parts.items() for problem in part.problems
    ]
    replies = sum(len(one.expected) * (1 if c.across else len(parts)) for c, parts in played for one in c.steps)
    console.rule()
    if not wrong:
        console.print(
            f"[green]All {replies} replies came as written, on all channels, and the CRM holds what it must.[/green]"
        )
        return 0
    console.print(f"[red]{len(wrong)} things are not as written:[/red]")
    for problem in wrong:
        console.print(f"  {escape(problem)}")
    return 1
