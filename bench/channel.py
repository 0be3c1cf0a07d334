"""Instagram without the pace of its limit: otherwise a run would measure how many messages a second Meta allows."""

from __future__ import annotations

from dataclasses import replace

from connectors.channel import InstagramInput
from omnicrm.settings import Settings

UNPACED = 100_000.0


class UnpacedInstagram(InstagramInput):
    """The channel as it is, but for ``sends_per_second``."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.platform.capabilities = replace(self.platform.capabilities, sends_per_second=UNPACED)
