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

from simulator.app import serve
from simulator.config import ENVIRONMENT, Config, config_from

_HELP = {
    "app_id": "id of the simulated app",
    "app_secret": "secret that signs webhooks",
    "verify_token": "word of the GET handshake",
    "page_id": "Facebook Page id",
    "ig_id": "Instagram account id",
    "token": "access token that Graph takes",
}


def parse(arguments: Sequence[str]) -> Config:
    """Read the command line; what is not given comes from the META_* variables."""
    parser = argparse.ArgumentParser(
        prog="simulator", description="The customers' and Meta's side of the bot, on this machine."
    )
    parser.add_argument("--webhook", required=True, help="where the bot takes webhooks")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (0: any free one)")
    parser.add_argument("--require-proof", action="store_true", default=None, help="refuse calls without appsecret_proof")
    for name, variable in ENVIRONMENT.items():
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
    except OSError as error:
        logging.getLogger("simulator").error("cannot listen on %s:%s: %s", config.host, config.port, error.strerror)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
