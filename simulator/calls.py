"""A Graph call taken apart: version, path, parameters, and who is asking."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.config import Json
from simulator.errors import GraphError, bad_token, invalid, no_token, unknown_path
from simulator.state import World
from simulator.wire import app_secret_proof

NEWEST_VERSION = 26
OLDEST_VERSION = 21  # calls to an expired version are served by the oldest live one
_SECRET_PARAMETERS = ("access_token", "appsecret_proof", "input_token", "client_secret", "fb_exchange_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. ``parameters`` joins query and body, as Graph does; ``path`` comes without its version."""

    method: str
    version: int
    path: tuple[str, ...]
    parameters: dict[str, Json] = field(default_factory=dict)
    token: str | None = None
    token_from: str | None = None

    @property
    def node(self) -> str:
        """What is asked about."""
        return self.path[0] if self.path else ""

    @property
    def edge(self) -> str:
        """The collection below it."""
        return self.path[1] if len(self.path) > 1 else ""

    @property
    def where(self) -> str:
        """Which kind of call it is, in the words of the faults."""
        if self.edge == "messages":
            return "sender_action" if "sender_action" in self.parameters and "message" not in self.parameters else "send"
        if self.edge == "message_attachments":
            return "attachment"
        if self.edge == "subscribed_apps":
            return "subscribed_apps"
        if self.node == "debug_token":
            return "debug_token"
        return "other"

    @property
    def user(self) -> str | None:
        """The customer that the call is about."""
        recipient = self.parameters.get("recipient")
        return str(recipient["id"]) if isinstance(recipient, dict) and "id" in recipient else None

    def public_parameters(self) -> dict[str, Json]:
        """The parameters without secrets."""
        return {name: "(redacted)" if name in _SECRET_PARAMETERS else value for name, value in self.parameters.items()}


def split_version(path: str) -> tuple[int, tuple[str, ...]]:
    """The version that serves this path, and the rest of it. Raises ``GraphError`` for a version that does not exist."""
    parts = tuple(part for part in path.split("/") if part)
    if not parts or not re.fullmatch(r"v\d+\.\d+", parts[0]):
        return OLDEST_VERSION, parts
    major, minor = (int(number) for number in parts[0][1:].split("."))
    if minor or not 1 <= major <= NEWEST_VERSION:
        raise unknown_path("/".join(parts))
    return max(major, OLDEST_VERSION), parts[1:]


def read_body(content_type: str, body: bytes, form: Mapping[str, str]) -> dict[str, Json]:
    """The parameters of a body: a JSON object, or a form whose values may be JSON themselves."""
    if form:
        return {name: _maybe_json(value) for name, value in form.items()}
    if not body.strip():
        return {}
    try:
        document = json.loads(body)
    except ValueError as error:
        raise invalid(f"The body is not valid JSON ({content_type or 'no content type'})") from error
    if not isinstance(document, dict):
        raise invalid("The body must be a JSON object")
    return document


def _maybe_json(value: str) -> Json:
    if value[:1] in "{[":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def authenticate(world: World, call: Call) -> None:
    """Check token and proof. Raises ``GraphError``."""
    if call.token is None:
        raise no_token()
    config, token = world.config, world.token
    is_app_token = hmac.compare_digest(call.token.encode(), f"{config.app_id}|{config.app_secret}".encode())
    if is_app_token and call.node == "debug_token":
        return
    if not hmac.compare_digest(call.token.encode(), config.token.encode()):
        raise bad_token("Invalid OAuth access token - Cannot parse access token")
    if not token.valid:
        raise bad_token(subcode=token.subcode)
    if token.expires_at and world.clock.now() >= token.expires_at:
        raise bad_token("Error validating access token: Session has expired.", 463)
    _check_proof(world, call)


def _check_proof(world: World, call: Call) -> None:
    proof = call.parameters.get("appsecret_proof")
    if proof is None:
        if world.knobs.require_proof:
            raise invalid(
                "API calls from the server require an appsecret_proof argument: "
                "this call requires either app secret proof or an app token"
            )
        return
    right = app_secret_proof(world.config.app_secret, call.token or "")
    if not hmac.compare_digest(str(proof).encode(), right.encode()):
        raise GraphError("Invalid appsecret_proof provided in the API argument", 100, type="GraphMethodException")
