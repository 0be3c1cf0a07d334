"""The port over Supabase's Data API (PostgREST), through supabase-py."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import warnings
from collections.abc import AsyncIterator
from typing import Any

import httpx

from crm.port import JSON, WORK_CHANNEL, CrmError, CrmMisconfigured, CrmUnavailable
from crm.wire import check_names, encode, error_for, was_rolled_back

# Supabase stops a service_role statement after 8 s; connecting must fail sooner.
_TIMEOUT = httpx.Timeout(9.0, connect=3.0, pool=2.5)
# For an answer that comes drop by drop, which the timeouts above never notice.
_ANSWER_SECONDS = 12.0
# supabase-py 2.6.0 accepts only keys shaped like a JWT; this one is replaced before anything is sent.
_PLACEHOLDER = "new.key.kind"
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


class SupabaseCrm:
    """Calls functions over HTTPS with a secret key of either kind. Cannot listen: workers poll."""

    wakes = False

    def __init__(self, client: Any) -> None:
        self._client = client
        self._closed = False

    async def call(self, function: str, /, **arguments: JSON) -> JSON:
        """See ``Crm.call``."""
        check_names(function, arguments)
        encode(arguments)
        if self._closed:
            raise CrmUnavailable("the connection to Supabase was closed")
        for last in (False, True):
            response = await self._post(function, arguments)
            told = _error(response)
            if told is None:
                return _result(response)
            if last or not was_rolled_back(_code(response)):
                raise told
        raise AssertionError("unreachable")

    async def _post(self, function: str, arguments: dict[str, JSON]) -> httpx.Response:
        # The builder's own execute() takes every result for rows: it fails on objects and numbers, and hides the HTTP status.
        request = self._client.rpc(function, arguments)
        sent = request.session.request(
            request.http_method, request.path, json=request.json, params=request.params, headers=request.headers
        )
        try:
            answer: httpx.Response = await asyncio.wait_for(sent, _ANSWER_SECONDS)
        except asyncio.TimeoutError:
            raise CrmUnavailable(f"Supabase did not answer within {_ANSWER_SECONDS:g} s") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise CrmMisconfigured(f"SUPABASE_URL cannot be used: {error}") from error
        except httpx.HTTPError as error:
            raise CrmUnavailable(f"Supabase cannot be reached: {str(error) or type(error).__name__}") from error
        return answer

    async def listen(self, channel: str = WORK_CHANNEL) -> AsyncIterator[str]:
        """End at once: the Data API announces nothing."""
        nothing: tuple[str, ...] = ()
        for payload in nothing:
            yield payload

    async def close(self) -> None:
        """See ``Crm.close``."""
        self._closed = True
        await self._client.postgrest.aclose()


async def open_supabase(url: str, key: str) -> SupabaseCrm:
    """Make a client for a project's address and secret key; sends nothing yet. Raises ``CrmMisconfigured`` for a public key."""
    check_key(key)
    with warnings.catch_warnings():
        # Its gotrue says that it is deprecated; the version that follows does not run beside Rasa.
        warnings.simplefilter("ignore", DeprecationWarning)
        from supabase import ClientOptions, acreate_client
    new_kind = key.startswith("sb_secret_")
    options = ClientOptions(
        auto_refresh_token=False,
        persist_session=False,
        postgrest_client_timeout=_TIMEOUT,
    )
    client = await acreate_client(url.rstrip("/"), _PLACEHOLDER if new_kind else key, options)
    if new_kind:
        # Not a JWT, so only ever in `apikey`: in Authorization PostgREST refuses it (PGRST301).
        client.options.headers["apiKey"] = key
        del client.options.headers["Authorization"]
    # A redirected POST would become a GET, and could carry the key to another host.
    client.postgrest.session.follow_redirects = False
    await client.auth.close()
    return SupabaseCrm(client)


def check_key(key: str) -> None:
    """Refuse keys that can call nothing. Raises ``CrmMisconfigured``; the key itself is never repeated."""
    # HTTP headers are ASCII; an example copied from the documentation ends in "…".
    if not (key.isascii() and key.isprintable()):
        raise CrmMisconfigured(
            "SUPABASE_SECRET_KEY: the value is wrong: it holds characters that no key has. Copy it again from Supabase"
        )
    if key.startswith("sb_secret_"):
        return
    if key.startswith("sb_publishable_"):
        raise CrmMisconfigured("SUPABASE_SECRET_KEY is the publishable key; the secret one (sb_secret_…) is needed")
    role = _role(key)
    if role is None:
        raise CrmMisconfigured("SUPABASE_SECRET_KEY is neither sb_secret_… nor the service_role JWT")
    if role != "service_role":
        raise CrmMisconfigured(f"SUPABASE_SECRET_KEY is the JWT of role {role!r}; service_role is needed")


def _role(key: str) -> str | None:
    parts = key.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    role = claims.get("role") if isinstance(claims, dict) else None
    return role if isinstance(role, str) else None


def _result(response: httpx.Response) -> JSON:
    if response.status_code == httpx.codes.NO_CONTENT or not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise CrmUnavailable(f"Supabase answered {response.status_code} without JSON") from None


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _code(response: httpx.Response) -> str:
    return str(_body(response).get("code") or "")


def _error(response: httpx.Response) -> CrmError | None:
    """Tell what an answer that is not a success means; None for a success."""
    if response.is_success:
        return None
    code, status = _code(response), response.status_code
    message = str(_body(response).get("message") or f"Supabase answered {status}")
    if _SQLSTATE.fullmatch(code):
        return error_for(code, message)
    # What is left comes from PostgREST itself (PGRST…), the gateway or a proxy: never from the data, except 413.
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return error_for("54000", message)
    if status >= 500 or status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS):
        return CrmUnavailable(f"{message} ({code or status})")
    return CrmMisconfigured(f"{message} ({code or status})")
