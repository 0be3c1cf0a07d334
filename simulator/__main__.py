"""``python -m simulator --port 8088 --webhook http://127.0.0.1:5005/api/webhooks/meta``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from simulator.app import CannotListen, serve
from simulator.config import ENVIRONMENT, MAIL_ENVIRONMENT, WHAPI_ENVIRONMENT, Config, config_from

_HELP = {
    "app_id": "id of the simulated app",
    "app_secret": "secret that signs webhooks",
    "verify_token": "word of the GET handshake",
    "page_id": "Facebook Page id",
    "ig_id": "Instagram account id",
    "token": "access token that Graph takes",
    "whapi_token": "token of the WhatsApp channel",
    "whapi_channel_id": "id of the WhatsApp channel",
    "whapi_number": "the shop's WhatsApp number",
    "whapi_secret": "secret in the header of Whapi's webhooks",
    "mail_address": "the shop's mail address",
    "mail_user": "user name of the mailbox (the address)",
    "mail_password": "password of the mailbox",
    "mail_name": "the name beside it",
    "mailgun_key": "Mailgun's webhook signing key",
    "postmark_token": "password in Postmark's webhook address",
}
_ADDRESSES = {
    "whapi_webhook": "where Whapi posts, until its settings say otherwise",
    "mail_webhook": "where mail providers post; {provider} becomes mailgun, sendgrid or postmark",
    "mail_access_token": "access token of the mailbox for XOAUTH2",
}


def parse(arguments: Sequence[str]) -> Config:
    """Read the command line; what is not given comes from the bot's own variables."""
    parser = argparse.ArgumentParser(
        prog="simulator", description="The customers' and the platforms' side of the bot, on this machine."
    )
    parser.add_argument("--webhook", required=True, help="where the bot takes Meta's webhooks")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (0: any free one)")
    parser.add_argument("--require-proof", action="store_true", default=None, help="refuse calls without appsecret_proof")
    for name in ("smtp_port", "imap_port"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=f"port of {name[:4].upper()} (0: any free one)")
    for name, meaning in _ADDRESSES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=meaning)
    for name, variable in {**ENVIRONMENT, **WHAPI_ENVIRONMENT, **MAIL_ENVIRONMENT}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"{_HELP[name]} ({variable})")
    return config_from(os.environ, vars(parser.parse_args(arguments)))


def main() -> int:
    """Run until stopped."""
    config = parse(sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with suppress(ImportError):  # Sanic brings it where it exists
        import_module("uvloop").install()
    try:
        asyncio.run(serve(config))
    except CannotListen as error:
        logging.getLogger("simulator").error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
