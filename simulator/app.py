"""The simulator as one Sanic application, and its life: bind, serve, stop."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket

from sanic import Request, Sanic
from sanic.exceptions import MethodNotSupported, NotFound
from sanic.response import HTTPResponse, raw
from sanic.server import AsyncioServer

from simulator import control_chat, control_world, model_server
from simulator.calls import Call, read_body, split_version
from simulator.config import Config
from simulator.connections import reset
from simulator.control import answer
from simulator.errors import ControlError, GraphError
from simulator.graph import Graph
from simulator.mail import control as mail_control
from simulator.mail.imap import ImapServer
from simulator.mail.smtp import SmtpServer
from simulator.model_server import Model
from simulator.reply import Reply
from simulator.state import World
from simulator.traffic import Traffic
from simulator.webhooks import Webhooks
from simulator.whapi import control as whapi_control
from simulator.whapi.account import File
from simulator.whapi.calls import Call as WhapiCall
from simulator.whapi.calls import read_body as read_whapi_body
from simulator.whapi.errors import WhapiError
from simulator.whapi.gateway import Gateway

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
    app.ctx.whapi = Gateway(app.ctx.world, app.ctx.traffic)
    app.ctx.mail_servers = {"smtp": SmtpServer(app.ctx.world, app.ctx.traffic), "imap": ImapServer(app.ctx.world)}
    app.ctx.ports = {}
    app.ctx.model = Model()
    for method, path, handler in _ROUTES:
        app.add_route(
            handler, path, methods=(method,), name=f"{handler.__module__}.{handler.__name__}.{method}", error_format="json"
        )
    app.add_route(_whapi, "/whapi/<path:path>", methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"), error_format="json")
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


async def _whapi(request: Request, path: str) -> HTTPResponse:
    gateway: Gateway = request.app.ctx.whapi
    try:
        call = _whapi_call(request, path)
    except WhapiError as error:
        return answer(error.body(), status=error.status)
    return await _sent(request, await gateway.answer(call))


def _whapi_call(request: Request, path: str) -> WhapiCall:
    content_type = str(request.headers.get("content-type", ""))
    form: dict[str, object] = {name: values[0] for name, values in (request.form or {}).items()}
    form.update({name: File(files[0].body, files[0].type) for name, files in (request.files or {}).items()})
    query = {name: values[0] for name, values in request.args.items()}
    scheme, _, bearer = str(request.headers.get("authorization", "")).partition(" ")
    in_header = scheme.lower() == "bearer" and bool(bearer.strip())
    token = bearer.strip() if in_header else query.pop("token", None)
    return WhapiCall(
        method=request.method,
        path=path.strip("/"),
        query=query,
        body=read_whapi_body(content_type, request.body, form),
        raw=request.body,
        content_type=content_type,
        token=token,
        token_from=None if token is None else "header" if in_header else "parameter",
    )


async def _sent(request: Request, reply: Reply) -> HTTPResponse:
    if reply.wait:
        await asyncio.sleep(reply.wait)
    if reply.cut:
        reset(request.transport)
    if reply.raw is not None:
        return raw(reply.raw, status=reply.status, headers=reply.headers, content_type=reply.headers.pop("content-type", None))
    return answer(reply.body, status=reply.status, headers=reply.headers)


class CannotListen(OSError):
    """A port is taken, or the address is not ours; the text is the whole line to show."""


_ROUTES = (
    *control_chat.ROUTES,
    *control_world.ROUTES,
    *whapi_control.ROUTES,
    *mail_control.ROUTES,
    *model_server.ROUTES,
)


class Simulator:
    """A running simulator: ``async with Simulator(config) as simulator: … simulator.url, simulator.ports["imap"]``."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.app = create_app(config)
        self.url = ""
        self.ports: dict[str, int] = {}
        self._server: AsyncioServer | None = None

    async def __aenter__(self) -> Simulator:
        # Sanic takes a socket only; binding it here makes port 0 work and a taken port an OSError at once.
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self.config.host, self.config.port))
        except OSError as error:
            bound.close()
            raise _cannot_listen(self.config, self.config.port, error) from error
        host, port = bound.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        self.ports["http"] = port
        try:
            await self._start_mail()
        except OSError:
            bound.close()
            raise
        self._server = await self.app.create_server(sock=bound, return_asyncio_server=True, access_log=False, backlog=1024)
        if self._server is None:
            raise RuntimeError("Sanic made no server")
        await self._server.startup()
        await self._server.start_serving()
        return self

    async def _start_mail(self) -> None:
        wanted = {"smtp": self.config.smtp_port, "imap": self.config.imap_port}
        try:
            for name, port in wanted.items():
                trying = port
                self.ports[name] = await self.app.ctx.mail_servers[name].start(self.config.host, port)
        except OSError as error:
            await self._stop_mail()
            raise _cannot_listen(self.config, trying, error) from error
        self.app.ctx.ports = self.ports

    async def _stop_mail(self) -> None:
        for server in self.app.ctx.mail_servers.values():
            await server.stop()

    async def __aexit__(self, *_: object) -> None:
        await self._stop_mail()
        await self.app.ctx.webhooks.close()
        if self._server is not None:
            self._server.close()
            for connection in list(self._server.connections):
                connection.abort()
            await self._server.wait_closed()


def _cannot_listen(config: Config, port: int, error: OSError) -> CannotListen:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return CannotListen(f"cannot listen on {config.host}:{port}: {reason}")


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    logging.getLogger("sanic.root").setLevel(logging.WARNING)
    async with Simulator(config) as simulator:
        log = logging.getLogger(__name__)
        log.info("simulator on %s, webhooks to %s", simulator.url, config.webhook)
        log.info("mail of %s: SMTP on %d, IMAP on %d", config.mail_address, simulator.ports["smtp"], simulator.ports["imap"])
        await stop.wait()
