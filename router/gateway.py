"""From one HTTP request to one answer: route, key, pace, schema, handler; every failure becomes a problem."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from math import ceil

from connectors.message import Json
from crm.port import CrmError, CrmRejected
from router import handlers, openapi
from router.bucket import Buckets
from router.call import Bot, Call, Reply
from router.keys import Key, matches, presented
from router.problem import MEDIA_TYPE, Problem
from router.routes import IDEMPOTENCY_KEY, PREFIX, Found, Route, find
from router.validation import read_body, read_header, read_query

logger = logging.getLogger(__name__)

MAX_BODY = 64 * 1024
RETRY_AFTER_SECONDS = 5
# Nothing here is for a cache or for a browser to guess about.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# How our functions say what kind of refusal theirs is.
_REFUSALS = {"OC404": "not-found", "OC409": "conflict", "OC422": "invalid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One request as it came. ``path`` is raw and below the prefix; header names in lower case; ``body`` None: too large."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What goes back."""

    status: int
    body: bytes
    media_type: str
    headers: Mapping[str, str]


class Gateway:
    """Answers for one process."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._document = json.dumps(openapi.document(), ensure_ascii=False).encode()

    async def answer(self, request: Incoming, bot: Bot | None) -> Outcome:
        """Answer one request; never raises. ``bot`` None: it has not started."""
        began = time.perf_counter()
        path = PREFIX + request.path
        key_id, action = "-", "-"
        try:
            found = find(request.path)
            route = _route(found, request.method)
            action = route.name
            if request.body is None:
                raise Problem("too-large", f"The body has more than {MAX_BODY} bytes.")
            if route.scope is None:
                return Outcome(status=200, body=self._document, media_type="application/json", headers=HEADERS)
            if bot is None:
                raise _unavailable("The bot has not started.")
            key = await self._who(request, bot)
            key_id = key.id
            outcome = _outcome(await self._handle(request, route, found, key, bot))
        except Problem as problem:
            outcome = _told(problem, path)
        except CrmRejected as error:
            outcome = _told(_refused(error), path)
        except CrmError as error:
            logger.error("database away action=api operation=%s error=%s", action, type(error).__name__)
            outcome = _told(_unavailable("The database does not answer."), path)
        except Exception:  # a caller gets a problem, whatever it was; the log gets the rest
            logger.exception("request failed action=api operation=%s key=%s", action, key_id)
            outcome = _told(Problem("internal", "Something went wrong on our side."), path)
        # Neither path nor query: both may hold phone numbers and names.
        milliseconds = (time.perf_counter() - began) * 1000
        logger.info("request action=api operation=%s key=%s status=%s ms=%.0f", action, key_id, outcome.status, milliseconds)
        return outcome

    async def _who(self, request: Incoming, bot: Bot) -> Key:
        shown = presented(request.headers.get("authorization"))
        row: Json = await bot.crm.call("omnicrm_api_key_find", p_id=shown[0]) if shown else None
        if shown is None or not matches(shown[1], row):
            challenge = 'Bearer realm="omnicrm"' + (', error="invalid_token"' if "authorization" in request.headers else "")
            raise Problem("unauthorized", "This request has no valid key.", headers={"WWW-Authenticate": challenge})
        wait = self._buckets.take(shown[0])
        if wait:
            raise Problem("rate-limited", "This key asked too often.", headers={"Retry-After": str(ceil(wait))})
        if row["stale"]:
            await bot.crm.call("omnicrm_api_key_touch", p_id=shown[0])
        return Key(id=shown[0], name=row["name"], scopes=frozenset(row["scopes"]))

    async def _handle(self, request: Incoming, route: Route, found: Found, key: Key, bot: Bot) -> Reply:
        if route.scope not in key.scopes:
            raise Problem("forbidden", f"This needs a key with the scope {route.scope}.", {"scope": route.scope})
        idempotency_key = None
        if route.idempotent:
            idempotency_key = read_header("Idempotency-Key", IDEMPOTENCY_KEY, request.headers.get("idempotency-key"))
        call = Call(
            route=route, key=key, bot=bot, ids=found.ids, query=read_query(route, request.query),
            body=read_body(route, request.headers.get("content-type"), request.body or b""),
            idempotency_key=idempotency_key,
        )  # fmt: skip
        handler: Callable[[Call], Awaitable[Reply]] = handlers.HANDLERS[route.name]
        return await handler(call)


def _route(found: Found, method: str) -> Route:
    if not found.routes:
        raise Problem("no-such-route", "There is nothing at this address.")
    route = found.routes.get("GET" if method == "HEAD" else method)
    if route is None:
        raise Problem("method-not-allowed", f"Allowed: {found.allowed}.", headers={"Allow": found.allowed})
    return route


def _refused(error: CrmRejected) -> Problem:
    """What a refusal of the database means. The words are our functions' own; others' may repeat values and stay here."""
    if error.sqlstate in _REFUSALS:
        return Problem(_REFUSALS[error.sqlstate], error.message)
    if error.sqlstate == "22P02":
        # A client's id is a number here and not a UUID, or the other way round.
        return Problem("not-found", "The id belongs to nothing that exists.")
    logger.error("database refused action=api sqlstate=%s", error.sqlstate)
    return Problem("internal", "Something went wrong on our side.")


def _unavailable(detail: str) -> Problem:
    return Problem("unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _told(problem: Problem, path: str) -> Outcome:
    body = json.dumps(problem.document(path), ensure_ascii=False).encode("utf-8", "replace")
    return Outcome(status=problem.status, body=body, media_type=MEDIA_TYPE, headers={**HEADERS, **problem.headers})


def _outcome(reply: Reply) -> Outcome:
    body = json.dumps(reply.body, ensure_ascii=False).encode()
    return Outcome(status=reply.status, body=body, media_type="application/json", headers={**HEADERS, **reply.headers})
