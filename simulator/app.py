"""The simulator as one Sanic application, and its life: bind, serve, stop."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import socket
import struct
from contextlib import suppress

from sanic import Request, Sanic
from sanic.exceptions import MethodNotSupported, NotFound
from sanic.response import HTTPResponse, raw
from sanic.server import AsyncioServer

from simulator import control_chat, control_world, model_server
from simulator.calls import Call, read_body, split_version
from simulator.config import Config
from simulator.control import answer
from simulator.errors import ControlError, GraphError
from simulator.graph import Graph, Reply
from simulator.model_server import Model
from simulator.state import World
from simulator.traffic import Traffic
from simulator.webhooks import Webhooks

_NO_TIMEOUT = 24 * 3600  # hanging is something that tests ask for: the server itself must never end a request


def create_app(config: Config) -> Sanic:
    """Wire world, webhooks and endpoints together."""
    # Sanic rewrites its own methods when an application starts, and only in this mode does that work for a second one in the
    # same process. It also keeps every application by its name for good, so each gets a name of its own.
    Sanic.test_mode = True
    app = Sanic(f"simulator_{secrets.token_hex(8)}", configure_logging=False)
    app.config.RESPONSE_TIMEOUT = app.config.REQUEST_TIMEOUT = _NO_TIMEOUT
    app.config.KEEP_ALIVE_TIMEOUT = 120
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 0.0
    app.config.FALLBACK_ERROR_FORMAT = "json"
    app.ctx.world = World(config)
    app.ctx.webhooks = Webhooks(app.ctx.world)
    app.ctx.traffic = Traffic(app.ctx.world, app.ctx.webhooks)
    app.ctx.graph = Graph(app.ctx.world, app.ctx.traffic)
    app.ctx.model = Model()
    for method, path, handler in (*control_chat.ROUTES, *control_world.ROUTES, *model_server.ROUTES):
        app.add_route(
            handler, path, methods=(method,), name=f"{handler.__module__}.{handler.__name__}.{method}", error_format="json"
        )
    app.add_route(_graph, "/<path:path>", methods=("GET", "POST", "DELETE"), error_format="json")
    app.error_handler.add(ControlError, _control_error)
    app.error_handler.add(NotFound, _not_found)
    app.error_handler.add(MethodNotSupported, _not_found)
    return app


async def _control_error(request: Request, error: Exception) -> HTTPResponse:
    return answer({"error": str(error)}, status=400)


async def _not_found(request: Request, error: Exception) -> HTTPResponse:
    return answer({"error": f"there is no {request.method} {request.path}"}, status=404)


async def _graph(request: Request, path: str) -> HTTPResponse:
    if path == "sim" or path.startswith(("sim/", "llm/")):
        return answer({"error": f"there is no {request.method} /{path}"}, status=404)
    graph: Graph = request.app.ctx.graph
    try:
        call = _call(request, path)
    except GraphError as error:
        return answer(error.body(secrets.token_urlsafe(9)), status=error.status)
    return await _sent(request, await graph.answer(call))


def _call(request: Request, path: str) -> Call:
    version, parts = split_version(path)
    form = request.form if request.form else {}
    parameters = {name: values[0] for name, values in request.args.items()}
    content_type = str(request.headers.get("content-type", ""))
    parameters.update(read_body(content_type, request.body, {name: values[0] for name, values in form.items()}))
    scheme, _, bearer = str(request.headers.get("authorization", "")).partition(" ")
    in_header = scheme.lower() in ("bearer", "oauth") and bool(bearer.strip())
    token = bearer.strip() if in_header else str(parameters.get("access_token") or "") or None
    token_from = None if token is None else "header" if in_header else "parameter"
    return Call(method=request.method, version=version, path=parts, parameters=parameters, token=token, token_from=token_from)


async def _sent(request: Request, reply: Reply) -> HTTPResponse:
    if reply.wait:
        await asyncio.sleep(reply.wait)
    if reply.cut:
        _reset_connection(request)
    if reply.raw is not None:
        return raw(reply.raw, status=reply.status, headers=reply.headers, content_type=reply.headers.pop("content-type", None))
    return answer(reply.body, status=reply.status, headers=reply.headers)


def _reset_connection(request: Request) -> None:
    """Close the connection under the caller with a TCP reset: what Sanic then writes goes nowhere."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    with suppress(OSError, AttributeError, TypeError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Simulator:
    """A running simulator: ``async with Simulator(config) as simulator: … simulator.url``."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.app = create_app(config)
        self.url = ""
        self._server: AsyncioServer | None = None

    async def __aenter__(self) -> Simulator:
        # Sanic takes a socket only; binding it here makes port 0 work and a taken port an OSError at once.
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self.config.host, self.config.port))
        except OSError:
            bound.close()
            raise
        host, port = bound.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        self._server = await self.app.create_server(sock=bound, return_asyncio_server=True, access_log=False, backlog=1024)
        if self._server is None:
            raise RuntimeError("Sanic made no server")
        await self._server.startup()
        await self._server.start_serving()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.app.ctx.webhooks.close()
        if self._server is not None:
            self._server.close()
            for connection in list(self._server.connections):
                connection.abort()
            await self._server.wait_closed()


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    logging.getLogger("sanic.root").setLevel(logging.WARNING)
    async with Simulator(config) as simulator:
        logging.getLogger(__name__).info("simulator on %s, webhooks to %s", simulator.url, config.webhook)
        await stop.wait()
