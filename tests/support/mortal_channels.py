"""The bot's channels in a process that dies at a step: for `rasa run` with a credentials file that names them."""

from __future__ import annotations

from connectors.channel import EmailInput, InstagramInput, MessengerInput, PlatformInput, WhatsappInput
from crm.port import Crm
from omnicrm.settings import Settings
from tests.support.crash import Death, MortalCrm, MortalPlatform

# The process has one death, whichever channel meets it.
_DEATH = Death.from_environment()


class _Mortal(PlatformInput):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.platform = MortalPlatform(self.platform, _DEATH)

    async def open_crm(self) -> Crm:
        """Open a database whose calls may be the last thing this process does."""
        return MortalCrm(await super().open_crm(), _DEATH)


class MortalInstagram(_Mortal, InstagramInput):
    """Instagram."""


class MortalMessenger(_Mortal, MessengerInput):
    """Messenger."""


class MortalWhatsapp(_Mortal, WhatsappInput):
    """WhatsApp."""


class MortalEmail(_Mortal, EmailInput):
    """Email."""
