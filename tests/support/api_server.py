"""The API in a process of its own: real server, real platforms' limits, real database, and nobody who sends.

``python -m tests.support.api_server PORT``; everything else comes from the environment.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from sanic import Sanic

from connectors.http import http_client
from connectors.registry import PLATFORMS, build
from crm.connect import open_crm
from omnicrm.settings import Settings
from router.blueprint import api_blueprint
from turns.runtime import Runtime

NOT_RUNNING = "messenger"


def serve(port: int) -> None:
    """Serve until killed. One channel is left out: a bot need not run all."""
    settings = Settings.load(dotenv=None)
    logging.basicConfig(level=settings.log_level)
    app = Sanic("api")
    app.blueprint(api_blueprint(settings.api_requests_per_minute))

    @app.before_server_start
    async def start(app: Sanic, _loop: Any) -> None:
        http = http_client(settings)
        platforms = [build(name, settings, http) for name in PLATFORMS if name != NOT_RUNNING]
        app.ctx.omnicrm = Runtime(settings, await open_crm(settings), platforms)

    @app.before_server_stop
    async def stop(app: Sanic, _loop: Any) -> None:
        await app.ctx.omnicrm.stop()

    app.run("127.0.0.1", port, access_log=False)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
