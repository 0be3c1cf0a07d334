"""The API as a blueprint of Sanic's: one route that takes everything below the prefix."""

from __future__ import annotations

from typing import Any

from sanic import Blueprint, Sanic, response
from sanic.exceptions import MethodNotSupported
from sanic.request import Request
from sanic.response import HTTPResponse

from connectors.webhook import read_body
from router.bucket import Buckets
from router.gateway import MAX_BODY, Gateway, Incoming
from router.routes import PREFIX

# Sanic's own answers for an unknown path or method are no problems of RFC 9457, so that none of them may be left to it.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def api_blueprint(requests_per_minute: int) -> Blueprint:
    """Make the blueprint. It finds the running bot, a ``router.call.Bot``, as ``app.ctx.omnicrm``."""
    gateway = Gateway(Buckets(requests_per_minute))
    blueprint = Blueprint("omnicrm_api", url_prefix=PREFIX)

    async def everything(request: Request, below: str = "") -> HTTPResponse:
        incoming = Incoming(
            method=request.method,
            path=_below(request),
            query=request.query_string,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await read_body(request, MAX_BODY),
        )
        bot: Any = getattr(request.app.ctx, "omnicrm", None)
        outcome = await gateway.answer(incoming, bot)
        return response.raw(outcome.body, status=outcome.status, headers=dict(outcome.headers), content_type=outcome.media_type)

    async def odd_method(request: Request, error: MethodNotSupported) -> HTTPResponse:
        if not request.path.startswith(PREFIX):
            return request.app.error_handler.default(request, error)
        return await everything(request)

    async def catch_odd_methods(app: Sanic, _loop: Any) -> None:
        # No route can be had for TRACE and inventions.
        app.error_handler.add(MethodNotSupported, odd_method)

    blueprint.listener("before_server_start")(catch_odd_methods)
    blueprint.add_route(everything, "/", methods=_METHODS, stream=True)
    blueprint.add_route(everything, "/<below:path>", methods=_METHODS, stream=True, name="below")
    return blueprint


def _below(request: Request) -> str:
    """The raw path below the prefix: what is encoded in an id stays so until the id is read."""
    raw = request.raw_url.decode("ascii", "replace").partition("?")[0]
    _, _, below = raw.partition(PREFIX)
    return str(below)
