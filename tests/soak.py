"""``make soak``: kill bots at random steps under load, crash the database now and then, and recount everything.

``python -m tests.soak --minutes 5 [--seed 7]``. Each round has customers of its own and two deaths: of two bots, one beside
the other or one after the other, or of a bot and the database. A third bot finishes. Exits 1 at the first message that is
lost or answered twice, and says with which seed and in which round that was.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from crm.connect import open_crm
from omnicrm.migrate import migrate
from omnicrm.settings import Settings
from simulator.bot import ForBot
from simulator.client import SimulatorClient
from tests.support.crash import STEPS, VARIABLE
from tests.support.load import Load, recount
from tests.support.postgres import PostgresServer
from tests.support.scene import Scene
from tests.support.stack import Nursery, StandinBot, know_mailbox, simulated

CUSTOMERS = 8
MESSAGES = 4
LATEST_PASSING = 12
# Victims whose step does not come often enough die after this long, wherever they are.
VICTIM_SECONDS = 3.0
RETRIES = [0.2] * 100


class Soak:
    """Rounds on one database, and what was counted in them."""

    def __init__(self, scene: Scene, server: PostgresServer, dice: random.Random) -> None:
        self._scene, self._server, self._dice = scene, server, dice
        self._loads: list[Load] = []
        self.deaths: Counter[str] = Counter()

    async def round(self) -> Counter[str]:
        """One round. Raises ``AssertionError`` for a message that is lost or doubled."""
        scene, second = self._scene, self._dice.choice(["beside", "after", "database"])
        await scene.simulator.settings(retries=RETRIES, echoes=self._dice.choice(["before", "after", "off"]))
        load = Load(scene.simulator, customers=CUSTOMERS, messages=MESSAGES, first=CUSTOMERS * len(self._loads))
        self._loads.append(load)
        victims = [await self._victim()]
        if second == "beside":
            victims.append(await self._victim(elsewhere=True))
        speaking = load.start()
        await self._bury(*victims)
        if second == "after":
            await self._bury(await self._victim())
        await scene.start_bot()
        if second == "database":
            self.deaths["database"] += 1
            self._server.stop()
            self._server.start()
        await speaking
        counted = await recount(load, scene.database.url)
        scene.close()
        return counted

    async def _victim(self, *, elsewhere: bool = False) -> StandinBot:
        step = self._dice.choice(STEPS)
        self.deaths[step] += 1
        passing = self._dice.randint(1, LATEST_PASSING)
        return await self._scene.start_bot(elsewhere=elsewhere, **{VARIABLE: f"{step}:{passing}"})

    @staticmethod
    async def _bury(*victims: StandinBot) -> None:
        deaths = asyncio.gather(*(victim.dead(within=2 * VICTIM_SECONDS) for victim in victims))
        await asyncio.wait({deaths}, timeout=VICTIM_SECONDS)
        for victim in victims:
            victim.kill()
        await deaths

    async def recount_all(self) -> Counter[str]:
        """Every round again, as the database and the phones show it now."""
        return sum([await recount(load, self._scene.database.url) for load in self._loads], Counter[str]())


async def _soak(minutes: float, seed: int, folder: Path, platforms: ForBot) -> int:
    server = PostgresServer()
    nursery = Nursery(folder / "bots.log")
    try:
        database = server.create_database()
        migrate(database.url)
        crm = await open_crm(Settings(database_url=database.url))
        async with SimulatorClient(platforms.address) as simulator:
            await know_mailbox(crm)
            scene = Scene(simulator, platforms, database, crm, nursery)
            try:
                return await _rounds(Soak(scene, server, random.Random(seed)), minutes, seed)
            finally:
                scene.close()
                await crm.close()
    finally:
        nursery.close()
        server.close()


async def _rounds(soak: Soak, minutes: float, seed: int) -> int:
    counted: Counter[str] = Counter()
    deadline = time.monotonic() + minutes * 60
    number = 0
    try:
        while number == 0 or time.monotonic() < deadline:
            number += 1
            counted += await soak.round()
            _tell(f"round {number}: {_shown(counted)}, {sum(soak.deaths.values())} deaths")
        _tell(f"recount of all {number} rounds: {_shown(await soak.recount_all())}")
    except AssertionError as error:
        _tell(f"LOST OR DOUBLED in round {number} of --seed {seed}: {error}")
        return 1
    for step, times in sorted(soak.deaths.items()):
        _tell(f"  {times:4} × {step}")
    _tell("nothing was lost, nothing was answered twice")
    return 0


def _shown(counted: Counter[str]) -> str:
    told = ", ".join(f"{counted[name]} {name}" for name in ("answered", "left to a person"))
    return f"{sum(counted.values())} messages, {told}"


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Read the arguments and soak."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Kill, restart, recount.")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    _tell(f"seed {arguments.seed}, {arguments.minutes:g} minutes")
    with tempfile.TemporaryDirectory(prefix="omnicrm-soak-") as folder, simulated(Path(folder)) as platforms:
        return asyncio.run(_soak(arguments.minutes, arguments.seed, Path(folder), platforms))


if __name__ == "__main__":
    sys.exit(main())
