"""What a bot must be told so that it takes this simulator for its platforms, and how to start one for a bot."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from simulator.config import ENVIRONMENT, MAIL_ENVIRONMENT, WHAPI_ENVIRONMENT, Config
from simulator.mail.providers import sendgrid_public_key

WEBHOOKS = "/api/webhooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForBot:
    """A simulator at ``port`` (and its mail ports) of this machine whose webhooks go to a bot at ``bot_port``."""

    config: Config
    bot_port: int

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.config.port}"

    def environment(self) -> dict[str, str]:
        """The bot's settings, and the simulator's own."""
        config = self.config
        named = {**ENVIRONMENT, **WHAPI_ENVIRONMENT, **MAIL_ENVIRONMENT}
        return {
            **{variable: str(getattr(config, name)) for name, variable in named.items()},
            "META_GRAPH_URL": self.address,
            "WHAPI_URL": f"{self.address}/whapi",
            "EMAIL_SENDGRID_PUBLIC_KEY": sendgrid_public_key(),
            "EMAIL_USER": config.mail_login,
            "EMAIL_SMTP_URL": f"smtp://127.0.0.1:{config.smtp_port}",
            "EMAIL_IMAP_URL": f"imap://127.0.0.1:{config.imap_port}",
            "EMAIL_AUTHSERV_IDS": config.mail_receiver,
        }

    def command(self) -> list[str]:
        """The process; its environment holds what ``environment`` says."""
        config, bot = self.config, f"http://127.0.0.1:{self.bot_port}{WEBHOOKS}"
        ports = ["--port", config.port, "--smtp-port", config.smtp_port, "--imap-port", config.imap_port]
        webhooks = ["--webhook", f"{bot}/meta", "--whapi-webhook", f"{bot}/whapi"]
        webhooks += ["--mail-webhook", f"{bot}/email/{{provider}}"]
        # As a careful shop has it: Meta then takes no call without appsecret_proof.
        return [sys.executable, "-m", "simulator", "--require-proof", *map(str, ports), *webhooks]
