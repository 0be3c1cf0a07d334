"""How we log in to a mail server: with a password, or with an OAuth access token that is fetched and kept until it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from connectors.email.settings import EmailSettings
from connectors.message import Json, NeedsOperator, Retry

# A token that is about to end may end on the way.
SPARE_SECONDS = 60.0
# Where the provider does not say how long it lives; Google and Microsoft say an hour.
USUAL_SECONDS = 300.0
_REFUSED = "El proveedor de correo ya no acepta las credenciales OAuth: autoriza de nuevo y revisa EMAIL_OAUTH_*"


class AccessTokens:
    """Access tokens of one account (RFC 6749: refresh token, section 6; without one the client's own credentials, 4.4).

    ``clock`` is monotonic, in seconds.
    """

    def __init__(
        self, http: httpx.AsyncClient, settings: EmailSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._url = settings.email_oauth_token_url
        self._form = {"client_id": settings.email_oauth_client_id, "client_secret": settings.email_oauth_client_secret}
        if settings.email_oauth_scope:
            self._form["scope"] = settings.email_oauth_scope
        self._refresh_token = settings.email_oauth_refresh_token
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._good_until = 0.0

    async def get(self, refused: str = "") -> str:
        """A token that is still good; another one than ``refused``. Raises ``Retry`` or ``NeedsOperator``."""
        async with self._lock:
            if not self._token or self._token == refused or self._clock() >= self._good_until:
                await self._fetch()
            return self._token

    async def _fetch(self) -> None:
        grant = {"grant_type": "client_credentials"}
        if self._refresh_token:
            grant = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        try:
            answer = await self._http.post(self._url, data={**self._form, **grant}, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Without `from`: the request in httpx's error holds the secrets.
            raise Retry("No hay conexión con quien da los tokens del correo", type(error).__name__) from None
        name = f"HTTP {answer.status_code}"
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            raise Retry("Quien da los tokens del correo pide esperar", name)
        document = _object(answer)
        token = document.get("access_token")
        if not answer.is_success or not isinstance(token, str) or not token.isascii():
            raise NeedsOperator(_REFUSED, f"{name} {document.get('error', '')}".strip()[:80])
        seconds = document.get("expires_in")
        self._token = token
        self._good_until = self._clock() + (seconds if isinstance(seconds, int) else USUAL_SECONDS) - SPARE_SECONDS
        # Microsoft gives a new one each time, which outlives the old.
        renewed = document.get("refresh_token")
        if self._refresh_token and isinstance(renewed, str) and renewed:
            self._refresh_token = renewed


def _object(answer: httpx.Response) -> dict[str, Json]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to a mail server. With neither password nor tokens the server is not asked to let us in."""

    user: str
    password: str = field(default="", repr=False)
    tokens: AccessTokens | None = field(default=None, repr=False)


def credentials(settings: EmailSettings, http: httpx.AsyncClient) -> Credentials:
    """The credentials that the settings name."""
    return Credentials(
        user=settings.email_user or settings.email_address,
        password=settings.email_password,
        tokens=AccessTokens(http, settings) if settings.email_oauth_token_url else None,
    )
