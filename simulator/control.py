"""What all control endpoints share: reading a request, finding the world, and the shape of a route."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from sanic import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response

from simulator.config import Json
from simulator.errors import ControlError
from simulator.state import World
from simulator.traffic import Traffic
from simulator.webhooks import Webhooks

Handler: TypeAlias = Callable[..., Awaitable[HTTPResponse]]
Route: TypeAlias = tuple[str, str, Handler]  # method, path, handler


def world_of(request: Request) -> World:
    """The simulated world."""
    world: World = request.app.ctx.world
    return world


def traffic_of(request: Request) -> Traffic:
    """Its traffic."""
    traffic: Traffic = request.app.ctx.traffic
    return traffic


def webhooks_of(request: Request) -> Webhooks:
    """Its webhooks."""
    webhooks: Webhooks = request.app.ctx.webhooks
    return webhooks


def read_object(request: Request) -> dict[str, Json]:
    """The body as a JSON object. Raises ``ControlError``."""
    try:
        document = json.loads(request.body or b"{}")
    except ValueError as error:
        raise ControlError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ControlError("the body must be a JSON object")
    return document


def user_id(given: Json) -> str:
    """Check a customer's id."""
    user = str(given) if isinstance(given, (str, int)) and not isinstance(given, bool) else ""
    if not 0 < len(user) <= 255:
        raise ControlError("user must be an id of 1 to 255 characters")
    return user


def number(request: Request, name: str, default: float) -> float:
    """A number of the query."""
    try:
        return float(request.args.get(name, default))
    except ValueError as error:
        raise ControlError(f"{name} must be a number") from error


def answer(document: Json, status: int = 200, headers: dict[str, str] | None = None) -> HTTPResponse:
    """A JSON answer; the standard library writes what Sanic's faster encoder refuses, e.g. half of a surrogate pair."""
    return json_response(document, status=status, headers=headers, dumps=json.dumps)
