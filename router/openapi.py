"""The OpenAPI 3.1 document, made from the table of routes."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from connectors.message import Json
from router.problem import KINDS, MEDIA_TYPE
from router.routes import IDEMPOTENCY_KEY, PLACES, PREFIX, ROUTES, Route
from router.schemas import COMPONENTS, reference

VERSION = "1.0.0"

_EVERYWHERE = ("unauthorized", "forbidden", "rate-limited", "unavailable", "internal", "malformed")
_WITH_BODY = ("unsupported-media-type", "too-large", "invalid")


def document() -> Json:
    """The whole document; the same each time."""
    paths: dict[str, Json] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    made = {
        "openapi": "3.1.0",
        "info": {
            "title": "OmniCRM: channel router",
            "version": VERSION,
            "description": (
                "One way to send, read and steer conversations on WhatsApp, Instagram, Messenger and email. See docs/api.md."
            ),
        },
        "servers": [{"url": PREFIX}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "Made with `omnicrm apikey create`."}
            },
        },
    }
    return copy.deepcopy(made)


def _operation(route: Route) -> Json:
    made: dict[str, Json] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {
            str(route.status): _success(route),
            **{status: _failure(names) for status, names in _problems(route).items()},
        },
    }
    if route.scope is None:
        made["security"] = []
    else:
        made["description"] = f"Scope: `{route.scope}`."
    if route.takes:
        made["requestBody"] = {
            "required": not route.takes_nothing_too,
            "content": {"application/json": {"schema": reference(route.takes)}},
        }
    return made


def _parameters(route: Route) -> list[Json]:
    found = [{"name": name, "in": "path", "required": True, "schema": PLACES[name]} for name in route.places]
    found += [{"name": name, "in": "query", "schema": schema} for name, schema in route.query.items()]
    if route.idempotent:
        found.append({"name": "Idempotency-Key", "in": "header", "schema": IDEMPOTENCY_KEY})
    return found


def _success(route: Route) -> Json:
    made: dict[str, Json] = {
        "description": "Accepted: it leaves as soon as the channel lets it." if route.status == 202 else "Done.",
        "content": {"application/json": {"schema": reference(route.gives)}},
    }
    if route.status == 202:
        made["headers"] = {
            "Location": {"schema": {"type": "string"}, "required": True, "description": "The first message's status."},
            "Idempotent-Replayed": {
                "schema": {"type": "string", "const": "true"}, "description": "This is the answer of an earlier request.",
            },
        }  # fmt: skip
    return made


def kinds_of(route: Route) -> list[str]:
    """Every kind of problem that the operation may answer with."""
    kinds = [*_EVERYWHERE] if route.scope else ["internal", "malformed"]
    kinds += _WITH_BODY if route.takes else ["too-large"]
    if route.query or route.scope:
        kinds.append("invalid")
    if "cursor" in route.query:
        kinds.append("invalid-cursor")
    if route.places:
        kinds.append("no-such-route")
    return list(dict.fromkeys([*kinds, *route.problems]))


def _problems(route: Route) -> dict[str, list[str]]:
    by_status: dict[str, list[str]] = {}
    for name in kinds_of(route):
        by_status.setdefault(str(KINDS[name].status), []).append(name)
    return dict(sorted(by_status.items()))


def _failure(names: Iterable[str]) -> Json:
    made: dict[str, Json] = {
        "description": "; ".join(f"{KINDS[name].title} (`{name}`)" for name in names),
        "content": {MEDIA_TYPE: {"schema": reference("Problem")}},
    }
    told = {"unauthorized": "WWW-Authenticate", "rate-limited": "Retry-After", "unavailable": "Retry-After"}
    headers = {told[name]: {"schema": {"type": "string"}, "required": True} for name in names if name in told}
    return {**made, "headers": headers} if headers else made
