"""What the processes of the real bot write to their logs on a bad day: no secrets at all, no words of anybody at INFO."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from crm.port import Crm
from simulator.client import SimulatorClient
from tests.faults.conftest import ARA_KEY
from tests.support.customer import Customer
from tests.support.postgres import PASSWORD, PostgresServer
from tests.support.real_bot import RealBot
from tests.support.scene import CHANNELS
from tests.support.stack import KEYS

# Said by nobody else, so that it is found wherever it went.
MARK = "zurumbático"
SECRETS = {
    "the page's token": KEYS.token,
    "the app's secret": KEYS.app_secret,
    "the verify token": KEYS.verify_token,
    "Ara's key": ARA_KEY,
    "the database's password": PASSWORD,
    "the database's password in an address": quote(PASSWORD, safe=""),
    "the proof that Meta wants of each call": "appsecret_proof",
}


async def test_a_bad_day_leaves_no_secret_and_no_words_in_the_logs(
    real: RealBot,
    real_simulator: SimulatorClient,
    real_crm: Crm,
    new_customer: Callable[..., Customer],
    postgres_server: PostgresServer,
) -> None:
    asker = new_customer("messenger")
    await asker.asks(f"cuánto cuesta la árnica, pregunta {MARK}")
    await real_simulator.agent_writes("messenger", asker.user, f"{MARK} soy Ana")
    await send_troubles(real_simulator, new_customer)
    await model_troubles(real_simulator, new_customer)
    await action_troubles(real, new_customer)
    postgres_server.stop()
    try:
        await real_simulator.say("messenger", asker.user, f"otra {MARK}")
    finally:
        postgres_server.start()
    await real_simulator.deliver(f'{{"object": "page", "entry": "{MARK}"}}'.encode())
    await real_simulator.deliver(f"{MARK} no es json".encode())
    await real_simulator.deliver(f"{MARK}".encode(), signature="wrong")
    await real_simulator.stats(wait=10)
    assert_clean(real.folder / "bot.log", "webhook not stored")
    assert_clean(real.folder / "actions.log", "ara answered")


def assert_clean(log: Path, proof_that_it_logs: str) -> None:
    """No secret and no words; but not because nothing is logged."""
    told = log.read_text()
    assert MARK not in told
    for name, secret in SECRETS.items():
        assert secret not in told, f"{log.name} holds {name}"
    assert proof_that_it_logs in told


async def send_troubles(simulator: SimulatorClient, new_customer: Callable[..., Customer]) -> None:
    """Every class of failed sends, with the customer's words in the answer that fails."""
    for channel in CHANNELS:
        for fault in ("window", "blocked", "garbage", "reset", "unknown_recipient"):
            customer = new_customer(channel)
            await simulator.fault(fault, user=customer.user)
            await customer.asks(f"hola {MARK}")
    refused = new_customer()
    await simulator.fault("error", code=100, message=f"Invalid {KEYS.token} {MARK}", user=refused.user)
    await refused.asks(f"hola {MARK}")


async def model_troubles(simulator: SimulatorClient, new_customer: Callable[..., Customer]) -> None:
    """A broken model, and one that is not believed."""
    await simulator.model(answers=[f"cuesta $35 {MARK}"])
    await new_customer().asks(f"quién va a ganar el mundial de fútbol {MARK}")
    await simulator.model(fault="garbage", times=1)
    await new_customer().asks(f"quién va a ganar el mundial de fútbol {MARK}")


async def action_troubles(real: RealBot, new_customer: Callable[..., Customer]) -> None:
    """An action server that hangs."""
    group = real.children["actions"].process.pid
    os.killpg(group, signal.SIGSTOP)
    try:
        await new_customer().asks(f"cuánto cuesta la árnica, pregunta {MARK}")
    finally:
        os.killpg(group, signal.SIGCONT)
